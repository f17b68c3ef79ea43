import Domain
import DomainDemo
import Glibc
import TestSupport
import Testing

/// Pauses and clocks, with processes, nodes and real connections.
@Suite(.serialized) struct LivenessScenarioTests {
    private func resets(_ nodes: [DemoNode]) -> Int { nodes.flatMap(\.calls).count { $0 == .reset } }

    /// Waits for these nodes, and until their refresh intervals are known.
    private func settle(_ nodes: [DemoNode]) async throws {
        #expect(try await eventually(seconds: 30) { nodes.allSatisfy { $0.peers.count == nodes.count } })
        try await Task.sleep(for: .seconds(9))
    }

    private func end(_ process: Program, _ nodes: [DemoNode]) async throws {
        for node in nodes { await node.stop() }
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
    }

    @Test("the orchestrator stops for five seconds and goes on: no node is reset, and no function starts anew")
    func stoppedOrchestrator() async throws {
        let site = try DomainSite()
        let process = try await site.serve()
        let nodes = try (1...3).map { try site.node($0) }
        try await settle(nodes)
        let client = try OrchestratorClient(url: site.orchestrator)
        for _ in 0..<9 { _ = try await client.start(DomainSite.function()).get() }
        for node in nodes { node.forgetCalls() }
        for _ in 0..<2 {
            process.signal(SIGSTOP)
            try await Task.sleep(for: .seconds(5))
            process.signal(SIGCONT)
            try await Task.sleep(for: .seconds(4))
        }
        #expect(nodes.allSatisfy { $0.calls.isEmpty })
        #expect(nodes.map(\.components.count).reduce(0, +) == 9)
        client.close()
        try await end(process, nodes)
    }

    @Test("a node whose clock is behind by three seconds, or by an hour, stays", arguments: [-3, -3600])
    func clockBehind(skew: Int) async throws {
        let site = try DomainSite()
        let process = try await site.serve()
        let nodes = [try site.node(1, skew: skew), try site.node(2)]
        try await settle(nodes)
        try await Task.sleep(for: .seconds(5))
        #expect(resets(nodes) == 2)
        try await end(process, nodes)
    }

    @Test("a node whose clock is an hour ahead, and that dies, is missed after a few of its intervals")
    func clockAhead() async throws {
        let site = try DomainSite()
        let process = try await site.serve()
        let nodes = [try site.node(1, skew: 3600), try site.node(2)]
        try await settle(nodes)
        nodes[0].fallSilent()
        #expect(try await process.prints("a node's lease has expired", seconds: 30))
        #expect(resets(nodes) == 2)
        try await end(process, nodes)
    }

    @Test(
        "many nodes join together: a node that has not taken its peer updates yet starts, patches and stops functions")
    func slowPeerUpdates() async throws {
        let site = try DomainSite()
        let process = try await site.serve()
        let slow = try site.node(1)
        slow.faults.holdsPeerUpdates = true
        let others = try (2...8).map { try site.node($0) }
        #expect(try await eventually(seconds: 30) { others.allSatisfy { $0.peers.count == 8 } })
        let client = try OrchestratorClient(url: site.orchestrator)
        let pinned = DomainSite.function(["node_id_match_any": "\(slow.node)"])
        let id = try await client.start(pinned).get()
        #expect(slow.components.count == 1)
        try await client.patch(id, mapping: ["out": id], kind: .function)
        #expect(try await eventually { slow.calls.contains { if case .patch = $0 { true } else { false } } })
        try await client.stop(id, kind: .function)
        #expect(try await eventually { slow.components.isEmpty })
        #expect(slow.peers.count < 8)
        slow.faults.holdsPeerUpdates = false
        #expect(try await eventually(seconds: 30) { slow.peers.count == 8 })
        client.close()
        try await end(process, [slow] + others)
    }
}
