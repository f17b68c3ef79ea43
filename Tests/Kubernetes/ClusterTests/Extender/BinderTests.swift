import Bindings
import ClusterStandIn
import KubernetesClient
import TestSupport
import Testing
import WireJSON

@testable import Cluster

/// A bind makes two objects; the pod never has the second without the first.
@Suite struct BinderTests {
    @Test("W19: the binding of the CPUs, owned by the pod, is there before the pod is bound")
    func order() async throws {
        try await ExtenderSite.serving { site async throws -> Void in
            let extender = try await RunningExtender(site, WorkloadAwareArgs(features: [.physicalCores]))
            let pod = site.makePod("p")
            #expect(try await extender.filter(pod)["NodeNames"] == ["n"])
            #expect(try await extender.bind(pod) == "")
            #expect(site.changes == ["POST podcpubindings", "POST binding"])
            let binding = try #require(site.binding("p-pcb"))
            #expect(binding.podName == "p" && binding.cpuSet == [0, 2] && binding.exclusivenessLevel == .core)
            #expect(binding.knownPodUID == Pod(json: pod).metadata.uid && binding.chosenNode == "n")
            #expect(binding.resourceStatus == nil && site.pod("p")?.nodeName == "n")
            await extender.stop()
        }
    }

    @Test("W2, W17, W18: what cannot be met is refused in filter, in the reference's words")
    func refusals() async throws {
        try await ExtenderSite.serving(nodes: ["n": 8, "m": 4]) { site async throws -> Void in
            let extender = try await RunningExtender(site, WorkloadAwareArgs(features: [.physicalCores]))
            let large = try await extender.filter(site.makePod("large", cpus: "3"), ["m", "n", "gone"])
            #expect(large["NodeNames"] == ["n"])
            #expect(large["FailedNodes"] == ["m": "not enough cores, request: 3000m, available: 2000m"])
            #expect(large["FailedAndUnresolvableNodes"] == ["gone": "node has no fresh topology"])
            let odd = site.makePod("odd", family: "gpu-bound")
            let text = try await extender.filter(odd)["FailedAndUnresolvableNodes"]?["n"]?.string
            #expect(text?.hasPrefix("unknown workload type \"gpu-bound\"") == true)
            #expect(try await extender.bind(odd).contains("unknown workload type"))
            #expect(try await extender.bind(site.makePod("full", cpus: "5")).contains("not enough cores"))
            #expect(site.changes.isEmpty && site.allBindings.isEmpty)
            await extender.stop()
        }
    }

    @Test("prioritize gives the best node 10 and the worst 0, by the policy")
    func priorities() async throws {
        try await ExtenderSite.serving(nodes: ["n": 8, "m": 16]) { site async throws -> Void in
            for (policy, wanted) in [(WorkloadAwareArgs.Policy.balanced, [0, 10]), (.maximumUtilization, [10, 0])] {
                let extender = try await RunningExtender(site, WorkloadAwareArgs(policy: policy))
                let answer = try await extender.ask(
                    "prioritize", ["Pod": site.makePod("p\(wanted[0])"), "Nodes": .null, "NodeNames": ["n", "m"]])
                #expect(answer.array?.map { $0["Score"]?.integer } == wanted)
                #expect(answer.array?.map { $0["Host"]?.string } == ["n", "m"])
                await extender.stop()
            }
        }
    }

    @Test("W9: pods that are bound to a node at the same time get CPUs of their own, and one too many is refused")
    func concurrent() async throws {
        try await ExtenderSite.serving(nodes: ["n": 16]) { site async throws -> Void in
            let extender = try await RunningExtender(site)
            site.server.faults = Faults([.init(.delay(0...0.05), verbs: ["create"])], seed: 3)
            let pods = (0..<8).map { site.makePod("p\($0)", family: "io-bound") }
            let errors = try await withThrowingTaskGroup(of: String.self) { group in
                for pod in pods { group.addTask { try await extender.bind(pod) } }
                return try await group.reduce(into: [String]()) { $0.append($1) }
            }
            // 8 pods of 2 CPUs would leave none to pods without a binding.
            #expect(errors.count { $0.isEmpty } == 7)
            #expect(errors.first { !$0.isEmpty }?.hasPrefix("failed to create pod cpu binding: ") == true)
            #expect(site.allBindings.flatMap(\.cpuSet).sorted() == Array(0..<14))
            await extender.stop()
        }
    }

    @Test(
        "W19: where the pod cannot be bound, its binding goes at once and others get the CPUs",
        arguments: [403, 409, 404])
    func rolledBack(code: Int) async throws {
        try await ExtenderSite.serving { site async throws -> Void in
            let extender = try await RunningExtender(site, WorkloadAwareArgs(features: [.physicalCores]))
            let pod = site.makePod("p", cpus: "3")
            if code == 404 {
                site.deletePod("p")
            } else {
                site.server.faults = Faults([.init(.refuse(code), resources: ["pods/binding"], times: 1)])
            }
            // Without a filter before, the pod would be asked for, and not be there.
            _ = try await extender.filter(pod)
            #expect(try await extender.bind(pod).hasPrefix("failed to bind pod: "))
            #expect(site.allBindings.isEmpty && extender.extender.known.pending == 0)
            #expect(try await eventually { extender.extender.known.bindings == 0 })
            let other = site.makePod("q", cpus: "3")
            #expect(try await extender.bind(other) == "" && site.binding("q-pcb")?.cpuSet == [0, 2, 4])
            await extender.stop()
        }
    }

    @Test(
        "an answer that is lost on the way changes nothing: the pod is bound once, with its CPUs",
        arguments: ["podcpubindings", "pods/binding"], [Faults.Effect.loseAnswer, .refuse(500), .disconnect])
    func lostAnswers(resource: String, effect: Faults.Effect) async throws {
        try await ExtenderSite.serving { site async throws -> Void in
            let extender = try await RunningExtender(site)
            site.server.faults = Faults([.init(effect, verbs: ["create"], resources: [resource], times: 1)])
            let pod = site.makePod("p")
            // The scheduler comes again where the extender could not say what has become of it.
            if try await extender.bind(pod) != "" { #expect(try await extender.bind(pod) == "") }
            #expect(site.pod("p")?.nodeName == "n" && site.binding("p-pcb")?.cpuSet == [0, 2])
            #expect(try await extender.bind(pod) == "", "a bind that is repeated comes to the same")
            #expect(site.allBindings.count == 1)
            await extender.stop()
        }
    }

    /// Has a pod bound to `n` by a request whose answer is lost, and the pod cannot be asked for.
    private func bindUnheard(_ pod: JSONValue, _ extender: RunningExtender, _ site: ExtenderSite) async throws {
        _ = try await extender.filter(pod)
        site.server.faults = Faults([
            .init(.loseAnswer, verbs: ["create"], resources: ["pods/binding"]),
            .init(.disconnect, verbs: ["get"], resources: ["pods"]),
        ])
        #expect(try await extender.bind(pod, to: "n").hasPrefix("failed to bind pod: "))
        #expect(site.pod("p")?.nodeName == "n" && site.binding("p-pcb")?.cpuSet == [0, 2])
    }

    @Test(
        "W19: a refusal after an answer that was lost takes no CPUs, since the pod may be bound",
        arguments: [Faults.Effect.refuse(403), .refuse(429), .disconnect])
    func refusedInDoubt(effect: Faults.Effect) async throws {
        try await ExtenderSite.serving { site async throws -> Void in
            let extender = try await RunningExtender(site)
            let pod = site.makePod("p")
            try await bindUnheard(pod, extender, site)
            site.server.faults = Faults([
                .init(effect, verbs: ["create"], resources: ["pods/binding"]),
                .init(.disconnect, verbs: ["get"], resources: ["pods"]),
            ])
            #expect(try await extender.bind(pod).hasPrefix("failed to bind pod: "), "nobody knows yet")
            site.server.faults = Faults([.init(effect, verbs: ["create"], resources: ["pods/binding"], times: 1)])
            #expect(try await extender.bind(pod) == "")
            #expect(site.binding("p-pcb")?.cpuSet == [0, 2] && !site.changes.contains { $0.hasPrefix("DELETE") })
            await extender.stop()
        }
    }

    @Test("W19: a pod that was bound though the answer was lost keeps its CPUs where another node is named for it")
    func boundElsewhere() async throws {
        try await ExtenderSite.serving(nodes: ["m": 8, "n": 8]) { site async throws -> Void in
            let extender = try await RunningExtender(site)
            let pod = site.makePod("p")
            try await bindUnheard(pod, extender, site)
            #expect(try await extender.bind(pod, to: "m").hasPrefix("failed to create pod cpu binding: "))
            site.server.faults = Faults()
            let refused = try await extender.bind(pod, to: "m")
            #expect(refused == #"failed to bind pod: pod "p" is already assigned to node "n""#)
            #expect(try await extender.bind(pod, to: "n") == "")
            #expect(site.binding("p-pcb")?.cpuSet == [0, 2] && !site.changes.contains { $0.hasPrefix("DELETE") })
            #expect(extender.extender.known.pending == 0)
            await extender.stop()
        }
    }

    @Test("W19: the CPUs of a bound pod, changed by a person, stay where its bind is repeated")
    func changedBinding() async throws {
        try await ExtenderSite.serving { site async throws -> Void in
            let extender = try await RunningExtender(site)
            let pod = site.makePod("p")
            try await bindUnheard(pod, extender, site)
            site.server.faults = Faults()
            // A name of another pod: the extender takes it for none of its own.
            site.send(
                "PATCH", "\(ExtenderSite.bindings)/p-pcb", ["spec": ["podName": "q"]], patches: true)
            await extender.stop()
            let next = try await RunningExtender(site)
            #expect(try await next.bind(pod) == "")
            #expect(site.binding("p-pcb")?.cpuSet == [0, 2] && !site.changes.contains { $0.hasPrefix("DELETE") })
            await next.stop()
        }
    }

    @Test("W19: CPUs of which nobody knows whether their pod is bound are kept, and go once it is seen not to be")
    func unbound() async throws {
        try await ExtenderSite.serving { site async throws -> Void in
            let extender = try await RunningExtender(site, grace: .seconds(2))
            let pod = site.makePod("p")
            _ = try await extender.filter(pod)
            site.server.faults = Faults([
                .init(.refuse(500), verbs: ["create"], resources: ["pods/binding"]),
                .init(.disconnect, verbs: ["get"], resources: ["pods"]),
            ])
            #expect(try await extender.bind(pod).hasPrefix("failed to bind pod: "))
            #expect(site.binding("p-pcb")?.cpuSet == [0, 2])
            site.server.faults = Faults()
            #expect(
                try await eventually {
                    site.allBindings.isEmpty && extender.extender.known.bindings == 0
                        && extender.extender.takenBack == 1
                })
            #expect(site.pod("p")?.nodeName == nil)
            await extender.stop()
        }
    }

    @Test("W19: a request that takes CPUs back, and comes late, does not take those of a pod that was bound meanwhile")
    func lateDelete() async throws {
        try await ExtenderSite.serving { site async throws -> Void in
            let extender = try await RunningExtender(site)
            let pod = site.makePod("p")
            site.server.faults = Faults([
                .init(.refuse(403), verbs: ["create"], resources: ["pods/binding"], times: 1),
                .init(.delay(8...8), verbs: ["delete"], resources: ["podcpubindings"], times: 1),
            ])
            #expect(try await extender.bind(pod).hasPrefix("failed to bind pod: "))
            #expect(try await extender.bind(pod) == "")
            #expect(
                try await eventually(seconds: 60) {
                    site.server.served.contains { $0.method == "DELETE" && $0.status != 0 }
                })
            #expect(site.pod("p")?.nodeName == "n" && site.binding("p-pcb")?.cpuSet == [0, 2])
            await extender.stop()
        }
    }

    @Test("W19: a pod that is tried again has all its time before its CPUs are taken back")
    func graceAgain() async throws {
        try await ExtenderSite.serving { site async throws -> Void in
            let extender = try await RunningExtender(site, grace: .seconds(4))
            let pod = site.makePod("p")
            site.server.faults = Faults([.init(.refuse(500), verbs: ["create"], resources: ["pods/binding"])])
            var times: [ContinuousClock.Instant] = []
            for _ in 0..<3 {
                times.append(.now)
                #expect(try await extender.bind(pod).hasPrefix("failed to bind pod: "))
            }
            #expect(try await eventually { site.allBindings.isEmpty })
            #expect(ContinuousClock.now - times[2] >= .seconds(4))
            await extender.stop()
        }
    }

    @Test("W19: a binding of an earlier pod of the name goes where that pod is gone, and stays where it is not")
    func earlierPod() async throws {
        try await ExtenderSite.serving { site async throws -> Void in
            let extender = try await RunningExtender(site)
            func make(owner: JSONValue, pod: String) {
                var binding = PodCPUBinding(name: "p-pcb", namespace: "a")
                binding.podName = pod
                binding.cpuSet = [0]
                binding.exclusivenessLevel = .cpu
                binding.metadata.ownerReferences = [OwnerReference(to: Pod(json: owner))]
                site.send("POST", ExtenderSite.bindings, binding.json)
            }
            let other = site.makePod("other")
            make(owner: other, pod: "other")
            #expect(try await eventually { extender.extender.known.bindings == 1 })
            let pod = site.makePod("p")
            #expect(try await extender.bind(pod).contains("already exists and is not this pod's"))
            #expect(site.pod("p")?.nodeName == nil && site.binding("p-pcb")?.cpuSet == [0])
            // Its finalizer keeps it beyond its pod.
            site.send(
                "PATCH", "\(ExtenderSite.bindings)/p-pcb",
                ["metadata": ["finalizers": [.string(PodCPUBinding.finalizer)]]], patches: true)
            site.deletePod("other")
            #expect(try await extender.bind(pod).hasSuffix("is being deleted"))
            #expect(site.pod("p")?.nodeName == nil)
            async let again = extender.bind(pod)
            site.send(
                "PATCH", "\(ExtenderSite.bindings)/p-pcb", ["metadata": ["finalizers": .null]], patches: true)
            #expect(try await again == "" && site.binding("p-pcb")?.cpuSet == [0, 2])
            await extender.stop()
        }
    }

    @Test("a pod that has a binding of somebody else is not bound")
    func handWritten() async throws {
        try await ExtenderSite.serving { site async throws -> Void in
            let extender = try await RunningExtender(site)
            var binding = PodCPUBinding(name: "mine", namespace: "a")
            binding.podName = "p"
            binding.cpuSet = [3]
            binding.exclusivenessLevel = .cpu
            site.send("POST", ExtenderSite.bindings, binding.json)
            #expect(try await eventually { extender.extender.known.bindings == 1 })
            #expect(try await extender.bind(site.makePod("p")).contains("the pod has the binding \"mine\" already"))
            await extender.stop()
        }
    }

    @Test("a hand-written binding of a running pod counts before anybody has decided it")
    func undecided() async throws {
        try await ExtenderSite.serving { site async throws -> Void in
            let extender = try await RunningExtender(site)
            let pod = site.makePod("x", scheduler: "default-scheduler")
            #expect(try await extender.bind(pod) == "" && site.allBindings.isEmpty, "the pod is another scheduler's")
            var binding = PodCPUBinding(name: "x", namespace: "a")
            binding.podName = "x"
            binding.cpuSet = [0, 1]
            binding.exclusivenessLevel = .core
            site.send("POST", ExtenderSite.bindings, binding.json)
            let next = site.makePod("p", cpus: "4")
            #expect(
                try await eventually {
                    try await extender.filter(next)["FailedNodes"]?["n"]
                        == "not enough cores, request: 4000m, available: 3000m"
                })
            await extender.stop()
        }
    }

    @Test("pods of other schedulers fit everywhere, and are bound without CPUs")
    func otherScheduler() async throws {
        try await ExtenderSite.serving { site async throws -> Void in
            let extender = try await RunningExtender(site)
            let pod = site.makePod("p", cpus: "100", scheduler: "default-scheduler")
            #expect(try await extender.filter(pod, ["n", "m"])["NodeNames"] == ["n", "m"])
            #expect(try await extender.bind(pod) == "")
            #expect(site.changes == ["POST binding"] && site.pod("p")?.nodeName == "n")
            await extender.stop()
        }
    }

    @Test("an extender that has not read the cluster says so, and binds nothing")
    func notReady() async throws {
        try await ExtenderSite.serving { site async throws -> Void in
            let paths = ExtenderPaths(Extender(try site.client()), prefix: "")
            func ask(_ verb: String, _ question: JSONValue) async -> String {
                let answer = await paths.respond(
                    to: ServedRequest(method: "POST", path: "/\(verb)", body: question.bytes))
                return String(decoding: answer.body, as: UTF8.self)
            }
            let pod = site.makePod("p")
            let text = #""Error":"the extender has not read the cluster yet""#
            #expect(await ask("filter", ["Pod": pod, "NodeNames": ["n"]]).contains(text))
            #expect(
                await ask("bind", ["PodName": "p", "PodNamespace": "a", "PodUID": "u", "Node": "n"]).contains(text))
            let ready = await paths.respond(to: ServedRequest(method: "GET", path: "/readyz", body: []))
            #expect(ready.status == 503)
        }
    }

    @Test(
        "W9: two extenders at once, as when a scheduler takes over from another, never give a CPU twice",
        .timeLimit(.minutes(1)))
    func two() async throws {
        try await ExtenderSite.serving(nodes: ["n": 64]) { site async throws -> Void in
            site.server.faults = Faults([.init(.delay(0...0.02), verbs: ["create"])], seed: 5)
            let extenders = [try await RunningExtender(site), try await RunningExtender(site)]
            let pods = (0..<24).map { site.makePod("p\($0)", family: "io-bound") }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (number, pod) in pods.enumerated() {
                    group.addTask {
                        let extender = extenders[number % 2]
                        let isBound = try await eventually { try await extender.bind(pod) == "" }
                        #expect(isBound)
                    }
                }
                try await group.waitForAll()
            }
            let cpus = site.allBindings.flatMap(\.cpuSet)
            #expect(cpus.count == 48 && Set(cpus).count == 48, "\(cpus.sorted())")
            #expect(pods.allSatisfy { site.pod(Pod(json: $0).metadata.name)?.nodeName == "n" })
            for extender in extenders { await extender.stop() }
        }
    }
}
