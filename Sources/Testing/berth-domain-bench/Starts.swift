import ArgumentParser
import Domain
import Glibc
import Synchronization

/// Function starts through the controller's API against calls through the relay, and with a node that does not answer.
struct Starts: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Measures function starts against the relay.")

    @Option(help: "The port of the relay.") var relay: Int
    @Option(help: "The port at which the relay's second server is to listen.") var second: Int
    @Option(help: "The port of berth-domain for its controller.") var orchestrator: Int
    @Option(help: "The port of berth-domain for its nodes.") var register: Int
    @Option(help: "The process of berth-domain.") var domainPid: Int32
    @Option(help: "The process of the relay.") var relayPid: Int32
    @Option(help: "How many nodes.") var nodes = 10
    @Option(help: "How many clients.") var clients = 8
    @Option(help: "How many rounds, after one that does not count.") var rounds = 5
    @Option(help: "How long each run takes, in seconds.") var time = 1.0

    /// The starts that the silent node is asked for meanwhile.
    private static let stuck = 16

    func run() async throws {
        let counts = CallCounts()
        let second = try BareNode(number: 0, port: second, counts: counts)
        for port in [relay, orchestrator, register] { try await Port.wait(for: port) }
        let nodes = try (1...max(2, nodes)).map { try BareNode(number: $0, counts: counts) }
        let register = try BareClient(port: register)
        for (index, node) in nodes.enumerated() {
            try await register.register(node.update(labels: [index == 0 ? "hole" : "open"]))
        }
        try await counts.wait(for: "all nodes to know each other") { $0.peers >= nodes.count * nodes.count }

        let relayed = try Clients(clients, port: relay)
        let started = try Clients(clients, port: orchestrator)
        let stuck = try Clients(Self.stuck, port: orchestrator)
        let (relayProcess, domainProcess) = (WatchedProcess(pid: relayPid), WatchedProcess(pid: domainPid))
        for round in 0...rounds {
            let runs: [(String, Clients, WatchedProcess)] = [
                ("relay", relayed, relayProcess), ("starts", started, domainProcess),
                ("holed", started, domainProcess),
            ]
            for turn in runs.indices {
                let (name, clients, process) = runs[(turn + round) % runs.count]
                let isHoled = name == "holed"
                if isHoled { counts.silence(nodes[0].id) }
                try await withThrowingTaskGroup(of: Void.self) { group in
                    if isHoled {
                        let before = counts.state.withLock { $0.starts }
                        group.addTask {
                            try await stuck.call(Self.stuck) { client, number in
                                _ = try await client.start(BenchFunction.message(state: number, label: "hole"))
                            }
                        }
                        try await counts.wait(for: "starts at the silent node") { $0.starts >= before + Self.stuck }
                    }
                    try await measure(round == 0 ? "warm-up" : name, clients, process)
                    counts.wake()
                    try await group.waitForAll()
                }
                // What the domain does when it is idle is done before the next one is measured.
                try await Task.sleep(for: .milliseconds(700))
            }
        }
        withExtendedLifetime(second) {}
    }

    private func measure(_ name: String, _ clients: Clients, _ process: WatchedProcess) async throws {
        let (cpu, written, begin) = (process.cpu, process.written, seconds())
        var times = try await clients.call(for: time) { client in
            _ = try await client.start(BenchFunction.message(state: 1, label: "open"))
        }
        let took = seconds() - begin
        times.sort()
        let count = Double(times.count)
        guard count > 0 else { throw Broken("\(name): nothing was answered") }
        report(
            name,
            [
                "per_second": count / took, "p50_us": times[times.count / 2] * 1e6,
                "p99_us": times[times.count * 99 / 100] * 1e6, "cpu_us": (process.cpu - cpu) / count * 1e6,
                "written": ((process.written ?? 0) - (written ?? 0)) / count, "calls": count,
            ])
    }
}
