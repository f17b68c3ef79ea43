import ArgumentParser
import Domain
import Glibc
import Synchronization

/// Function starts on nodes that are there, before many others join at once and meanwhile.
struct Joins: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures function starts before and while many nodes join.")

    @Option(help: "The port of berth-domain for its controller.") var orchestrator: Int
    @Option(help: "The port of berth-domain for its nodes.") var register: Int
    @Option(help: "The process of berth-domain.") var domainPid: Int32
    @Option(help: "How many nodes there are before.") var nodes = 10
    @Option(help: "How many nodes join.") var joining = 1_000
    @Option(help: "How many clients.") var clients = 8
    @Flag(help: "Whether to report how long it takes until all nodes know each other.") var mesh = false
    @Option(help: "How long starts are measured, before and meanwhile, in seconds.") var time = 4.0

    func run() async throws {
        let (counts, joinedCounts) = (CallCounts(), CallCounts())
        // Its port stands for the agents of all nodes that join.
        let agent = try BareNode(number: 0, counts: joinedCounts)
        for port in [orchestrator, register] { try await Port.wait(for: port) }
        let open = try (1...max(1, nodes)).map { try BareNode(number: $0, counts: counts) }
        let registrars = try Clients(clients, port: register)
        for node in open { try await registrars.clients[0].register(node.update(labels: ["open"])) }
        try await counts.wait(for: "all nodes to know each other") { $0.peers >= open.count * open.count }

        let started = try Clients(clients, port: orchestrator)
        let process = WatchedProcess(pid: domainPid)
        _ = try await started.call(for: 1) { client in
            _ = try await client.start(BenchFunction.message(state: 1, label: "open"))
        }
        try await measure("before", started, process)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [joining] in
                try await registrars.call(joining) { client, number in
                    let update = NodeUpdate(
                        node: NodeID(high: 0xBE9D, low: UInt64(number)),
                        description: BareNode.description(port: agent.port, labels: ["joining"]),
                        refreshDeadline: UInt64(seconds(CLOCK_REALTIME) + 3_600), nonce: 1)
                    try await client.register(update)
                }
            }
            try await measure("during", started, process)
            try await group.waitForAll()
        }
        if mesh {
            let (begin, all) = (seconds(), (nodes + joining) * (nodes + joining))
            try await wait(for: "all nodes to know each other", limit: 1_800) {
                counts.state.withLock { $0.peers } + joinedCounts.state.withLock { $0.peers } >= all
            }
            report("meshed", ["seconds": seconds() - begin])
        }
        report(
            "joined",
            joinedCounts.state.withLock { ["resets": Double($0.resets), "peer_updates": Double($0.peers)] })
        // The domain goes on calling: a server that ends meanwhile may trap.
        withExtendedLifetime((agent, open)) { Glibc.exit(0) }
    }

    private func measure(_ name: String, _ clients: Clients, _ process: WatchedProcess) async throws {
        let (cpu, begin) = (process.cpu, seconds())
        let times = try await clients.call(for: time) { client in
            _ = try await client.start(BenchFunction.message(state: 1, label: "open"))
        }.sorted()
        guard !times.isEmpty else { throw Broken("\(name): nothing was answered") }
        let took = seconds() - begin
        report(
            name,
            [
                "per_second": Double(times.count) / took, "p50_us": times[times.count / 2] * 1e6,
                "p99_us": times[times.count * 99 / 100] * 1e6, "core": (process.cpu - cpu) / took,
            ])
    }
}
