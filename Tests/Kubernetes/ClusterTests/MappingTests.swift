import Bindings
import Cluster
import KubernetesClient
import Machine
import Testing

/// Objects of the API server as the values that decisions are made on, and back.
@Suite struct MappingTests {
    private func json(_ text: String) throws -> JSONValue { try JSONValue(Array(text.utf8)) }

    private func binding(_ status: String = "null", cpus: String = #"[{"cpuID":2},{"cpuID":3}]"#) throws
        -> PodCPUBinding
    {
        PodCPUBinding(
            json: try json(
                """
                {"metadata":{"name":"b","namespace":"a","uid":"u","generation":3,"resourceVersion":"7",
                "creationTimestamp":"2026-01-31T08:15:00Z","finalizers":["x","cslab.ece.ntua.gr/pod-cpu-binding-finalizer"],
                "ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","uid":"d"},
                {"apiVersion":"v1","kind":"Pod","name":"p","uid":"pu"}]},
                "spec":{"podName":"p","cpuSet":\(cpus),"exclusivenessLevel":"Core"},"status":\(status)}
                """))
    }

    private func topology(_ spec: String, status: String = #"{"resourceStatus":"Fresh"}"#) throws -> NodeCPUTopology {
        NodeCPUTopology(json: try json(#"{"metadata":{"name":"t"},"spec":\#(spec),"status":\#(status)}"#))
    }

    @Test("a binding is what its object says, with the pod that owns it")
    func bindings() throws {
        let binding = try #require(Binding(try binding()))
        #expect(binding.key == Bindings.ObjectKey("a", "b") && binding.pod == Bindings.ObjectKey("a", "p"))
        #expect(binding.uid == "u" && binding.generation == 3 && binding.hasFinalizer && !binding.isBeingDeleted)
        #expect(binding.podUID == "pu" && binding.cpuSet == [2, 3] && binding.level == .core && binding.status == nil)
        #expect(binding.created == 1_769_847_300)
    }

    @Test("numbers that no CPU can have stay in the set, so that the binding is refused and not cut")
    func garbage() throws {
        let cpus = #"[{"cpuID":-3},{"cpuID":1e30},{"cpuID":2.0},{"cpuID":99999999999999999999},{}]"#
        let binding = try #require(Binding(try binding(cpus: cpus)))
        #expect(binding.cpuSet == [-3, .max, 2, .max, -1])
        let nothing = try self.binding(cpus: "null")
        #expect(Binding(nothing)?.cpuSet == [])
    }

    @Test("a status that was written reads as what was to be written, and leaves what the node and others say")
    func statuses() throws {
        let status = BindingStatus(
            .validated, nodeName: "n", reason: .moving, message: "m", observedGeneration: 3, podUID: "pu",
            holds: [.init(cpus: [2, 3, 8], level: .core), .init(cpus: [0], level: .none)], containers: ["a", "b"])
        var object = try binding(
            """
            {"resourceStatus":"Pending","nodeName":"","node":{"state":"Released"},"future":1,
            "conditions":[{"type":"Applied","status":"False","reason":"PodNotFound","message":"",
            "lastTransitionTime":"2026-01-01T00:00:00Z"},{"type":"Other","status":"True"}]}
            """)
        let claim = PodClaim(
            pod: .init("a", "p"), podUID: "pu", cpus: [2, 3, 8], level: .core, exclusive: [2, 3, 8, 9], memoryNodes: [0]
        )
        let now = try #require(Timestamp("2026-02-02T00:00:00Z"))
        for member in status.members(for: object, claim: claim.written, now: now) {
            var members = object.json["status"] ?? .null
            members[member.name] = member.value
            object.json["status"] = members
        }
        #expect(BindingStatus(object) == status)
        #expect(object.holds.map(\.cpus) == ["2-3,8", "0"] && PodClaim(object.claim, pod: claim.pod) == claim)
        #expect(object.nodeReport?.state == .released && object.json["status"]?["future"] == 1)
        #expect(object.conditions.map(\.type) == ["Other", "Applied"])
        // It was not applied before either.
        #expect(object.conditions[1].lastTransitionTime?.seconds == "2026-01-01T00:00:00Z")
        let applied = BindingStatus(.applied, nodeName: "n", reason: .applied, message: "")
        let members = applied.members(for: object, claim: nil, now: now)
        #expect(
            members.first { $0.name == "claim" }?.value == .null && members.first { $0.name == "holds" }?.value == .null
        )
        let condition = members.first { $0.name == "conditions" }?.value.array?.last
        #expect(condition?["lastTransitionTime"] == "2026-02-02T00:00:00Z" && condition?["status"] == "True")
    }

    @Test("a status of actimanager holds its CPUs, and is about the spec that there is")
    func actimanager() throws {
        let binding = try #require(Binding(try binding(#"{"resourceStatus":"Applied","nodeName":"n"}"#)))
        #expect(binding.status?.reason == .applied && binding.status?.observedGeneration == nil)
        #expect(binding.status?.holds == [] && binding.podUID == "pu")
        #expect(Binding(try self.binding(#"{"nodeName":""}"#))?.status == nil)
    }

    private static let claim = """
        {"podUID":"pu","cpus":"2-3","exclusivenessLevel":"Core","exclusive":"2-3","memoryNodes":[0]}
        """
    private static let other = """
        {"podUID":"pu","cpus":"4","exclusivenessLevel":"CPU","exclusive":"4","memoryNodes":[1]}
        """

    @Test("the claim of a binding is as far as its node says, and unknown where the node is not ready")
    func claims() throws {
        func state(_ claim: String = "null", _ node: String = "null", answers: Bool = true) throws -> ClaimState {
            ClaimState(
                try binding(#"{"resourceStatus":"Validated","nodeName":"n","claim":\#(claim),"node":\#(node)}"#),
                pod: .init("a", "p"), nodeAnswers: answers)
        }
        let (claim, other) = (Self.claim, Self.other)
        let wanted = PodClaim(
            pod: .init("a", "p"), podUID: "pu", cpus: [2, 3], level: .core, exclusive: [2, 3], memoryNodes: [0])
        let before = PodClaim(
            pod: .init("a", "p"), podUID: "pu", cpus: [4], level: .cpu, exclusive: [4], memoryNodes: [1])
        #expect(try state() == .none)
        #expect(try state("null", #"{"state":"Released","claim":\#(claim)}"#) == .none)
        #expect(try state(claim) == .beingMade(wanted))
        #expect(try state(claim, #"{"state":"Released"}"#) == .beingMade(wanted))
        #expect(try state(claim, #"{"state":"Claiming","claim":\#(claim)}"#) == .beingMade(wanted))
        #expect(
            try state(claim, #"{"state":"Claiming","claim":\#(claim),"message":"no answer"}"#)
                == .beingMade(wanted, problem: "no answer"))
        #expect(
            try state(claim, #"{"state":"Enforced","claim":\#(claim),"containers":["c"]}"#)
                == .enforced(wanted, containers: ["c"]))
        // A change that the node has not seen yet, and a release.
        #expect(try state(claim, #"{"state":"Enforced","claim":\#(other)}"#) == .beingMade(wanted))
        #expect(try state("null", #"{"state":"Enforced","claim":\#(other)}"#) == .beingMade(before))
        #expect(
            try state(claim, #"{"state":"Refused","claim":\#(claim),"message":"no","held":\#(other)}"#)
                == .refused(wanted, reason: "no", held: before))
        #expect(try state("null", #"{"state":"Refused","claim":\#(claim),"held":\#(other)}"#) == .beingMade(before))
        #expect(try state("null", #"{"state":"Refused","claim":\#(claim)}"#) == .none)
        #expect(try state(claim, #"{"state":"Enforced","claim":\#(claim)}"#, answers: false) == .unknown)
        #expect(try state(answers: false) == .unknown)
        // A node that was gone for a time, and has no part in the binding any more, says it too late.
        for answers in [true, false] {
            let late = try binding(
                #"{"resourceStatus":"Pending","nodeName":"","node":{"state":"Enforced","claim":\#(other)}}"#)
            #expect(ClaimState(late, pod: .init("a", "p"), nodeAnswers: answers) == .none)
        }
        // Nothing was ever held.
        #expect(ClaimState(try binding(), pod: .init("a", "p"), nodeAnswers: false) == .none)
    }

    @Test("a topology of a node is read where it is fresh; what is missing or null is empty")
    func nodes() throws {
        let spec = """
            {"nodeName":"n","topology":{"cpus":[1,0],"sockets":{"0":{"cpus":[0,1],"cores":{"1":{"cpus":[1]},
            "0":{"cpus":[0]}}}},"numaNodes":null}}
            """
        let status = #"{"resourceStatus":"Fresh","allocatedCPUs":[1,-1],"reservedCPUs":null}"#
        let facts = try #require(NodeFacts(try topology(spec, status: status)))
        #expect(facts.name == "n" && facts.topologyName == "t" && facts.topology.cpus == [0, 1])
        #expect(facts.allocated == [1] && facts.reserved == [] && facts.topology.numaNodes.isEmpty)
        for status in ["NeedsSync", "NodeNotFound", "Failed", ""] {
            #expect(NodeFacts(try topology(spec, status: #"{"resourceStatus":"\#(status)"}"#)) == nil)
        }
        #expect(NodeFacts(try topology(#"{"nodeName":"n"}"#)) == nil)
        #expect(NodeFacts(try topology(#"{"nodeName":"n","topology":{"sockets":{"x":{}}}}"#)) == nil)
        #expect(NodeFacts(try topology(#"{"nodeName":"n","topology":{}}"#))?.topology.cpus == [])
    }

    @Test("of several topologies of a node the one with the controller's name counts, else the first")
    func severalTopologies() {
        func named(_ name: String) -> NodeCPUTopology {
            var topology = NodeCPUTopology(name: name)
            topology.nodeName = "n"
            return topology
        }
        #expect(
            NodeCPUTopology.effective([named("a"), named("n-cputopology"), named("z")])?.metadata.name
                == "n-cputopology")
        #expect(NodeCPUTopology.effective([named("b"), named("a")])?.metadata.name == "a")
        #expect(NodeCPUTopology.effective([]) == nil)
    }

    @Test("a pod has its containers and sidecars, each with its newest instance")
    func pods() throws {
        let pod = Pod(
            json: try json(
                """
                {"metadata":{"uid":"u","deletionTimestamp":"2026-01-31T08:15:00Z"},
                "spec":{"nodeName":"n","containers":[{"name":"a"},{"name":"b"}],
                "initContainers":[{"name":"i"},{"name":"s","restartPolicy":"Always"}]},
                "status":{"phase":"Running","containerStatuses":[{"name":"a","containerID":"containerd://1",
                "state":{"running":{}}}],"initContainerStatuses":[{"name":"s","containerID":"containerd://2",
                "state":{"waiting":{}}},{"name":"i","containerID":"containerd://3","state":{"terminated":{}}}]}}
                """))
        let facts = PodFacts(pod)
        #expect(facts.uid == "u" && facts.node == "n" && facts.isBeingDeleted && !facts.isFinished)
        #expect(
            facts.containers == [
                .init(name: "a", id: "containerd://1", state: .running), .init(name: "b", state: .waiting),
                .init(name: "s", id: "containerd://2", state: .waiting),
            ])
    }

    @Test("a static pod has the server's uid, and another one in its cgroups, which is none that the server gives")
    func staticPods() throws {
        func pod(_ hash: String) throws -> Pod {
            let annotations = #"{"kubernetes.io/config.mirror":"\#(hash)","kubernetes.io/config.hash":"\#(hash)"}"#
            return Pod(
                json: try json(
                    #"{"metadata":{"uid":"u","annotations":\#(annotations)},"spec":{"nodeName":"n"},"status":{"phase":"Failed"}}"#
                ))
        }
        let hash = "0123456789abcdef0123456789abcdef"
        let mirror = try pod(hash)
        #expect(PodFacts(mirror).uid == "u" && PodFacts(mirror).isFinished)
        #expect(mirror.cgroupUID == hash && mirror.isMirror)
        #expect(Pod(json: try json(#"{"metadata":{"uid":"u"}}"#)).cgroupUID == "u")
        for other in ["11111111-2222-3333-4444-555555555555", "0a", "../../x", String(hash.dropLast()) + "G"] {
            #expect(try pod(other).cgroupUID == "u", "\(other)")
        }
    }

    @Test(
        "a pod requests and may use what Kubernetes adds up",
        arguments: [
            (#"{"containers":[\#(cpu("500m", "1")),\#(cpu("1", nil))]}"#, 1500, 1000),
            (#"{"containers":[\#(cpu(nil, "2")),{}]}"#, 2000, 2000),
            ("{}", 0, 0),
            (#"{"containers":[\#(cpu("1", nil))],"initContainers":[\#(cpu("3", "4"))]}"#, 3000, 4000),
            // Sidecars run beside the containers and beside the init containers after them.
            (
                #"{"containers":[\#(cpu("1", nil))],"initContainers":[\#(cpu("2", nil)),\#(cpu("1", nil, true)),\#(cpu("2", nil))]}"#,
                3000, 0
            ),
            (#"{"containers":[\#(cpu("1", nil))],"initContainers":[\#(cpu("4", nil, true))]}"#, 5000, 0),
            (#"{"containers":[\#(cpu("1", "1"))],"overhead":{"cpu":"250m"}}"#, 1250, 1250),
            (#"{"containers":[\#(cpu("1", nil))],"overhead":{"cpu":"250m"}}"#, 1250, 0),
            (
                #"{"resources":{"requests":{"cpu":"7"},"limits":{"cpu":"8"}},"containers":[\#(cpu("1", "1"))]}"#, 7000,
                8000
            ),
            (#"{"containers":[\#(cpu("-1", nil)),\#(cpu("9E", nil)),\#(cpu("9E", nil))]}"#, Int.max, 0),
        ])
    func requests(spec: String, request: Int, limit: Int) throws {
        let pod = Pod(
            json: try json(
                #"{"metadata":{"name":"p","namespace":"a","uid":"u","labels":{"cslab.ece.ntua.gr/workload-type":"io-bound"}},"#
                    + #""spec":\#(spec)}"#))
        #expect(
            PodRequest(pod)
                == PodRequest(
                    pod: .init("a", "p"), uid: "u", familyLabel: "io-bound", request: request, limit: limit))
    }

    private static func cpu(_ request: String?, _ limit: String?, _ isSidecar: Bool = false) -> String {
        func amount(_ text: String?) -> String { text.map { #"{"cpu":"\#($0)"}"# } ?? "{}" }
        let policy = isSidecar ? #""restartPolicy":"Always","# : ""
        return #"{\#(policy)"resources":{"requests":\#(amount(request)),"limits":\#(amount(limit))}}"#
    }
}
