import KubernetesClient
import TestSupport
import Testing

@testable import Bindings
@testable import Cluster

/// What a scheduler sends, as it was seen (Kubernetes specification, 4.9), and what it may send instead.
@Suite struct ExtenderQuestionTests {
    private static let pod = """
        {"metadata": {"name": "p", "namespace": "a", "uid": "u", "labels": {"cslab.ece.ntua.gr/workload-type": "io-bound"}},
         "spec": {"schedulerName": "maestro", "containers": [{"name": "c", "resources": {"requests": {"cpu": "1500m"}}}]}}
        """

    private func args(_ text: String) throws -> ExtenderArgs { try ExtenderArgs(Array(text.utf8)) }

    @Test("a question with the names of nodes is read, escapes and all")
    func names() throws {
        let args = try args(#"{"Pod": \#(Self.pod), "Nodes": null, "NodeNames": ["n1", "n\u002d2", ""]}"#)
        #expect(args.candidates == .names(["n1", "n-2", ""]))
        #expect(args.pod.metadata.uid == "u" && args.pod.schedulerName == "maestro")
        #expect(PodRequest(args.pod).request == 1500 && PodRequest(args.pod).familyLabel == "io-bound")
    }

    @Test("a question with whole nodes is read, whatever else they have")
    func nodes() throws {
        let args = try args(
            """
            {"pod": \(Self.pod), "nodenames": null, "nodes": {"metadata": {"name": "no"}, "items": [
            {"spec": {"metadata": {"name": "no"}, "x": [1, {"name": "no"}]}, "metadata": {"labels": {"name": "no"}, "name": "n1"}},
            {"metadata": {"name": "n2"}, "status": {"images": [{"names": ["a\\"b]"], "sizeBytes": 1.5e3}, null, true]}}]}}
            """)
        #expect(args.candidates == .nodes(["n1", "n2"]))
    }

    @Test(
        "what is no question is an error that says what is wrong",
        arguments: [
            ("", "the body is not JSON"), ("{", "the body is not JSON"), ("[]", "the body is not an object"),
            ("null", "the body is not an object"), (#"{"NodeNames": []}"#, "Pod is missing"),
            (#"{"Pod": {}, "NodeNames": []}"#, "Pod is missing"), (#"{"Pod": 1, "NodeNames": []}"#, "Pod is missing"),
            (#"{"Pod": POD}"#, "neither NodeNames nor Nodes"), (#"{"Pod": POD, "NodeNames": [1]}"#, "NodeNames is"),
            (#"{"Pod": POD, "NodeNames": {"a": "b"}}"#, "NodeNames is"),
            (#"{"Pod": POD, "Nodes": [1]}"#, "Nodes is"), (#"{"Pod": POD, "Nodes": {"items": [{}]}}"#, "Nodes is"),
            (#"{"Pod": POD, "Nodes": {"items": [{"metadata": {"name": 7}}]}}"#, "Nodes is"),
        ])
    func malformed(text: String, message: String) {
        let error = #expect(throws: ExtenderQuestionError.self) {
            try args(text.split(separator: "POD", omittingEmptySubsequences: false).joined(separator: Self.pod))
        }
        #expect(error?.description.contains(message) == true)
    }

    @Test("bytes that are changed at random end in a question or in an error, never in a trap")
    func garbage() {
        let texts = [
            #"{"Pod": \#(Self.pod), "Nodes": null, "NodeNames": ["n1", "n\u002d2"]}"#,
            #"{"Pod": \#(Self.pod), "NodeNames": null, "Nodes": {"items": [{"metadata": {"name": "n1"}}]}}"#,
            #"{"PodName": "p", "PodNamespace": "a", "PodUID": "u", "Node": "n"}"#,
        ]
        var random = SeededRandom(seed: 14)
        for round in 0..<6_000 {
            var bytes = Array(texts[round % texts.count].utf8)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[place] = Array(#"{}[]",:\0tn"#.utf8).randomElement(using: &random) ?? 0
                case 1: bytes.remove(at: place)
                default: bytes.insert(UInt8.random(in: .min ... .max, using: &random), at: place)
                }
            }
            _ = try? ExtenderArgs(bytes)
            _ = try? ExtenderBindingArgs(bytes)
        }
    }

    @Test("a bind is read, and needs all of its members")
    func bind() throws {
        let text = #"{"PodName": "p", "PodNamespace": "a", "PodUID": "u", "Node": "n"}"#
        let args = try ExtenderBindingArgs(Array(text.utf8))
        #expect(args.pod == .init(namespace: "a", name: "p") && args.uid == "u" && args.node == "n")
        for member in ["PodName", "PodNamespace", "PodUID", "Node"] {
            let less = text.split(separator: "\"\(member)\"").joined(separator: "\"X\"")
            let error = #expect(throws: ExtenderQuestionError.self) { try ExtenderBindingArgs(Array(less.utf8)) }
            #expect(error == .malformed(member))
        }
    }

    // MARK: - Answers

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test("a filter answers in the form of the question, with the reasons of the nodes that do not fit")
    func filterAnswer() {
        var filtered = ClusterCPUs.Filtered()
        filtered.fitting = ["n1"]
        filtered.refused = [
            .init(node: "n2", reason: .allReserved(.cores)), .init(node: "n3", reason: .noTopology),
            .init(node: "n4", reason: .request(.cpus, 3000, available: 1000)),
        ]
        let failed = """
            "FailedNodes":{"n2":"all cores are reserved for other pods",\
            "n4":"not enough cpus, request: 3000m, available: 1000m"},\
            "FailedAndUnresolvableNodes":{"n3":"node has no fresh topology"},"Error":""}
            """
        #expect(
            text(ExtenderAnswers.filter(filtered, .names([]))) == #"{"Nodes":null,"NodeNames":["n1"],"# + failed)
        #expect(
            text(ExtenderAnswers.filter(filtered, .nodes([])))
                == #"{"Nodes":{"items":[{"metadata":{"name":"n1"}}]},"NodeNames":null,"# + failed)
    }

    @Test("the other answers are as a scheduler takes them")
    func otherAnswers() {
        #expect(
            text(ExtenderAnswers.priorities(["a", "b"], [0, 10]))
                == #"[{"Host":"a","Score":0},{"Host":"b","Score":10}]"#)
        #expect(text(ExtenderAnswers.bind("")) == #"{"Error":""}"#)
        #expect(
            text(ExtenderAnswers.filterError("x"))
                == #"{"Nodes":null,"NodeNames":null,"FailedNodes":null,"FailedAndUnresolvableNodes":null,"Error":"x"}"#)
    }
}

/// The file of `--config`.
@Suite struct SchedulerConfigurationTests {
    private func args(_ text: String) throws -> WorkloadAwareArgs {
        try SchedulerConfiguration(yaml: Array(text.utf8), schedulerName: "maestro").args
    }

    private static let whole = """
        apiVersion: kubescheduler.config.k8s.io/v1
        kind: KubeSchedulerConfiguration
        leaderElection: {leaderElect: true}
        profiles:
        - schedulerName: default-scheduler
        - schedulerName: maestro
          plugins:
            multiPoint:
              enabled: [{name: WorkloadAware}]
          pluginConfig:
          - name: NodeResourcesFit
            args: {scoringStrategy: {type: MostAllocated}}
          - name: WorkloadAware
            args:
              policy: Balanced
              features: [PhysicalCores, BestEffortSharedCPUs]
        """

    @Test("the arguments are read from a document of their own, and from the scheduler's whole file")
    func documents() throws {
        #expect(
            try args("kind: WorkloadAwareArgs\napiVersion: kubescheduler.config.k8s.io/v1\npolicy: Promise\n").policy
                == .promise)
        #expect(
            try args(Self.whole)
                == WorkloadAwareArgs(policy: .balanced, features: [.physicalCores, .bestEffortSharedCPUs]))
        #expect(try args("{}") == WorkloadAwareArgs())
        #expect(
            try args("kind: KubeSchedulerConfiguration\nprofiles: [{schedulerName: maestro}]") == WorkloadAwareArgs())
    }

    @Test(
        "W6: what cannot be used is said at the start, in the reference's words",
        arguments: [
            ("policy: x", #"policy: Invalid value: "x": invalid policy"#),
            ("features: [y]", #"features[0]: Invalid value: "y": invalid feature"#),
            (
                whole.split(separator: "Balanced").joined(separator: "x"),
                #"profiles[1].pluginConfig[1].args.policy: Invalid value: "x": invalid policy"#
            ),
            (
                "kind: KubeSchedulerConfiguration\nprofiles: [{schedulerName: a}, {schedulerName: b}]",
                "profiles: none has the schedulerName maestro; there are a, b"
            ),
            ("kind: KubeSchedulerConfiguration", "profiles: none has a schedulerName; maestro is needed"),
            ("a: [", "it is not YAML"),
        ])
    func errors(text: String, message: String) {
        let error = #expect(throws: SchedulerConfigurationError.self) { try args(text) }
        #expect(error?.description.hasPrefix(message) == true, "\(String(describing: error))")
    }
}
