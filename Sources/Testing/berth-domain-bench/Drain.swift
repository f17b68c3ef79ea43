import ArgumentParser
import Domain
import DomainWire
import Glibc
import Synchronization

/// Emptying a node with many functions by `berth-domain proxy intent drain`.
struct Drain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Measures emptying a node against the relay.")

    @Option(help: "The port of the relay.") var relay: Int
    @Option(help: "The port at which the relay's second server is to listen.") var second: Int
    @Option(help: "The port of berth-domain for its controller.") var orchestrator: Int
    @Option(help: "The port of berth-domain for its nodes.") var register: Int
    @Option(help: "The Unix socket of Redis.") var redis: String
    @Option(help: "The program berth-domain.") var program: String
    @Option(help: "How many nodes.") var nodes = 100
    @Option(help: "How many functions.") var functions = 1_000
    @Option(help: "How many clients.") var clients = 8
    @Option(help: "How many rounds, after one that does not count.") var rounds = 3

    func run() async throws {
        let counts = CallCounts()
        let second = try BareNode(number: 0, port: second, counts: CallCounts())
        for port in [relay, orchestrator, register] { try await Port.wait(for: port) }
        let drained = try BareNode(number: 1, counts: counts)
        let others = try (2...max(3, nodes)).map { try BareNode(number: $0, counts: counts) }
        let register = try BareClient(port: register)
        for node in [drained] + others { try await register.register(node.update()) }
        try await counts.wait(for: "all nodes to know each other") { [count = others.count + 1] in
            $0.peers >= count * count
        }
        let relayed = try Clients(clients, port: relay)
        let controller = try Clients(clients, port: orchestrator)
        for round in 0...rounds {
            for node in others { try await register.register(node.update()) }
            try await register.register(drained.update(labels: ["taker"]))
            let ids = Started(count: functions)
            try await controller.call(functions) { client, number in
                ids.set(number, try await client.start(BenchFunction.message(state: number, label: "taker")))
            }
            for node in others { try await register.register(node.update(labels: ["taker"])) }

            let before = counts.state.withLock { ($0.starts, $0.stops) }
            let begin = seconds()
            try proxy("drain", drained.id)
            let took = seconds() - begin
            try await counts.wait(for: "all functions to have moved") { [functions] in
                $0.starts >= before.0 + functions && $0.stops >= before.1 + functions
            }
            let calls = counts.state.withLock { ($0.starts - before.0) + ($0.stops - before.1) }
            let relayBegin = seconds()
            try await relayed.call(calls) { client, number in
                _ = try await client.start(BenchFunction.message(state: number))
            }
            let floor = seconds() - relayBegin
            report(
                round == 0 ? "warm-up" : "drain",
                ["drain_s": took, "relay_s": floor, "ratio": took / floor, "calls": Double(calls)])

            try proxy("uncordon", drained.id)
            let stops = counts.state.withLock { $0.stops }
            let all = ids.all
            try await controller.call(functions) { client, number in
                guard let id = LogicalID(all[number]) else { throw Broken("an id is no UUID") }
                _ = try await client.functions.stop(EdgelessApi_InstanceIdVariant(id))
            }
            try await counts.wait(for: "all functions to stop") { [functions] in $0.stops >= stops + functions }
        }
        withExtendedLifetime(second) {}
    }

    /// Runs `berth-domain proxy intent`, without its output.
    private func proxy(_ command: String, _ node: NodeID) throws {
        let words = [program, "proxy", "-r", "unix://\(redis)", "intent", command, "\(node)"]
        var arguments = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        var child = pid_t()
        guard posix_spawn(&child, program, &actions, nil, &arguments, environ) == 0 else {
            throw Broken("\(program) cannot be started")
        }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0 {
            guard errno == EINTR else { throw Broken("\(command) cannot be waited for: errno \(errno)") }
        }
        guard status == 0 else { throw Broken("\(command) ended with \(status)") }
    }
}
