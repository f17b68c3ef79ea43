import ArgumentParser
import Domain
import Glibc
import Synchronization

/// Many nodes that refresh regularly, each over a connection of its own, with health and samples.
struct Refreshes: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Refreshes nodes, and measures what that costs berth-domain.")

    @Option(help: "The port at which all agents are to listen.") var second: Int
    @Option(help: "The port of berth-domain for its nodes.") var register: Int
    @Option(help: "The process of berth-domain.") var domainPid: Int32
    @Option(help: "How many nodes.") var nodes = 1_000
    @Option(help: "How many samples each refresh has.") var samples = 20
    @Option(help: "How often each refreshes, in seconds.") var interval = 2.0
    @Option(help: "How long is measured, in seconds.") var time = 10.0
    @Option(help: "How often is measured.") var rounds = 1

    func run() async throws {
        try await Port.wait(for: register)
        let counts = CallCounts()
        let agent = try BareNode(number: 0, port: second, counts: counts)
        let process = WatchedProcess(pid: domainPid)
        let refreshed = Counter()
        try await withThrowingTaskGroup(of: Void.self) { group in
            let begin = seconds() + 0.5
            for number in 1...nodes {
                group.addTask { try await refresh(number, from: begin, refreshed) }
            }
            group.addTask {
                // The domain stops an orphan on each node, which opens a connection to every agent.
                try await counts.wait(for: "a call to each agent") { $0.stops >= nodes }
                try await wait(for: "two refreshes of each node") { refreshed.value >= 2 * nodes }
                for _ in 0..<rounds {
                    let (cpu, from, count) = (process.cpu, seconds(), refreshed.value)
                    try await Task.sleep(for: .seconds(time))
                    let (took, done) = (seconds() - from, Double(refreshed.value - count))
                    let expected = Double(nodes) / interval * took
                    guard done > 0.9 * expected else { throw Broken("\(done) refreshes instead of \(expected)") }
                    let memory = process.memory
                    report(
                        "refreshes",
                        [
                            "core": (process.cpu - cpu) / took, "per_second": done / took,
                            "cpu_us": (process.cpu - cpu) / done * 1e6, "rss_mb": memory.now / 1e6,
                            "peak_mb": memory.peak / 1e6,
                        ])
                }
                throw CancellationError()
            }
            // Nobody but the one who measures ends by itself.
            do { while try await group.next() != nil {} } catch is CancellationError { group.cancelAll() }
        }
        withExtendedLifetime(agent) {}
    }

    private func refresh(_ number: Int, from begin: Double, _ refreshed: Counter) async throws {
        let client = try BareClient(port: register)
        var next = begin + interval * Double(number) / Double(nodes)
        var update = NodeUpdate(
            node: NodeID(high: 0xBE9C, low: UInt64(number)), description: BareNode.description(port: second),
            refreshDeadline: 0, nonce: 1)
        while !Task.isCancelled {
            try await Task.sleep(for: .seconds(max(0, next - seconds())))
            next += interval
            let now = seconds(CLOCK_REALTIME)
            update.refreshDeadline = UInt64(now + 2 * interval)
            update.health.memoryFree = Int32(number + Int(now) % 1_000)
            update.health.load1 = Int32(Int(now) % 100)
            update.samples.samples[.execution] = Dictionary(
                uniqueKeysWithValues: (0..<4).map { function in
                    (
                        ComponentID(high: UInt64(number), low: UInt64(function)),
                        (0..<max(1, samples / 4)).map {
                            Sample(seconds: Int64(now), nanoseconds: UInt32($0), value: 0.001 * Double($0))
                        }
                    )
                })
            try await client.register(update)
            refreshed.add()
        }
    }
}

/// A number that many add to.
final class Counter: Sendable {
    private let count = Atomic(0)

    func add() { count.wrappingAdd(1, ordering: .relaxed) }

    var value: Int { count.load(ordering: .relaxed) }
}
