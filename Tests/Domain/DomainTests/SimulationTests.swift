import Glibc
import Testing

@testable import DomainSimulation

/// Whole domains over simulated time. `BERTH_HISTORIES` sets their number (30), `BERTH_SEED` the first seed; `make simulate`
/// runs many more.
@Suite struct SimulationTests {
    private static func setting(_ name: String, _ fallback: Int) -> Int {
        getenv(name).flatMap { Int(String(cString: $0)) } ?? fallback
    }

    @Test(
        "after any history, every wanted instance runs once with its latest wiring, and nothing else runs"
    )
    func histories() {
        let first = Self.setting("BERTH_SEED", 1)
        for seed in first..<first + Self.setting("BERTH_HISTORIES", 30) {
            var simulation = Simulation(seed: UInt64(seed), shape: .init(seed: UInt64(seed)))
            simulation.live()
            #expect(simulation.violations.isEmpty, "seed \(seed): \(simulation.violations.prefix(3))")
            if !simulation.violations.isEmpty { break }
        }
    }

    // MARK: - Tests of the checks

    private static let calm = Simulation.Shape(nodes: 6, seconds: 30, requests: 60, loss: 0, crashes: 0)

    @Test(
        "the checks detect a Redis command that is answered but not carried out",
        arguments: [["DEL", "instance:"], ["SET", "dependency:"], ["ZREMRANGEBYSCORE", "node:health:"]])
    func lostCommand(beginning: [String]) {
        let found = (1...10 as ClosedRange<UInt64>).contains { seed in
            var simulation = Simulation(seed: seed, shape: Self.calm)
            simulation.redis.model.ignores = { $0[0] == beginning[0] && $0[1].hasPrefix(beginning[1]) }
            simulation.live()
            return simulation.violations.contains { $0.contains(beginning[1]) }
        }
        #expect(found, "none of ten histories shows it")
    }

    @Test("the checks detect an intent that never finishes, and one that finishes twice")
    func intents() {
        var simulation = Simulation(seed: 1, shape: Self.calm)
        simulation.intents.hand(.max, "intent:cordon:lost")
        simulation.live()
        #expect(simulation.violations.contains("intent:cordon:lost does not come to an end"))
        var tracker = IntentTracker()
        tracker.hand(1, "intent:cordon:twice")
        #expect(tracker.finish(1) == "intent:cordon:twice" && tracker.violations.isEmpty)
        #expect(tracker.finish(1) == nil && tracker.violations.count == 1)
        tracker.hand(2, "intent:cordon:ended")
        tracker.forget()
        #expect(tracker.open.isEmpty && tracker.violations.count == 1)
    }

    @Test("the same seed gives the same history")
    func determinism() {
        func history() -> Simulation {
            var simulation = Simulation(seed: 7, shape: .init(seed: 7))
            simulation.live()
            return simulation
        }
        let (first, second) = (history(), history())
        #expect(first.effects == second.effects && first.stored == second.stored)
        #expect(first.redis.model.values == second.redis.model.values)
    }
}
