import ClusterStandIn
import KubernetesClient
import Machine
import TestSupport
import Testing

@testable import Cluster

/// What becomes of bindings while the API server, nodes, users and other controllers misbehave.
@Suite struct BindingFaultTests {
    private func running(
        nodes names: [String] = ["n"], _ body: (Stage, FakeNodes, RunningController) async throws -> Void
    ) async throws {
        try await Stage.running { stage in
            for name in names { stage.createFilled(node: name) }
            let nodes = try FakeNodes(stage)
            let controller = try RunningController(stage)
            do { try await body(stage, nodes, controller) } catch {
                await controller.stop()
                await nodes.stop()
                throw error
            }
            await controller.stop()
            await nodes.stop()
        }
    }

    @Test("updates that are refused as conflicts, or whose answers are lost, are decided again until they are done")
    func conflicts() async throws {
        try await running { stage, nodes, controller in
            stage.server.faults = Faults([
                .init(.refuse(409), users: ["one"], verbs: ["patch"], probability: 0.5),
                .init(.loseAnswer, users: ["one"], verbs: ["patch"], probability: 0.3),
            ])
            for index in 0..<4 {
                stage.create(pod: "p\(index)")
                stage.create(binding: "b\(index)", pod: "p\(index)", [index])
            }
            for index in 0..<4 { try await stage.expect("b\(index)", "Applied Applied") }
            stage.edit(binding: "b0", [5])
            try await stage.expect("b0", "Applied Applied")
            #expect(try await eventually { nodes.granted["b0"] == "5" })
            stage.delete(pod: "p1")
            try await stage.expect("b1", "gone")
        }
    }

    @Test("changes that a lost watch did not tell are seen afterwards", arguments: [true, false])
    func lostWatches(keepsHistory: Bool) async throws {
        try await running { (stage, nodes, _) async throws -> Void in
            stage.create(pod: "p")
            stage.create(pod: "q")
            stage.create(binding: "b", pod: "p", [0])
            stage.create(binding: "c", pod: "q", [1])
            try await stage.expect("b", "Applied Applied")
            try await stage.expect("c", "Applied Applied")
            await stage.server.stop()
            stage.delete(pod: "p")
            stage.edit(binding: "c", [2])
            try await stage.server.restart(keepsHistory: keepsHistory)
            try await stage.expect("b", "gone")
            #expect(try await eventually(seconds: 60) { nodes.granted == ["c": "2"] })
            try await stage.expect("c", "Applied Applied")
        }
    }

    @Test(
        "a node that does not answer keeps its bindings as they are; what its pods held is nobody's before it answers")
    func partition() async throws {
        try await running { stage, nodes, controller in
            for name in ["p", "q", "r"] { stage.create(pod: name) }
            stage.create(binding: "b", pod: "p", [0])
            stage.create(binding: "c", pod: "q", [1])
            for name in ["b", "c"] { try await stage.expect(name, "Applied Applied") }
            nodes.isAway = ["n"]
            stage.set(node: "n", isReady: false)
            stage.edit(binding: "c", [99])
            try await stage.expect("c", "Pending NodeNotAnswering")
            stage.delete(binding: "b")
            try await stage.expect("b", "Pending NodeNotAnswering")
            stage.create(binding: "next", pod: "r", [0])
            try await stage.expect("next", "CPUSetAllocationFailed CPUsAllocated")
            // Its pod is gone, as far as the server knows.
            stage.delete(pod: "p")
            try await stage.expect("b", "gone")
            try await controller.settles(stage)
            #expect(nodes.granted["c"] == "1" && nodes.granted["next"] == nil)
            stage.set(node: "n", isReady: true)
            nodes.isAway = []
            try await stage.expect("c", "InvalidCPUSet InvalidCPUSet")
            try await stage.expect("next", "Applied Applied")
            #expect(try await eventually { nodes.granted == ["next": "0"] })
        }
    }

    @Test("bindings of a node that is removed are given up with their pods, and do not come back with the node")
    func removedNode() async throws {
        try await running { stage, nodes, _ in
            stage.create(pod: "p")
            stage.create(binding: "b", pod: "p", [0])
            try await stage.expect("b", "Applied Applied")
            nodes.isAway = ["n"]
            stage.delete(node: "n")
            stage.delete(pod: "p")
            try await stage.expect("b", "gone")
            stage.create(node: "n")
            #expect(try await eventually { stage.topology("n-cputopology")?.resourceStatus == .needsSync })
            stage.fill(topology: "n-cputopology", [[[0], [1]]])
            stage.create(pod: "p")
            stage.create(binding: "b", pod: "p", [4])
            try await stage.expect("b", "InvalidCPUSet InvalidCPUSet")
            nodes.isAway = []
            stage.edit(binding: "b", [1])
            try await stage.expect("b", "Applied Applied")
            #expect(nodes.granted == ["b": "1"])
        }
    }

    @Test("bindings that were written by hand end in a status that says what is wrong, and hold nothing")
    func garbage() async throws {
        try await running { stage, nodes, controller in
            stage.create(pod: "p")
            stage.create(binding: "negative", pod: "p", [-1])
            stage.create(binding: "huge", pod: "p", [Int.max])
            stage.create(binding: "many", pod: "p", Array(0..<5000))
            stage.create(binding: "twice", pod: "p", [1, 1])
            stage.create(binding: "noname", pod: "", [0])
            stage.create(binding: "slash", pod: "../q", [0])
            for name in ["negative", "huge", "many", "twice"] {
                try await stage.expect(name, "InvalidCPUSet InvalidCPUSet")
            }
            for name in ["noname", "slash"] { try await stage.expect(name, "PodNotFound PodNotFound") }
            // A status that nobody but the controller and the node should write.
            stage.create(binding: "status", pod: "p", [0])
            stage.patch(
                binding: "status",
                [
                    "status": [
                        "resourceStatus": "Applied", "nodeName": "elsewhere", "podUID": "x",
                        "holds": [
                            ["cpus": "3-1", "exclusivenessLevel": "CPU"], ["cpus": "0", "exclusivenessLevel": "Rack"],
                        ],
                        "claim": ["cpus": "0-99999999999999999999", "podUID": "x"],
                        "node": ["state": "Whatever", "claim": ["cpus": "-"]],
                        "conditions": [
                            [
                                "type": "Applied", "status": "True", "reason": "", "message": "",
                                "lastTransitionTime": "2026-01-01T00:00:00Z",
                            ]
                        ],
                    ]
                ], status: true)
            // It was for another pod, so it goes.
            try await stage.expect("status", "gone")
            stage.create(binding: "good", pod: "p", [0])
            try await stage.expect("good", "Applied Applied")
            try await controller.settles(stage)
            #expect(nodes.granted == ["good": "0"])
        }
    }

    /// An election in which a leader that is silent for fifteen seconds is followed by another: a program that waits for its
    /// turn at a busy machine is not silent for so long.
    private static func election(_ identity: String) -> LeaderElection.Settings {
        var settings = LeaderElection.Settings(
            lease: ObjectKey(namespace: "default", name: ClusterController.lease), identity: identity)
        settings.leaseDuration = .seconds(15)
        settings.renewDeadline = .seconds(10)
        settings.retryPeriod = .milliseconds(100)
        return settings
    }

    @Test("of two controllers the one with the lease works; when it loses that, the other goes on where it was")
    func lease() async throws {
        try await Stage.running { stage in
            stage.createFilled(node: "n")
            let nodes = try FakeNodes(stage)
            let one = try RunningController(stage, as: "one", election: Self.election("one"))
            #expect(try await eventually { one.controller.isWorking })
            let two = try RunningController(stage, as: "two", election: Self.election("two"))
            stage.create(pod: "p")
            stage.create(binding: "b", pod: "p", [0])
            try await stage.expect("b", "Applied Applied")
            #expect(try await eventually { two.controller.isReady })
            #expect(!two.controller.isWorking && stage.writes(by: "two").isEmpty)
            // The first is cut off: it stops before the other begins.
            stage.server.faults = Faults([.init(.hang, users: ["one"])])
            stage.create(pod: "q")
            stage.create(binding: "c", pod: "q", [1])
            let isSucceeded = try await eventually(seconds: 60) {
                #expect(!one.controller.isWorking || !two.controller.isWorking)
                return two.controller.isWorking
            }
            #expect(isSucceeded)
            try await stage.expect("c", "Applied Applied")
            // It comes back, sees what has changed, and does nothing.
            stage.server.faults = Faults()
            stage.server.forgetServed()
            stage.edit(binding: "b", [2])
            #expect(try await eventually(seconds: 60) { nodes.granted["b"] == "2" })
            try await stage.expect("b", "Applied Applied")
            try await two.settles(stage, by: "two")
            #expect(stage.writes(by: "one").isEmpty && two.controller.isWorking)
            // The lease is given back at the end.
            await two.stop()
            stage.delete(pod: "q")
            try await stage.expect("c", "gone")
            #expect(one.controller.isWorking)
            await one.stop()
            await nodes.stop()
        }
    }

    @Test(
        "whatever happens to bindings, pods, nodes and calls, no CPU is exclusive to two, and all comes to rest as it should be",
        arguments: 1...4)
    func converges(seed: UInt64) async throws {
        try await running(nodes: ["n", "m"]) { stage, nodes, controller in
            var random = SeededRandom(seed: seed)
            stage.server.faults = Faults(
                [
                    .init(.refuse(409), users: ["one", "node"], verbs: Faults.Rule.writes, probability: 0.1),
                    .init(.refuse(503), users: ["one", "node"], probability: 0.05),
                    .init(.disconnect, users: ["one", "node"], probability: 0.03),
                    .init(.loseAnswer, users: ["one"], verbs: Faults.Rule.writes, probability: 0.1),
                    .init(.watch(.ends(after: 7)), users: ["one"]),
                    .init(.watch(.gone), users: ["one"], probability: 0.1),
                ], seed: seed)
            func name(_ prefix: String) -> String { "\(prefix)\(Int.random(in: 0..<6, using: &random))" }
            func cpus() -> [Int] {
                (0..<Int.random(in: 1...2, using: &random)).map { _ in Int.random(in: 0..<9, using: &random) }
            }
            let levels = ["None", "CPU", "Core", "Socket", "NUMA"]
            for round in 0..<150 {
                let level = levels.randomElement(using: &random) ?? "CPU"
                switch Int.random(in: 0..<12, using: &random) {
                case 0...2: stage.create(binding: name("b"), pod: name("p"), cpus(), level)
                case 3: stage.edit(binding: name("b"), cpus(), level)
                case 4: stage.delete(binding: name("b"))
                case 5...7: stage.create(pod: name("p"), on: Bool.random(using: &random) ? "n" : "m")
                case 8: stage.delete(pod: name("p"), atOnce: Bool.random(using: &random))
                case 9: stage.end(pod: name("p"), phase: Bool.random(using: &random) ? "Running" : "Succeeded")
                case 10: stage.run(pod: name("p"), "containerd://\(round)")
                default: stage.set(node: "n", isReady: Bool.random(using: &random))
                }
                try await Task.sleep(for: .milliseconds(3))
                check(stage.allBindings)
                if round == 70 { try await stage.server.restart(keepsHistory: seed % 2 == 0) }
            }
            stage.server.faults = Faults()
            stage.set(node: "n", isReady: true)
            let restful = try await eventually(seconds: 60) {
                stage.allBindings.allSatisfy { binding in
                    let isGranted = nodes.granted[binding.metadata.name] != nil
                    return isGranted == (binding.claim != nil && binding.resourceStatus?.holdsCPUs == true)
                        && binding.observedGeneration == binding.metadata.generation
                        && !binding.metadata.isBeingDeleted
                }
            }
            let states = stage.allBindings.map {
                "\($0.metadata.name): \(stage.status($0.metadata.name)), \(nodes.granted[$0.metadata.name] ?? "-")"
            }
            #expect(restful, "\(states)")
            try await controller.settles(stage)
            check(stage.allBindings)
            #expect(Set(nodes.granted.keys).isSubset(of: stage.allBindings.map(\.metadata.name)))
        }
    }

    /// No CPU is exclusive to one of the applied bindings and used by another on its node.
    private func check(_ bindings: [PodCPUBinding]) {
        let applied = bindings.filter { $0.nodeReport?.state == .enforced }
        for one in applied {
            let exclusive = (try? CPUSet(list: one.nodeReport?.claim?.exclusive ?? "")) ?? []
            for other in applied where other.nodeName == one.nodeName && other.key != one.key {
                let cpus = (try? CPUSet(list: other.nodeReport?.claim?.cpus ?? "")) ?? []
                #expect(exclusive.isDisjoint(with: cpus), "\(one.key) and \(other.key)")
            }
        }
    }
}
