import Cluster
import ClusterStandIn
import KubernetesClient
import TestSupport
import Testing

/// A topology for each node, each test named after what is right where actimanager goes wrong.
@Suite struct TopologyControllerTests {
    private func running(_ body: (Stage, RunningController) async throws -> Void) async throws {
        try await Stage.running { stage in
            let controller = try RunningController(stage)
            do { try await body(stage, controller) } catch {
                await controller.stop()
                throw error
            }
            await controller.stop()
        }
    }

    @Test("W43: each node has a topology from when it comes until it goes, whether it was there before or not")
    func nodes() async throws {
        try await Stage.running { stage in
            stage.create(node: "first", isControlPlane: true)
            let controller = try RunningController(stage)
            #expect(try await eventually { stage.topology("first-cputopology")?.resourceStatus == .needsSync })
            stage.create(node: "second")
            #expect(try await eventually { stage.topology("second-cputopology")?.resourceStatus == .needsSync })
            let first = try #require(stage.topology("first-cputopology"))
            #expect(first.nodeName == "first" && first.owner?.name == "first")
            #expect(first.metadata.labels == ["node-role.kubernetes.io/control-plane": ""])
            #expect(stage.topology("second-cputopology")?.metadata.labels == [:])
            stage.delete(node: "second")
            #expect(try await eventually { stage.topology("second-cputopology") == nil })
            await controller.stop()
        }
    }

    @Test("W43: a topology whose node is gone while the controller is away, or that names none, says so")
    func nodeNotFound() async throws {
        try await Stage.running { stage in
            stage.create(topology: "by-hand", of: "node-1")
            stage.create(node: "m")
            let controller = try RunningController(stage)
            #expect(try await eventually { stage.topology("by-hand")?.resourceStatus == .nodeNotFound })
            #expect(try await eventually { stage.events(of: "by-hand") == ["NodeNotFound: Node node-1 not found"] })
            #expect(try await eventually { stage.topology("m-cputopology") != nil })
            // The node comes after all, and uses what there is.
            stage.create(node: "node-1")
            #expect(try await eventually { stage.topology("by-hand")?.resourceStatus == .needsSync })
            try await controller.settles(stage)
            #expect(stage.topology("node-1-cputopology") == nil)
            await controller.stop()
        }
    }

    @Test("W43: a node that is added again is read again, since it may have other CPUs")
    func addedAgain() async throws {
        try await running { (stage, _) async throws -> Void in
            stage.create(node: "n")
            #expect(try await eventually { stage.topology("n-cputopology")?.resourceStatus == .needsSync })
            stage.fill(topology: "n-cputopology", Stage.t1)
            stage.delete(node: "n")
            stage.create(node: "n")
            #expect(
                try await eventually {
                    guard let topology = stage.topology("n-cputopology") else { return false }
                    return topology.resourceStatus == .needsSync && topology.owner?.uid == stage.uid(node: "n")
                })
        }
    }

    @Test(
        "W43: a topology that another object has the name of is reported, and made when that is gone; others are not delayed"
    )
    func nameClash() async throws {
        try await running { (stage, _) async throws -> Void in
            stage.create(node: "other")
            stage.create(topology: "n-cputopology", of: "other")
            stage.create(node: "n")
            #expect(
                try await eventually {
                    stage.events(of: "n-cputopology").contains { $0.hasPrefix("NameClash: node n gets no topology") }
                })
            stage.create(node: "m")
            #expect(try await eventually { stage.topology("m-cputopology") != nil })
            stage.delete(topology: "n-cputopology")
            #expect(try await eventually { stage.topology("n-cputopology")?.nodeName == "n" })
        }
    }

    @Test("W43: topologies that actimanager made get their nodes for owners, and are kept as they are")
    func adoption() async throws {
        try await Stage.running { stage in
            stage.createFilled(node: "n")
            let controller = try RunningController(stage)
            #expect(try await eventually { stage.topology("n-cputopology")?.owner?.uid == stage.uid(node: "n") })
            try await controller.settles(stage)
            #expect(stage.topology("n-cputopology")?.resourceStatus == .fresh)
            await controller.stop()
        }
    }

    @Test("W44: what is as it should be is not written, neither at a start nor when nodes tell that they live")
    func quiet() async throws {
        try await running { (stage, controller) async throws -> Void in
            for name in ["a", "b"] { stage.create(node: name) }
            #expect(
                try await eventually {
                    ["a", "b"].allSatisfy { stage.topology("\($0)-cputopology")?.resourceStatus == .needsSync }
                })
            try await controller.settles(stage)
            await controller.stop()
            let next = try RunningController(stage, as: "two")
            #expect(try await eventually { next.reconciliations >= 2 })
            for isReady in [false, true, false] { stage.set(node: "a", isReady: isReady) }
            try await next.settles(stage, by: "two")
            #expect(stage.writes(by: "two").isEmpty)
            await next.stop()
        }
    }

    @Test("a topology that becomes fresh is told of once")
    func freshness() async throws {
        try await running { (stage, controller) async throws -> Void in
            stage.create(node: "n")
            #expect(try await eventually { stage.topology("n-cputopology")?.resourceStatus == .needsSync })
            stage.fill(topology: "n-cputopology", Stage.t1)
            let told = "Fresh: Topology is up to date, CPUs: [0 1 2 3 4 5 6 7]"
            #expect(try await eventually { stage.events(of: "n-cputopology") == [told] })
            stage.fill(topology: "n-cputopology", Stage.t1, allocated: [1])
            try await controller.settles(stage)
            #expect(stage.events(of: "n-cputopology") == [told])
        }
    }
}

extension Stage {
    func uid(node name: String) -> String? { send("GET", "/api/v1/nodes/\(name)")["metadata"]?["uid"]?.string }
}
