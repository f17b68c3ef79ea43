import Bindings
import Cluster
import ClusterSimulation
import Machine
import Testing

@Suite("Simulated clusters")
struct ClusterSimulationTests {
    private static let lossy = ClusterSimulation.Shape(nodes: 3, seconds: 200, actions: 100, loss: 30)
    private static let calm = ClusterSimulation.Shape(nodes: 2, seconds: 120, actions: 40, loss: 0, hasFaults: false)

    @Test("Without faults every history ends well", arguments: 1...5 as ClosedRange<UInt64>)
    func calm(seed: UInt64) {
        let simulation = ClusterSimulation(seed: seed, shape: Self.calm)
        simulation.live()
        #expect(simulation.violations == [], "\(simulation.trace(of: 40).joined(separator: "\n"))")
    }

    @Test("With faults every history ends well", arguments: 1...10 as ClosedRange<UInt64>)
    func faults(seed: UInt64) {
        let simulation = ClusterSimulation(seed: seed)
        simulation.live()
        #expect(simulation.violations == [], "\(simulation.trace(of: 40).joined(separator: "\n"))")
    }

    @Test("The same seed gives the same history")
    func repeats() {
        let fingerprints = (0..<2).map { _ in
            let simulation = ClusterSimulation(seed: 3)
            simulation.live()
            return [simulation.fingerprint, UInt64(simulation.effects)]
        }
        #expect(fingerprints[0] == fingerprints[1])
    }

    /// Whether one of some histories ends wrong with something else than the rules that ship.
    private func isFound(_ rules: ClusterSimulation.Rules, _ shape: ClusterSimulation.Shape, of part: String = "")
        -> Bool
    {
        (1...300).lazy.contains { seed in
            let simulation = ClusterSimulation(seed: UInt64(seed), shape: shape, rules: rules)
            simulation.live()
            return simulation.violations.contains { part.isEmpty || $0.contains(part) }
        }
    }

    @Test("A controller that does not care about exclusiveness is found")
    func ignoresOthers() {
        var rules = ClusterSimulation.Rules()
        rules.decide = { snapshot in
            var snapshot = snapshot
            snapshot.others = []
            snapshot.node?.allocated = CPUSet()
            return snapshot.decide()
        }
        #expect(isFound(rules, Self.calm))
    }

    @Test("A controller that forgets to give CPUs back is found")
    func keepsCPUs() {
        var rules = ClusterSimulation.Rules()
        rules.decide = { snapshot in
            var action = snapshot.decide()
            if action.claim == .release { action.claim = nil }
            return action
        }
        #expect(isFound(rules, Self.calm))
    }

    @Test("An extender that takes the binding of a pod that may be bound, after a refusal, is found")
    func takesBackInDoubt() {
        var rules = ClusterSimulation.Rules()
        rules.step = { answer, step in answer == .refused ? .end(.refused) : step }
        #expect(isFound(rules, Self.lossy, of: "has no binding"))
    }
}
