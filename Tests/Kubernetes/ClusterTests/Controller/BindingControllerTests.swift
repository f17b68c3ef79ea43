import ClusterStandIn
import KubernetesClient
import TestSupport
import Testing

/// The life of bindings, each test named after what is right where actimanager goes wrong (`shared/spec`, section 7).
@Suite struct BindingControllerTests {
    /// Runs a test with a controller, and nodes that do what they are asked.
    private func running(_ body: (Stage, FakeNodes, RunningController) async throws -> Void) async throws {
        try await Stage.running { stage in
            stage.createFilled(node: "n")
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

    @Test(
        "a binding for a running pod is applied, and says for which pod, what it holds and which containers are pinned")
    func applied() async throws {
        try await running { stage, nodes, _ in
            let pod = stage.create(pod: "p")
            stage.create(binding: "b", pod: "p", [0, 1], "Core")
            try await stage.expect("b", "Applied Applied")
            let binding = try #require(stage.binding("b"))
            #expect(binding.nodeName == "n" && binding.podUID == pod && binding.observedGeneration == 1)
            #expect(binding.holds == [.init(cpus: "0-1", exclusivenessLevel: .core)])
            #expect(binding.containers == ["containerd://p-0"] && nodes.granted == ["b": "0-1"])
            #expect(
                binding.claim
                    == .init(
                        podUID: pod, cpus: "0-1", exclusivenessLevel: .core, exclusive: "0-1,4-5", memoryNodes: [0]))
            #expect(binding.metadata.finalizers == [PodCPUBinding.finalizer])
            #expect(try await eventually { stage.events(of: "b").count == 2 })
            #expect(
                stage.events(of: "b") == [
                    "Validated: CPU binding is validated", "Applied: Applied CPUSet [0 1] MemSet [0]",
                ])
        }
    }

    @Test("W3: containers that start again are pinned again, and the status says so")
    func restartedContainers() async throws {
        try await running { stage, nodes, _ in
            stage.create(pod: "p")
            stage.create(binding: "b", pod: "p", [0])
            try await stage.expect("b", "Applied Applied")
            nodes.isAway = ["n"]
            stage.run(pod: "p", "containerd://p-1")
            try await stage.expect("b", "Validated Repinning")
            nodes.isAway = []
            try await stage.expect("b", "Applied Applied")
            #expect(stage.binding("b")?.containers == ["containerd://p-1"])
            #expect(stage.events(of: "b").count { $0.hasPrefix("Applied") } == 1)
        }
    }

    @Test("W4: a pod that has no containers yet is not applied before they run")
    func noContainers() async throws {
        try await running { stage, _, _ in
            stage.create(pod: "p", runs: false)
            stage.create(binding: "b", pod: "p", [0])
            try await stage.expect("b", "Validated ContainersStarting")
            stage.run(pod: "p", "containerd://p-0")
            try await stage.expect("b", "Applied Applied")
        }
    }

    @Test("W8: a pod without a node, or whose node has no topology, waits, and goes on when there is one")
    func waits() async throws {
        try await running { stage, _, _ in
            stage.create(pod: "p", on: nil)
            stage.create(binding: "b", pod: "p", [0])
            try await stage.expect("b", "Pending PodNotScheduled")
            stage.create(node: "m")
            stage.bind(pod: "p", to: "m")
            try await stage.expect("b", "Pending NodeTopologyNotFound")
            #expect(try await eventually { stage.topology("m-cputopology")?.resourceStatus == .needsSync })
            stage.fill(topology: "m-cputopology", [[[0]]])
            // One CPU is left to pods without a binding.
            try await stage.expect("b", "CPUSetAllocationFailed NoSharedCPUs")
            stage.fill(topology: "m-cputopology", [[[0], [1]]])
            try await stage.expect("b", "Validated ContainersStarting")
        }
    }

    @Test("W9: of bindings that come at the same time for the same CPUs one has them, and the others are refused")
    func race() async throws {
        try await running { stage, nodes, controller in
            for index in 0..<8 {
                stage.create(pod: "p\(index)")
                stage.create(binding: "b\(index)", pod: "p\(index)", [index % 2])
            }
            #expect(
                try await eventually(seconds: 60) {
                    let statuses = stage.allBindings.map { stage.status($0.metadata.name) }
                    return statuses.count { $0 == "Applied Applied" } == 2
                        && statuses.count { $0 == "CPUSetAllocationFailed CPUsAllocated" } == 6
                })
            try await controller.settles(stage)
            #expect(nodes.granted.values.sorted() == ["0", "1"])
            let applied = stage.allBindings.filter { $0.resourceStatus == .applied }
            #expect(Set(applied.map(\.metadata.name)) == Set(nodes.granted.keys))
            let refused = stage.allBindings.first { $0.resourceStatus != .applied && $0.cpuSet == [0] }
            let message = refused?.conditions.first?.message ?? ""
            #expect(message.hasPrefix("CPUs [0] are already allocated to another pod; the binding "))
            #expect(applied.contains { message.hasSuffix("/\($0.metadata.name) has them") })
        }
    }

    @Test("W10: nobody gets CPUs exclusively that another binding shares, whoever came first")
    func sharedFirst() async throws {
        try await running { stage, _, _ in
            for name in ["p", "q", "r"] { stage.create(pod: name) }
            stage.create(binding: "shares", pod: "p", [0], "None")
            try await stage.expect("shares", "Applied Applied")
            stage.create(binding: "wants", pod: "q", [4], "Core")
            try await stage.expect("wants", "CPUSetAllocationFailed CPUsAllocated")
            stage.create(binding: "shares-too", pod: "r", [0], "None")
            try await stage.expect("shares-too", "Applied Applied")
        }
    }

    @Test("W19: a binding that is there before its pod is bound is applied when that is")
    func bindingFirst() async throws {
        try await running { stage, _, _ in
            let pod = stage.create(pod: "p", on: nil)
            stage.create(binding: "p-pcb", pod: "p", [2], owner: pod)
            try await stage.expect("p-pcb", "Pending PodNotScheduled")
            stage.bind(pod: "p", to: "n")
            stage.run(pod: "p", "containerd://p-0")
            try await stage.expect("p-pcb", "Applied Applied")
            // It goes with its pod.
            stage.delete(pod: "p")
            try await stage.expect("p-pcb", "gone")
        }
    }

    @Test("W20: a pod that is created again under the name does not inherit the binding, and a pod has one binding")
    func sameName() async throws {
        try await running { stage, nodes, _ in
            stage.create(pod: "p")
            stage.create(binding: "b", pod: "p", [0])
            try await stage.expect("b", "Applied Applied")
            stage.create(binding: "second", pod: "p", [1])
            try await stage.expect("second", "CPUSetAllocationFailed PodHasBinding")
            stage.delete(pod: "p")
            let again = stage.create(pod: "p")
            try await stage.expect("b", "gone")
            // The one that was refused never was for the other pod.
            try await stage.expect("second", "Applied Applied")
            #expect(stage.binding("second")?.podUID == again && nodes.granted == ["second": "1"])
        }
    }

    @Test("W21: what pods leave behind that end or vanish is given back, also while no controller runs")
    func leaks() async throws {
        try await running { stage, nodes, controller in
            for name in ["vanishes", "completes", "later"] { stage.create(pod: name) }
            stage.create(binding: "b-vanishes", pod: "vanishes", [0])
            stage.create(binding: "b-completes", pod: "completes", [1])
            stage.create(binding: "b-later", pod: "later", [2])
            for name in ["b-vanishes", "b-completes", "b-later"] { try await stage.expect(name, "Applied Applied") }
            stage.end(pod: "completes", phase: "Succeeded")
            try await stage.expect("b-completes", "gone")
            await controller.stop()
            stage.delete(pod: "vanishes")
            stage.end(pod: "later", phase: "Failed")
            let next = try RunningController(stage, as: "two")
            try await stage.expect("b-vanishes", "gone")
            try await stage.expect("b-later", "gone")
            #expect(try await eventually { nodes.granted.isEmpty })
            await next.stop()
        }
    }

    @Test("W22: while a pod ends, nobody gets its CPUs")
    func gracePeriod() async throws {
        try await running { stage, nodes, controller in
            for name in ["p", "q"] { stage.create(pod: name) }
            stage.create(binding: "b", pod: "p", [0])
            try await stage.expect("b", "Applied Applied")
            stage.delete(pod: "p", atOnce: false)
            stage.create(binding: "next", pod: "q", [0])
            try await stage.expect("next", "CPUSetAllocationFailed CPUsAllocated")
            try await controller.settles(stage)
            #expect(stage.status("b") == "Applied Applied" && nodes.granted == ["b": "0"])
            stage.end(pod: "p")
            try await stage.expect("b", "gone")
            try await stage.expect("next", "Applied Applied")
        }
    }

    @Test("W23: a controller that starts again writes nothing where everything is as it should be")
    func restart() async throws {
        try await running { stage, nodes, controller in
            for index in 0..<3 {
                stage.create(pod: "p\(index)")
                stage.create(binding: "b\(index)", pod: "p\(index)", [index])
            }
            stage.create(binding: "lost", pod: "nobody", [5])
            stage.create(binding: "wrong", pod: "p0", [99])
            for index in 0..<3 { try await stage.expect("b\(index)", "Applied Applied") }
            try await stage.expect("lost", "PodNotFound PodNotFound")
            try await stage.expect("wrong", "InvalidCPUSet InvalidCPUSet")
            try await controller.settles(stage)
            await controller.stop()
            let next = try RunningController(stage, as: "two")
            #expect(try await eventually { next.reconciliations >= 6 })
            try await next.settles(stage, by: "two")
            #expect(stage.writes(by: "two").isEmpty)
            await next.stop()
        }
    }

    @Test("W24: a spec that changes before the node has acted is validated anew")
    func editedMeanwhile() async throws {
        try await running { stage, nodes, _ in
            nodes.isAway = ["n"]
            stage.create(pod: "p")
            stage.create(binding: "b", pod: "p", [0])
            #expect(try await eventually { stage.binding("b")?.claim != nil })
            stage.edit(binding: "b", [99])
            try await stage.expect("b", "Pending Releasing")
            nodes.isAway = []
            try await stage.expect("b", "InvalidCPUSet InvalidCPUSet")
            #expect(stage.binding("b")?.conditions.first?.message == "CPUs [99] do not exist in node n-cputopology")
            #expect(stage.binding("b")?.claim == nil && nodes.granted.isEmpty)
        }
    }

    @Test("W28: what a node refuses is said in its words, and tried again when something on the node has changed")
    func refused() async throws {
        try await running { stage, nodes, _ in
            nodes.refusal = "the kernel refuses"
            stage.create(pod: "p")
            stage.create(binding: "b", pod: "p", [0])
            try await stage.expect("b", "Failed Refused")
            #expect(
                stage.binding("b")?.conditions.first?.message == "Failed to apply CPU pinning: the kernel refuses")
            #expect(!stage.events(of: "b").contains { $0.hasPrefix("Applied") })
            nodes.refusal = nil
            try await stage.expect("b", "Applied Applied")
        }
    }

    @Test("two bindings of the same CPUs that their node refuses take turns ever more seldom, and end when it does not")
    func turns() async throws {
        try await running { stage, nodes, _ in
            nodes.refusal = "the kernel refuses"
            for name in ["one", "two"] {
                stage.create(pod: name)
                stage.create(binding: name, pod: name, [0])
            }
            for name in ["one", "two"] {
                #expect(try await eventually { stage.events(of: name).contains { $0.hasPrefix("Failed") } })
            }
            let version = Int(stage.binding("two")?.metadata.resourceVersion ?? "") ?? 0
            try await Task.sleep(for: .seconds(2))
            let now = ["one", "two"].compactMap { Int(stage.binding($0)?.metadata.resourceVersion ?? "") }.max() ?? 0
            #expect(now - version < 60, "\(now - version) writes")
            nodes.refusal = nil
            // Which of them is tried first is not said.
            #expect(
                try await eventually(seconds: 70) {
                    let statuses = ["one", "two"].map { stage.binding($0)?.resourceStatus?.rawValue ?? "" }.sorted()
                    return statuses == ["Applied", "CPUSetAllocationFailed"]
                })
        }
    }

    @Test("W40: a binding that cannot be applied is tried again when what it waits for changes")
    func retries() async throws {
        try await running { stage, _, _ in
            stage.create(binding: "early", pod: "p", [0])
            try await stage.expect("early", "PodNotFound PodNotFound")
            stage.create(pod: "p")
            try await stage.expect("early", "Applied Applied")
            for name in ["q", "r"] { stage.create(pod: name) }
            stage.create(binding: "second", pod: "q", [0])
            try await stage.expect("second", "CPUSetAllocationFailed CPUsAllocated")
            stage.create(binding: "beyond", pod: "r", [9])
            try await stage.expect("beyond", "InvalidCPUSet InvalidCPUSet")
            stage.delete(binding: "early")
            try await stage.expect("second", "Applied Applied")
            stage.fill(topology: "n-cputopology", Stage.t1 + [[[8], [9]]])
            try await stage.expect("beyond", "Applied Applied")
            // What the host takes is taken, and comes back.
            stage.create(pod: "s")
            stage.fill(topology: "n-cputopology", Stage.t1 + [[[8], [9]]], allocated: [1])
            stage.create(binding: "host", pod: "s", [1])
            try await stage.expect("host", "CPUSetAllocationFailed CPUsAllocated")
            stage.fill(topology: "n-cputopology", Stage.t1 + [[[8], [9]]])
            try await stage.expect("host", "Applied Applied")
        }
    }

    @Test("W42: a pod is pinned from when its containers run, whether they are ready or not")
    func notReady() async throws {
        try await running { stage, _, _ in
            stage.create(pod: "p")
            stage.send(
                "PATCH", "/api/v1/namespaces/default/pods/p/status",
                ["status": ["conditions": [["type": "Ready", "status": "False"]]]])
            stage.create(binding: "b", pod: "p", [0])
            try await stage.expect("b", "Applied Applied")
        }
    }

    @Test("W45: a binding that may not have its new CPUs gives back its old ones first, and only then has others them")
    func editToRefused() async throws {
        try await running { stage, nodes, _ in
            for name in ["p", "q", "r"] { stage.create(pod: name) }
            stage.create(binding: "b", pod: "p", [0])
            stage.create(binding: "other", pod: "q", [1])
            for name in ["b", "other"] { try await stage.expect(name, "Applied Applied") }
            nodes.isAway = ["n"]
            stage.edit(binding: "b", [1])
            try await stage.expect("b", "Pending Releasing")
            stage.create(binding: "next", pod: "r", [0])
            try await stage.expect("next", "CPUSetAllocationFailed CPUsAllocated")
            #expect(nodes.granted["b"] == "0")
            nodes.isAway = []
            try await stage.expect("b", "CPUSetAllocationFailed CPUsAllocated")
            try await stage.expect("next", "Applied Applied")
            #expect(nodes.granted == ["other": "1", "next": "0"] && stage.binding("b")?.nodeName == "")
        }
    }

    @Test("an edit moves a pod: it keeps its old CPUs until it has the new ones")
    func move() async throws {
        try await running { stage, nodes, _ in
            for name in ["p", "q"] { stage.create(pod: name) }
            stage.create(binding: "b", pod: "p", [0])
            try await stage.expect("b", "Applied Applied")
            nodes.isAway = ["n"]
            stage.edit(binding: "b", [2, 3], "Core")
            #expect(try await eventually { stage.binding("b")?.claim?.cpus == "2-3" })
            #expect(stage.binding("b")?.holds.map(\.cpus) == ["2-3", "0"])
            stage.create(binding: "next", pod: "q", [0])
            try await stage.expect("next", "CPUSetAllocationFailed CPUsAllocated")
            nodes.isAway = []
            try await stage.expect("b", "Applied Applied")
            try await stage.expect("next", "Applied Applied")
            #expect(nodes.granted == ["b": "2-3", "next": "0"])
        }
    }

    @Test("a binding that is deleted goes when its CPUs are given back; of others it keeps the finalizers")
    func deletion() async throws {
        try await running { stage, nodes, _ in
            stage.create(pod: "p")
            stage.create(binding: "b", pod: "p", [0])
            try await stage.expect("b", "Applied Applied")
            stage.patch(
                binding: "b", ["metadata": ["finalizers": [.string(PodCPUBinding.finalizer), "example.org/other"]]])
            nodes.isAway = ["n"]
            stage.delete(binding: "b")
            #expect(try await eventually { stage.binding("b")?.claim == nil })
            #expect(stage.binding("b")?.metadata.finalizers.count == 2)
            nodes.isAway = []
            #expect(
                try await eventually { stage.binding("b")?.metadata.finalizers == ["example.org/other"] })
            #expect(try await eventually { stage.events(of: "b").contains("CPUPinningRemoved: CPU pinning removed") })
            #expect(nodes.granted.isEmpty)
            try await stage.expect("b", "Pending Released")
            #expect(stage.binding("b")?.conditions.first?.isTrue == false && stage.binding("b")?.nodeName == "")
            stage.patch(binding: "b", ["metadata": ["finalizers": .null]])
            try await stage.expect("b", "gone")
        }
    }

    @Test("an empty set pins nothing and says so; what was pinned is given back")
    func empty() async throws {
        try await running { stage, nodes, _ in
            stage.create(pod: "p")
            stage.create(binding: "b", pod: "p", [0])
            try await stage.expect("b", "Applied Applied")
            stage.edit(binding: "b", [])
            #expect(try await eventually { nodes.granted.isEmpty && stage.binding("b")?.observedGeneration == 2 })
            try await stage.expect("b", "Applied Applied")
            #expect(
                stage.binding("b")?.conditions.first?.message == "Applied CPUSet [] MemSet []: nothing is pinned")
        }
    }

    @Test("bindings that actimanager has applied are taken over as they are")
    func takeover() async throws {
        try await Stage.running { stage in
            stage.createFilled(node: "n")
            stage.create(pod: "p")
            stage.create(binding: "b", pod: "p", [0])
            stage.patch(
                binding: "b", ["metadata": ["finalizers": [.string(PodCPUBinding.finalizer)]]])
            stage.patch(binding: "b", ["status": ["resourceStatus": "Applied", "nodeName": "n"]], status: true)
            let nodes = try FakeNodes(stage)
            let controller = try RunningController(stage)
            #expect(try await eventually { nodes.granted == ["b": "0"] })
            try await stage.expect("b", "Applied Applied")
            #expect(stage.binding("b")?.observedGeneration == 1)
            await controller.stop()
            await nodes.stop()
        }
    }
}
