import Machine
import Testing
import WireJSON

@testable import Bindings

/// What the extender answers.
@Suite struct ExtenderTests {
    static func pod(_ name: String, _ family: String? = nil, request: Int = 2000, limit: Int = 0) -> PodRequest {
        PodRequest(
            pod: ObjectKey("a", name), uid: "uid-\(name)", familyLabel: family, request: request, limit: limit)
    }

    static func cluster(
        _ args: WorkloadAwareArgs = WorkloadAwareArgs(), _ nodes: [String: NodeTopology] = ["n": Examples.t1]
    ) -> ClusterCPUs {
        var cluster = ClusterCPUs(args: args)
        for (name, topology) in nodes { cluster.setNode(NodeFacts(name: name, topology: topology)) }
        return cluster
    }

    /// The binding of a choice, as the API server shows it.
    static func binding(_ choice: BindingChoice, _ status: BindingStatus? = nil) -> Binding {
        Binding(
            key: choice.binding, uid: "b-\(choice.podUID)", created: 1, ownerUID: choice.podUID,
            podName: choice.pod.name, cpuSet: Array(choice.cpus), level: choice.level, status: status)
    }

    static func held(_ name: String, _ cpus: [Int], _ level: ExclusivenessLevel) -> Binding {
        let hold = Hold(cpus: CPUSet(cpus), level: level)
        return Binding(
            key: ObjectKey("a", name), uid: name, created: 1, podName: "pod-\(name)", cpuSet: cpus, level: level,
            status: BindingStatus(.applied, nodeName: "n", reason: .applied, message: "", holds: [hold]))
    }

    @Test("Refusals of a filter are in the reference's words")
    func refusals() {
        var cluster = Self.cluster(WorkloadAwareArgs(features: [.physicalCores]))
        func reason(_ pod: PodRequest) -> String? { cluster.filter(pod, ["n"]).refused.first?.reason.description }
        #expect(reason(Self.pod("p", request: 5000)) == "not enough cores, request: 5000m, available: 4000m")
        #expect(
            reason(Self.pod("p", request: 1000, limit: 5000)) == "not enough cores, limit: 5000m, available: 4000m")
        #expect(reason(Self.pod("p", "gpu-bound"))?.hasPrefix("unknown workload type \"gpu-bound\"") == true)
        cluster.see(Self.held("x", [0, 1, 2, 3], .core), node: "n")
        #expect(reason(Self.pod("p")) == "all cores are reserved for other pods")
        #expect(cluster.filter(Self.pod("p"), ["m"]).refused.first?.reason == .noTopology)
        #expect(reason(Self.pod("p", request: .max)) == "all cores are reserved for other pods")
    }

    @Test("The levels are those of the family and the features")
    func levels() throws {
        func level(_ family: String, _ features: Set<WorkloadAwareArgs.Feature>) throws -> ExclusivenessLevel {
            var cluster = Self.cluster(WorkloadAwareArgs(features: features))
            return try cluster.bind(Self.pod("p", family, request: 1000), to: "n").choice.level
        }
        #expect(try level("cpu-bound", []) == .cpu && level("cpu-bound", [.physicalCores]) == .core)
        #expect(try level("memory-bound", [.physicalCores, .memoryBoundExclusiveSockets]) == .socket)
        #expect(try level("io-bound", [.memoryBoundExclusiveSockets, .bestEffortSharedCPUs]) == .cpu)
        #expect(try level("best-effort", [.physicalCores, .bestEffortSharedCPUs]) == .none)
    }

    @Test("W9: What was chosen counts at once, and pods that are bound together get CPUs of their own")
    func assumed() throws {
        var cluster = Self.cluster(
            WorkloadAwareArgs(features: [.physicalCores]), ["n": Examples.server(cores: 3)])
        let first = try cluster.bind(Self.pod("p"), to: "n").choice
        let second = try cluster.bind(Self.pod("q"), to: "n").choice
        #expect(first.cpus == [0, 1] && second.cpus == [2, 3])
        #expect(cluster.filter(Self.pod("r"), ["n"]).fitting.isEmpty)
        // Seen, validated or not, it counts once.
        cluster.see(Self.binding(first), node: nil)
        #expect(cluster.pending == [second] && cluster.filter(Self.pod("r"), ["n"]).fitting.isEmpty)
        cluster.forget(first.binding)
        #expect(try cluster.bind(Self.pod("r"), to: "n").choice.cpus == [0, 1])
    }

    @Test("A bind that fails takes its choice back, and another pod gets the CPUs")
    func takenBack() throws {
        var cluster = Self.cluster()
        let choice = try cluster.bind(Self.pod("p"), to: "n").choice
        cluster.takeBack(choice.binding, podUID: "another")
        #expect(cluster.pending == [choice])
        cluster.takeBack(choice.binding, podUID: choice.podUID)
        cluster.takeBack(choice.binding, podUID: choice.podUID)
        #expect(cluster.pending.isEmpty && cluster.nodes["n"]?.exclusive == [])
        #expect(try cluster.bind(Self.pod("q"), to: "n").choice.cpus == choice.cpus)
    }

    @Test("W19: A bind that is repeated gives the same CPUs; until the binding is gone the pod goes to no other node")
    func repeated() throws {
        var cluster = Self.cluster(WorkloadAwareArgs(), ["n": Examples.t1, "m": Examples.t2])
        let plan = try cluster.bind(Self.pod("p"), to: "n")
        #expect(try cluster.bind(Self.pod("p"), to: "n") == plan)
        cluster.see(Self.binding(plan.choice), node: nil)
        #expect(try cluster.bind(Self.pod("p"), to: "n") == .reuse(plan.choice))
        // A late request may still bind it to the first.
        #expect(throws: BindRefusal.bindingExists(plan.choice.binding)) { try cluster.bind(Self.pod("p"), to: "m") }
        let filtered = cluster.filter(Self.pod("p"), ["m", "n"])
        #expect(filtered.fitting == ["n"] && filtered.refused.map(\.reason) == [.chosen(node: "n")])
        #expect(cluster.filter(Self.pod("q"), ["m", "n"]).fitting == ["m", "n"])
        cluster.forget(plan.choice.binding)
        #expect(cluster.filter(Self.pod("p"), ["m", "n"]).fitting == ["m", "n"])
        #expect(try cluster.bind(Self.pod("p"), to: "m").choice.node == "m")
    }

    @Test("W19: A name that is taken is a refusal before the pod is bound")
    func nameTaken() {
        var cluster = Self.cluster()
        cluster.see(
            Binding(
                key: ObjectKey("a", "p-pcb"), uid: "x", created: 1, ownerUID: "earlier", podName: "p", cpuSet: [0],
                level: .cpu), node: "n")
        #expect(throws: BindRefusal.bindingExists(ObjectKey("a", "p-pcb"))) {
            try cluster.bind(Self.pod("p"), to: "n")
        }
        cluster.see(
            Binding(key: ObjectKey("a", "mine"), uid: "y", created: 1, podName: "q", cpuSet: [1], level: .cpu),
            node: "n")
        #expect(throws: BindRefusal.podHasBinding(ObjectKey("a", "mine"))) { try cluster.bind(Self.pod("q"), to: "n") }
        #expect(cluster.pending.isEmpty)
    }

    @Test("A new extender sees the CPUs of bindings whose pods are not bound yet, and their pods find them again")
    func restart() throws {
        var before = Self.cluster()
        let choice = try before.bind(Self.pod("p", request: 4000), to: "n").choice
        var after = Self.cluster()
        after.see(Self.binding(choice), node: choice.node)
        #expect(after.filter(Self.pod("q"), ["n"]).fitting.isEmpty)
        #expect(after.filter(Self.pod("p", request: 4000), ["n"]).fitting == ["n"])
        #expect(try after.bind(Self.pod("p", request: 4000), to: "n") == .reuse(choice))
    }

    @Test("W10: An exclusive pod gets no CPU that another pod shares")
    func exclusiveOverShared() throws {
        var cluster = Self.cluster()
        cluster.see(Self.held("x", [0, 1], .none), node: "n")
        #expect(try cluster.bind(Self.pod("p", "io-bound", request: 3000), to: "n").choice.cpus == [2, 4, 5])
    }

    @Test("W12: A pod that would leave no CPU to others does not fit")
    func pool() {
        let cluster = Self.cluster(WorkloadAwareArgs(features: [.memoryBoundExclusiveSockets]))
        #expect(cluster.filter(Self.pod("p", "memory-bound"), ["n"]).refused.first?.reason == .starves(minimum: 1))
        #expect(cluster.filter(Self.pod("p", "memory-bound", request: 1000), ["n"]).fitting == ["n"])
    }

    @Test("A pod gets neither what the host holds nor what is reserved")
    func host() throws {
        var cluster = Self.cluster()
        cluster.setNode(NodeFacts(name: "n", topology: Examples.t1, allocated: [0, 1], reserved: [4]))
        #expect(try cluster.bind(Self.pod("p", "io-bound", request: 3000), to: "n").choice.cpus == [2, 5, 6])
    }

    @Test("W14: A CPU that one binding shares and another has exclusively is not free, in whatever order they come")
    func twoPasses() {
        let bindings = [Self.held("x", [0, 1, 2, 3, 4, 5, 6], .cpu), Self.held("y", [0], .none)]
        for order in [bindings, bindings.reversed()] {
            var cluster = Self.cluster(WorkloadAwareArgs(features: [.bestEffortSharedCPUs]))
            for binding in order { cluster.see(binding, node: "n") }
            #expect(cluster.nodes["n"]?.forShared.cpus == [7])
        }
    }

    @Test("W16: Scores are rounded after they are scaled, so a node with many busy cores does not win")
    func scores() {
        let nodes = ["x": Examples.t1, "y": Examples.t1, "z": Examples.server(cores: 32)]
        func scores(_ policy: WorkloadAwareArgs.Policy, _ family: String, _ names: [String]) -> [Int] {
            var cluster = Self.cluster(WorkloadAwareArgs(policy: policy), nodes)
            var busy = Self.held("b", [0], .core)
            busy.status?.nodeName = "y"
            cluster.see(busy, node: "y")
            var most = Self.held("c", Array(0..<54), .core)
            most.status?.nodeName = "z"
            cluster.see(most, node: "z")
            return cluster.prioritize(Self.pod("p", family), names, scale: 100)
        }
        #expect(scores(.balanced, "io-bound", ["x", "y"]) == [100, 0])
        #expect(scores(.maximumUtilization, "io-bound", ["x", "y"]) == [0, 100])
        let cpuBound = scores(.balanced, "cpu-bound", ["x", "y", "z"])
        #expect(cpuBound[0] == 100 && cpuBound[2] == 0)
        #expect(scores(.balanced, "cpu-bound", ["x", "x"]) == [0, 0])
        #expect(scores(.balanced, "cpu-bound", ["x", "gone"]) == [0, 0])
    }

    @Test("W18: A label that names no family is refused in filter and in bind")
    func unknownFamily() {
        var cluster = Self.cluster()
        #expect(cluster.filter(Self.pod("p", "x"), ["n"]).fitting.isEmpty)
        #expect(throws: BindRefusal.doesNotFit(.unknownFamily("x"))) { try cluster.bind(Self.pod("p", "x"), to: "n") }
    }

    @Test("W46, W48: The same cluster and pod give the same CPUs, whatever happened before")
    func deterministic() throws {
        var fresh = Self.cluster()
        var used = Self.cluster()
        for name in ["u", "v"] {
            let choice = try used.bind(Self.pod(name), to: "n").choice
            used.takeBack(choice.binding, podUID: choice.podUID)
        }
        let copy = used
        #expect(try used.bind(Self.pod("p"), to: "n") == fresh.bind(Self.pod("p"), to: "n"))
        #expect(copy.pending.isEmpty)
    }

    @Test("A node that is gone and comes back with other CPUs keeps what its bindings hold of them")
    func nodeAgain() {
        var cluster = Self.cluster()
        cluster.see(Self.held("x", [0, 9], .cpu), node: "n")
        cluster.removeNode("n")
        #expect(cluster.filter(Self.pod("p"), ["n"]).refused.first?.reason == .noTopology)
        cluster.setNode(NodeFacts(name: "n", topology: Examples.server(cores: 4)))
        #expect(cluster.nodes["n"]?.exclusive == [0, 9])
    }

    @Test("The figures that questions look at are always those of the nodes' CPUs")
    func figures() throws {
        var cluster = Self.cluster()
        func check() { #expect(cluster.figuresOfNodes == cluster.nodes.mapValues(\.figures)) }
        check()
        let choice = try cluster.bind(Self.pod("p"), to: "n").choice
        check()
        cluster.see(Self.binding(choice), node: nil)
        cluster.see(Self.held("x", [6], .core), node: "n")
        check()
        cluster.setNode(NodeFacts(name: "n", topology: Examples.t1, allocated: [5]))
        check()
        cluster.forget(choice.binding)
        check()
        #expect(cluster.figuresOfNodes["n"]?.forExclusive.count == 5)
        cluster.removeNode("n")
        check()
    }

    @Test("W9: Of two bindings of the same CPUs, made by two extenders, each is known to be contested")
    func contested() throws {
        var cluster = Self.cluster()
        let choice = try cluster.bind(Self.pod("p"), to: "n").choice
        #expect(!cluster.isContested(choice.binding))
        cluster.see(Self.binding(choice), node: nil)
        #expect(!cluster.isContested(choice.binding))
        cluster.see(Self.held("x", [0], .none), node: "n")
        #expect(cluster.isContested(choice.binding) && cluster.isContested(ObjectKey("a", "x")))
        cluster.forget(ObjectKey("a", "x"))
        cluster.see(Self.held("y", [4], .core), node: "n")
        #expect(cluster.isContested(choice.binding))
        cluster.see(Self.held("y", [6], .core), node: "n")
        #expect(!cluster.isContested(choice.binding))
    }

    @Test("The node of a binding that says none is the one that its pod is found on, as long as it is the same binding")
    func placed() {
        var cluster = Self.cluster()
        var binding = Self.held("x", [0, 1], .cpu)
        binding.status = nil
        cluster.see(binding, node: nil)
        cluster.place(binding.key, uid: "another", on: "n")
        #expect(cluster.nodes["n"]?.exclusive == [])
        cluster.place(binding.key, uid: binding.uid, on: "n")
        #expect(cluster.nodes["n"]?.exclusive == [0, 1])
        cluster.see(binding, node: nil)
        #expect(cluster.nodes["n"]?.exclusive == [0, 1])
    }

    @Test("A binding counts on no node any more once a new pod of the name waits for one")
    func newPod() {
        var cluster = Self.cluster()
        var binding = Self.held("x", [0, 1], .cpu)
        binding.status = nil
        cluster.see(binding, node: nil)
        cluster.place(binding.key, uid: binding.uid, on: "n")
        binding.status = BindingStatus(.pending, reason: .podNotScheduled, message: "")
        cluster.see(binding, node: nil)
        #expect(cluster.nodes["n"]?.exclusive == [])
    }

    @Test("A binding that was refused counts nothing, and counts again once it is edited")
    func refusedBinding() {
        var cluster = Self.cluster()
        var binding = Self.held("x", [0, 9], .cpu)
        binding.status = BindingStatus(.allocationFailed, reason: .cpusAllocated, message: "", observedGeneration: 1)
        cluster.see(binding, node: "n")
        #expect(cluster.nodes["n"]?.exclusive == [])
        binding.generation = 2
        cluster.see(binding, node: "n")
        #expect(cluster.nodes["n"]?.exclusive == [0])
    }
}

@Suite struct WorkloadAwareArgsTests {
    static func args(_ text: String) throws -> WorkloadAwareArgs {
        try WorkloadAwareArgs(JSONValue(Array(text.utf8)))
    }

    @Test("The reference's document is read")
    func document() throws {
        let text = """
            {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "WorkloadAwareArgs", "policy": "Balanced",
             "features": ["PhysicalCores", "MemoryBoundExclusiveSockets", "BestEffortSharedCPUs"]}
            """
        let all = Set(WorkloadAwareArgs.Feature.allCases)
        #expect(try Self.args(text) == WorkloadAwareArgs(policy: .balanced, features: all))
        #expect(try Self.args(#"{"policy": "Promise"}"#).policy == .promise)
    }

    @Test("W6: Without a policy it is MaximumUtilization", arguments: ["{}", #"{"policy": ""}"#, #"{"policy": null}"#])
    func defaultPolicy(text: String) throws {
        #expect(try Self.args(text) == WorkloadAwareArgs(policy: .maximumUtilization))
    }

    @Test(
        "What cannot be used is named",
        arguments: [
            (#"{"policy": "x"}"#, #"policy: Invalid value: "x": invalid policy"#),
            (#"{"features": ["PhysicalCores", "x"]}"#, #"features[1]: Invalid value: "x": invalid feature"#),
            (#"{"polcy": "Balanced"}"#, "polcy: unknown field; there are policy and features"),
            ("[]", "the arguments of WorkloadAware are not an object"),
            (#"{"features": "PhysicalCores"}"#, "features: Invalid value: not a list"),
        ])
    func errors(text: String, message: String) throws {
        let error = #expect(throws: WorkloadAwareArgsError.self) { try Self.args(text) }
        #expect(error?.description == message)
    }
}
