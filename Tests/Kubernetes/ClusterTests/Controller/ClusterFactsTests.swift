import Bindings
import Cluster
import KubernetesClient
import Testing

/// What a change brings up, and what it leaves alone.
@Suite struct ClusterFactsTests {
    private typealias Key = Bindings.ObjectKey

    private static func binding(_ name: String, _ cpu: Int, node: String? = nil, version: Int = 1) -> PodCPUBinding {
        var object = PodCPUBinding(name: name, namespace: "a")
        object.podName = "p-\(name)"
        object.cpuSet = [cpu]
        object.exclusivenessLevel = .cpu
        object.metadata.json["uid"] = .string("u-\(name)")
        object.metadata.resourceVersion = "\(version)"
        object.metadata.finalizers = [PodCPUBinding.finalizer]
        if let node {
            object.resourceStatus = .applied
            object.nodeName = node
            object.podUID = "u-p-\(name)"
            object.holds = [.init(cpus: "\(cpu)", exclusivenessLevel: .cpu)]
        }
        return object
    }

    /// Two nodes with bindings that hold what they ask for and wait for what a holder waits for.
    private static func settled(_ count: Int = 3) -> ClusterFacts {
        var facts = ClusterFacts()
        for node in ["n", "m"] {
            _ = facts.set(node: node, isReady: true)
            let topology = NodeTopology(
                sockets: [.init(id: 0, cores: (0..<8).map { .init(id: $0, cpus: [$0]) })], numaNodes: [])
            _ = facts.set(topologyOf: node, NodeFacts(name: node, topology: topology))
            for index in 0..<count {
                let name = "\(node)\(index)"
                _ = facts.set(pod: Key("a", "p-\(name)"), PodFacts(uid: "u-p-\(name)", node: node))
                _ = facts.set(Key("a", name), binding(name, index, node: node))
            }
        }
        for key in facts.keys { facts.decided(key, waits: [.pod, .topology, .bindings, .claim]) }
        return facts
    }

    @Test("W47: a decision looks at the bindings of its node and of its pod, and at no others")
    func snapshot() throws {
        var facts = Self.settled()
        let asked = facts.question(about: Key("a", "n0"))
        let question = try #require(asked)
        #expect(Set(question.snapshot.others.map(\.binding.key.name)) == ["n1", "n2"])
        #expect(question.snapshot.node?.name == "n" && question.snapshot.nodeExists)
        _ = facts.set(Key("a", "x"), Self.binding("x", 5))
        #expect(facts.question(about: Key("a", "x"))?.snapshot.others == [])
        #expect(facts.question(about: Key("a", "gone")) == nil)
    }

    @Test("a change on one node brings up nothing of another")
    func otherNodes() {
        var facts = Self.settled()
        #expect(facts.set(node: "n", isReady: false).map(\.name).sorted() == ["n0", "n1", "n2"])
        #expect(facts.set(node: "n", isReady: false).isEmpty && facts.set(node: "elsewhere", isReady: true).isEmpty)
        #expect(facts.set(topologyOf: "m", nil).map(\.name).sorted() == ["m0", "m1", "m2"])
        #expect(
            facts.set(pod: Key("a", "p-n1"), PodFacts(uid: "u-p-n1", node: "n", isFinished: true)).map(\.name) == ["n1"]
        )
        #expect(facts.set(pod: Key("a", "other"), PodFacts(uid: "u", node: "n")).isEmpty)
    }

    @Test("only what a decision waits for brings it up again")
    func waits() {
        var facts = Self.settled(1)
        facts.decided(Key("a", "n0"), waits: [.pod])
        #expect(facts.set(node: "n", isReady: nil).isEmpty && facts.set(topologyOf: "n", nil).isEmpty)
        #expect(facts.set(pod: Key("a", "p-n0"), nil).map(\.name) == ["n0"])
        // While a decision is made, everything does.
        facts.decided(Key("a", "m0"), waits: [])
        _ = facts.question(about: Key("a", "m0"))
        #expect(facts.set(node: "m", isReady: false).map(\.name) == ["m0"])
    }

    @Test("those who hold their CPUs are not brought up by others that do not touch these; those who wait are")
    func rivals() {
        var facts = Self.settled(2)
        // It asks for what n1 holds.
        _ = facts.set(pod: Key("a", "p-w"), PodFacts(uid: "u-p-w", node: "n"))
        #expect(facts.set(Key("a", "w"), Self.binding("w", 1)).map(\.name) == ["w"])
        facts.decided(Key("a", "w"), waits: [.pod, .topology, .bindings, .claim])
        // What says the same again, in another version, matters to nobody else.
        #expect(facts.set(Key("a", "n1"), Self.binding("n1", 1, node: "n", version: 2)).map(\.name) == ["n1"])
        #expect(facts.set(Key("a", "n1"), nil).map(\.name) == ["w"])
        #expect(facts.keys.map(\.name).sorted() == ["m0", "m1", "n0", "w"])
    }

    @Test("bindings of one pod bring each other up")
    func samePod() {
        var facts = Self.settled(1)
        var second = Self.binding("second", 4)
        second.podName = "p-n0"
        _ = facts.set(Key("a", "second"), second)
        facts.decided(Key("a", "second"), waits: [.pod, .bindings])
        #expect(facts.set(Key("a", "n0"), nil).map(\.name) == ["second"])
    }

    @Test("an earlier state of a binding that a watch tells late changes nothing; what is gone does not come back")
    func lateNews() {
        var facts = Self.settled(1)
        #expect(!facts.changed(Self.binding("n0", 3, node: "n", version: 9)).isEmpty)
        #expect(facts.set(Key("a", "n0"), Self.binding("n0", 0, node: "n", version: 5)).isEmpty)
        #expect(facts.question(about: Key("a", "n0"))?.snapshot.binding?.cpuSet == [3])
        _ = facts.set(Key("a", "n0"), nil)
        #expect(facts.changed(Self.binding("n0", 3, node: "n", version: 10)).isEmpty)
        #expect(facts.question(about: Key("a", "n0")) == nil)
    }
}
