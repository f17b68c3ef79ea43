import ArgumentParser
import DomainSimulation
import Glibc

/// Lives simulated histories of whole domains and says which end wrong (`make simulate`).
@main
struct BerthSimulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "berth-simulate",
        abstract: "Lives histories of whole edge domains over simulated time, and checks how they end.",
        discussion: "Prints a line for each history that ends wrong, and a summary; status 1 where there was one.")

    @Option(help: "How many histories of 3 to 30 nodes.")
    var histories = 500
    @Option(help: "How many histories of 1,000 nodes.")
    var large = 1
    @Option(help: "The seed of the first history; each further one has the next number.")
    var seed: UInt64 = 1

    func run() throws {
        var wrong = 0
        var effects = 0
        for number in 0..<UInt64(max(0, histories)) {
            wrong += live(seed &+ number, .init(seed: seed &+ number), &effects)
        }
        for number in 0..<UInt64(max(0, large)) {
            wrong += live(
                seed &+ number, .init(nodes: 1_000, seconds: 30, requests: 2_000, loss: 5, crashes: 1), &effects)
        }
        print("\(histories + large - wrong) passed, \(wrong) failed, \(effects) effects")
        if wrong > 0 { throw ExitCode(1) }
    }

    private func live(_ seed: UInt64, _ shape: Simulation.Shape, _ effects: inout Int) -> Int {
        var simulation = Simulation(seed: seed, shape: shape)
        simulation.live()
        effects += simulation.effects
        guard !simulation.violations.isEmpty else { return 0 }
        print("seed \(seed), \(shape.nodes) nodes: \(simulation.violations.prefix(3).joined(separator: "; "))")
        return 1
    }
}
