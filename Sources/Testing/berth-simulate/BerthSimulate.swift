import ArgumentParser
import ClusterSimulation
import DomainSimulation
import Glibc

/// Lives simulated histories of whole domains and clusters and says which end wrong (`make simulate`).
@main
struct BerthSimulate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "berth-simulate",
        abstract: "Runs histories of whole edge domains and clusters over simulated time, and checks their results.",
        discussion:
            "Prints a line for each history with an error, in order, and a summary; exits with 1 if there was one."
    )

    @Option(help: "How many histories of 3 to 30 nodes.")
    var histories = 500
    @Option(help: "How many histories of 1,000 nodes.")
    var large = 1
    @Option(help: "How many histories of clusters, with a trace of each that has an error.")
    var clusters = 0
    @Option(help: "The seed of the first history; each further one has the next number.")
    var seed: UInt64 = 1
    @Option(help: "How many histories run in parallel; by default one for each processor.")
    var jobs = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))

    func validate() throws {
        guard histories >= 0, large >= 0, clusters >= 0 else {
            throw ValidationError("the number of histories must not be negative")
        }
        guard jobs > 0 else { throw ValidationError("--jobs must be at least 1") }
    }

    /// How a history ended.
    private struct End: Sendable {
        let number: Int
        let effects: Int
        /// What to print; nil if the history ended correctly.
        let complaint: String?
    }

    func run() async throws {
        let count = histories + large + clusters
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
                        fflush(nil)
                    }
                }
            }
        }
        print("\(count - wrong) passed, \(wrong) failed, \(effects) effects")
        if wrong > 0 { throw ExitCode(1) }
    }

    private func live(_ number: Int) -> End {
        number < histories + large ? liveDomain(number) : liveCluster(number)
    }

    private func liveCluster(_ number: Int) -> End {
        let seed = seed &+ UInt64(number - histories - large)
        let simulation = ClusterSimulation(seed: seed)
        simulation.live()
        guard !simulation.violations.isEmpty else {
            return End(number: number, effects: simulation.effects, complaint: nil)
        }
        let trace = simulation.trace(of: 40).map { "    \($0)" }
        let complaint =
            "cluster, seed \(seed): \(simulation.violations.prefix(3).joined(separator: "; "))\n"
            + "\(trace.joined(separator: "\n"))"
        return End(number: number, effects: simulation.effects, complaint: complaint)
    }

    private func liveDomain(_ number: Int) -> End {
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
