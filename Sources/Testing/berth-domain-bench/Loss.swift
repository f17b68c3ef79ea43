import ArgumentParser
import Domain
import DomainWire
import Glibc
import Synchronization

/// The loss of a node with many functions: how long until all run elsewhere and lead to each other again.
struct Loss: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Measures the loss of a node against the relay.")

    @Option(help: "The port of the relay.") var relay: Int
    @Option(help: "The port at which the relay's second server is to listen.") var second: Int
    @Option(help: "The port of berth-domain for its controller.") var orchestrator: Int
    @Option(help: "The port of berth-domain for its nodes.") var register: Int
    @Option(help: "How many nodes.") var nodes = 100
    @Option(help: "How many functions.") var functions = 1_000
    @Option(help: "How many clients.") var clients = 8
    @Option(help: "How many rounds, after one that does not count.") var rounds = 3

    func run() async throws {
        let counts = CallCounts()
        let second = try BareNode(number: 0, port: second, counts: CallCounts())
        for port in [relay, orchestrator, register] { try await Port.wait(for: port) }
        let doomed = try BareNode(number: 1, counts: counts)
        let others = try (2...max(3, nodes)).map { try BareNode(number: $0, counts: counts) }
        let register = try BareClient(port: register)
        for node in others { try await register.register(node.update()) }
        try await counts.wait(for: "all nodes to know each other") { $0.peers >= others.count * others.count }
        let relayed = try Clients(clients, port: relay)
        let controller = try Clients(clients, port: orchestrator)

        for round in 0...rounds {
            let ids = try await fill(doomed, others, counts, register, controller, nonce: UInt64(round) + 1)
            // The last thing that is heard of it: it leaves.
            let last = doomed.update(labels: ["taker"], lease: -1, nonce: UInt64(round) + 1)
            let before = counts.state.withLock { ($0.starts, $0.patches) }
            let deadline = seconds(CLOCK_REALTIME)
            try await register.register(last)
            try await counts.wait(for: "all functions to be patched again") { state in
                guard state.starts >= before.0 + functions, state.patches >= before.1 + functions else { return false }
                return isWhole(state, without: doomed.id)
            }
            let took = seconds(CLOCK_REALTIME) - deadline
            let calls = counts.state.withLock { ($0.starts - before.0) + ($0.patches - before.1) }

            let begin = seconds()
            try await relayed.call(2 * functions) { client, number in
                _ = try await client.start(BenchFunction.message(state: number))
            }
            let floor = seconds() - begin
            report(
                round == 0 ? "warm-up" : "loss",
                ["loss_s": took, "relay_s": floor, "ratio": took / floor, "calls": Double(calls)])
            try await clear(ids, others, counts, register, controller)
        }
        withExtendedLifetime(second) {}
    }

    /// Has all functions start on the doomed node, each of which leads to the next, and has the others ready to take them.
    private func fill(
        _ doomed: BareNode, _ others: [BareNode], _ counts: CallCounts, _ register: BareClient, _ controller: Clients,
        nonce: UInt64
    ) async throws -> [String] {
        let peers = counts.state.withLock { state in
            state.isFollowed = true
            (state.placements, state.targets) = ([:], [:])
            return state.peers
        }
        try await register.register(doomed.update(labels: ["taker"], nonce: nonce))
        try await counts.wait(for: "the node to join") { $0.peers >= peers + 2 * others.count + 1 }
        let ids = Started(count: functions)
        try await controller.call(functions) { client, number in
            ids.set(number, try await client.start(BenchFunction.message(state: number, label: "taker")))
        }
        let all = ids.all
        try await controller.call(functions) { [functions] client, number in
            guard let origin = LogicalID(all[number]), let target = LogicalID(all[(number + 1) % functions]) else {
                throw Broken("an id is no UUID")
            }
            _ = try await client.functions.patch(EdgelessApi_PatchRequest(origin, mapping: ["out": target]))
        }
        try await counts.wait(for: "the first patches") { isWhole($0, without: nil) }
        for node in others { try await register.register(node.update(labels: ["taker"])) }
        return all
    }

    private func clear(
        _ ids: [String], _ others: [BareNode], _ counts: CallCounts, _ register: BareClient, _ controller: Clients
    ) async throws {
        let stops = counts.state.withLock { $0.stops }
        try await controller.call(ids.count) { client, number in
            guard let id = LogicalID(ids[number]) else { throw Broken("an id is no UUID") }
            _ = try await client.functions.stop(EdgelessApi_InstanceIdVariant(id))
        }
        try await counts.wait(for: "all functions to stop") { $0.stops >= stops + ids.count }
        for node in others { try await register.register(node.update()) }
    }

    /// Whether every function runs, and leads to where the next one runs.
    private func isWhole(_ state: borrowing CallCounts.State, without lost: NodeID?) -> Bool {
        (0..<functions).allSatisfy { number in
            guard let own = state.placements[Self.name(number)], own.node != lost,
                let next = state.placements[Self.name((number + 1) % functions)]
            else { return false }
            return state.targets[own.component] == next.component.description
        }
    }

    private static func name(_ number: Int) -> String { StateID(high: 7, low: UInt64(number)).description }
}
