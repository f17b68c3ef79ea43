import ArgumentParser
import DomainSimulation
import Glibc

/// Lives simulated histories of whole domains and says which end wrong (`make simulate`).
@main
struct BerthSimulate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "berth-simulate",
        abstract: "Lives histories of whole edge domains over simulated time, and checks how they end.",
        discussion:
            "Prints a line for each history that ends wrong, in their order, and a summary; status 1 where there was one."
    )

    @Option(help: "How many histories of 3 to 30 nodes.")
    var histories = 500
    @Option(help: "How many histories of 1,000 nodes.")
    var large = 1
    @Option(help: "The seed of the first history; each further one has the next number.")
    var seed: UInt64 = 1
    @Option(help: "How many histories are lived at once; as many as there are processors unless told.")
    var jobs = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))

    func validate() throws {
        guard histories >= 0, large >= 0 else { throw ValidationError("there are no fewer than 0 histories") }
        guard jobs > 0 else { throw ValidationError("at least one history is lived at once") }
    }

    /// How a history ended.
    private struct End: Sendable {
        let number: Int
        let effects: Int
        /// What is to be printed; nil where all is well.
        let complaint: String?
    }

    func run() async throws {
        let count = histories + large
        var (wrong, effects) = (0, 0)
        // Those that have ended before one that comes first in the output.
        var waiting: [Int: End] = [:]
        var shown = 0
        await withTaskGroup(of: End.self) { group in
            var next = 0
            func add() {
                guard next < count else { return }
                group.addTask { [self, next] in live(next) }
                next += 1
            }
            for _ in 0..<jobs { add() }
            for await end in group {
                add()
                waiting[end.number] = end
                while let end = waiting.removeValue(forKey: shown) {
                    shown += 1
                    effects += end.effects
                    if let complaint = end.complaint {
                        wrong += 1
                        print(complaint)
                    }
                }
            }
        }
        print("\(count - wrong) passed, \(wrong) failed, \(effects) effects")
        if wrong > 0 { throw ExitCode(1) }
    }

    private func live(_ number: Int) -> End {
        let isLarge = number >= histories
        let seed = seed &+ UInt64(isLarge ? number - histories : number)
        let shape =
            isLarge
            ? Simulation.Shape(nodes: 1_000, seconds: 30, requests: 2_000, loss: 5, crashes: 1)
            : Simulation.Shape(seed: seed)
        var simulation = Simulation(seed: seed, shape: shape)
        simulation.live()
        let complaint =
            simulation.violations.isEmpty
            ? nil : "seed \(seed), \(shape.nodes) nodes: \(simulation.violations.prefix(3).joined(separator: "; "))"
        return End(number: number, effects: simulation.effects, complaint: complaint)
    }
}
