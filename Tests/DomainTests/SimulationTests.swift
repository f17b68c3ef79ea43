import DomainSimulation
import Glibc
import Testing

/// Whole domains over simulated time. `BERTH_HISTORIES` says how many (30), `BERTH_SEED` from which seed on; `make simulate`
/// lives many more.
@Suite struct SimulationTests {
    private static func setting(_ name: String, _ fallback: Int) -> Int {
        getenv(name).flatMap { Int(String(cString: $0)) } ?? fallback
    }

    @Test(
        "whatever happens to a domain, once all heals everything wanted runs once, is wired as last said, and nothing else runs"
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
}
