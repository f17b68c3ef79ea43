import ClusterStandIn
import KubernetesClient

/// A cluster of equal nodes with bindings of running pods, which are applied.
struct BenchCluster {
    let server: StandInServer
    /// The names of the nodes.
    let names: [String]
    /// What a client of the stand-in reads.
    var kubeconfig: String { StandInKubeconfig(server: server.url, credentials: .token("admin")).text }

    private static let group = "/apis/cslab.ece.ntua.gr/v1alpha1"
    private static let cores = 32

    init(nodes: Int, bindings: Int) async throws {
        server = try StandInServer(cluster: StandInCluster(now: StandInTime.now()))
        names = (0..<nodes).map { "worker-\($0).example.internal" }
        for definition in BerthDefinitions.all { server.apply(definition: definition) }
        send("POST", "/api/v1/namespaces", ["metadata": ["name": "bench"]])
        for name in names { makeNode(name) }
        for number in 0..<bindings { makeBinding(number) }
        try await server.start()
    }

    /// Makes a node, and its topology, which is published unless `isPublished` is false.
    func makeNode(_ name: String, isPublished: Bool = true) {
        let node = send("POST", "/api/v1/nodes", ["metadata": ["name": .string(name)]])
        send(
            "PATCH", "/api/v1/nodes/\(name)/status",
            ["status": ["conditions": [["type": "Ready", "status": "True"]]]])
        let owner: JSONValue = [
            "apiVersion": "v1", "kind": "Node", "name": .string(name), "uid": Self.uid(of: node),
        ]
        let object: JSONValue = [
            "apiVersion": "cslab.ece.ntua.gr/v1alpha1", "kind": "NodeCPUTopology",
            "metadata": ["name": .string("\(name)-cputopology"), "ownerReferences": [owner]],
            "spec": isPublished
                ? ["nodeName": .string(name), "topology": Self.topology] : ["nodeName": .string(name)],
        ]
        send("POST", "\(Self.group)/nodecputopologies", object)
        guard isPublished else { return }
        send(
            "PATCH", "\(Self.group)/nodecputopologies/\(name)-cputopology/status",
            ["status": ["resourceStatus": "Fresh", "internalIP": "192.0.2.1"]])
    }

    /// Whether a node has published its CPUs.
    func isPublished(_ name: String) -> Bool { topology(ofNode: name)["status"]?["resourceStatus"] == "Fresh" }

    /// The version of a node's topology, which every write changes.
    func version(ofNode name: String) -> JSONValue? { topology(ofNode: name)["metadata"]?["resourceVersion"] }

    private func topology(ofNode name: String) -> JSONValue {
        get("\(Self.group)/nodecputopologies/\(name)-cputopology")
    }

    func client() throws -> ClusterClient {
        ClusterClient(try Kubeconfig(Array(kubeconfig.utf8), file: "/kubeconfig").configuration())
    }

    /// A pod with one container.
    struct RunningPod {
        let name: String
        let uid: String
        /// The id of its container.
        let container: String
    }

    /// Makes a pod that runs on a node. Its number is no other's.
    func makeRunningPod(_ name: String, on node: String, _ number: Int) -> RunningPod {
        let pods = "/api/v1/namespaces/bench/pods"
        let spec: JSONValue = ["nodeName": .string(node), "containers": [["name": "main", "image": "bench"]]]
        let made = send("POST", pods, ["metadata": ["name": .string(name)], "spec": spec])
        let digits = String(number)
        let container = "containerd://" + String(repeating: "0", count: 64 - digits.count) + digits
        let state: JSONValue = [
            "name": "main", "containerID": .string(container), "ready": true, "image": "bench", "imageID": "bench",
            "restartCount": 0, "state": ["running": ["startedAt": "2026-01-01T00:00:00Z"]],
        ]
        send("PATCH", "\(pods)/\(name)/status", ["status": ["phase": "Running", "containerStatuses": [state]]])
        return RunningPod(name: name, uid: made["metadata"]?["uid"]?.string ?? "", container: container)
    }

    /// Makes a pod that runs on a node, and its binding, which is applied.
    private func makeBinding(_ number: Int) {
        let (name, node) = ("b\(number)", names[number % max(names.count, 1)])
        let pod = makeRunningPod(name, on: node, number)
        let (uid, container) = (JSONValue.string(pod.uid), pod.container)

        let bindings = "\(Self.group)/namespaces/bench/podcpubindings"
        var binding = PodCPUBinding(name: "\(name)-pcb", namespace: "bench")
        let core = number / max(names.count, 1) * 3 % (2 * Self.cores - 1)
        binding.podName = name
        binding.cpuSet = [core, core + 1]
        binding.exclusivenessLevel = .core
        var object = binding.json
        object["metadata"]?["finalizers"] = ["cslab.ece.ntua.gr/pod-cpu-binding-finalizer"]
        object["metadata"]?["ownerReferences"] = [
            ["apiVersion": "v1", "kind": "Pod", "name": .string(name), "uid": uid]
        ]
        send("POST", bindings, object)
        let cpus = "\(core)-\(core + 1)"
        let nodes = core + 1 < Self.cores ? [0] : core < Self.cores ? [0, 1] : [1]
        let claim: JSONValue = [
            "podUID": uid, "cpus": .string(cpus), "exclusivenessLevel": "Core",
            "exclusive": .string("\(cpus),\(core + 2 * Self.cores)-\(core + 1 + 2 * Self.cores)"),
            "memoryNodes": .array(nodes.map { JSONValue($0) }),
        ]
        let condition: JSONValue = [
            "type": "Applied", "status": "True", "reason": "Applied", "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
            "message": .string(
                "Applied CPUSet [\(core) \(core + 1)] MemSet [\(nodes.map(String.init).joined(separator: " "))]"),
        ]
        let status: JSONValue = [
            "resourceStatus": "Applied", "nodeName": .string(node), "observedGeneration": 1, "podUID": uid,
            "holds": [["cpus": .string(cpus), "exclusivenessLevel": "Core"]], "containers": [.string(container)],
            "claim": claim, "conditions": [condition],
            "node": ["state": "Enforced", "claim": claim, "containers": [.string(container)], "message": ""],
        ]
        send("PATCH", "\(bindings)/\(name)-pcb/status", ["status": status])
    }

    /// Makes a pod of a node, and a binding of it.
    ///
    /// - Returns: the path of the binding.
    func makeBinding(named name: String, on node: String, cpu: Int) -> String {
        let spec: JSONValue = ["nodeName": .string(node), "containers": [["name": "main", "image": "bench"]]]
        send("POST", "/api/v1/namespaces/bench/pods", ["metadata": ["name": .string(name)], "spec": spec])
        return makeBinding(of: name, cpu: cpu)
    }

    /// Makes a binding of a pod, of the same name.
    ///
    /// - Returns: its path.
    func makeBinding(of pod: String, cpu: Int) -> String {
        var binding = PodCPUBinding(name: pod, namespace: "bench")
        binding.podName = pod
        binding.cpuSet = [cpu]
        binding.exclusivenessLevel = .cpu
        send("POST", "\(Self.group)/namespaces/bench/podcpubindings", binding.json)
        return "\(Self.group)/namespaces/bench/podcpubindings/\(pod)"
    }

    /// An object of a path.
    func get(_ path: String) -> JSONValue {
        (try? JSONValue(server.send(StandInRequest("GET", path)).body)) ?? .null
    }

    private static func uid(of object: JSONValue) -> JSONValue { object["metadata"]?["uid"] ?? .null }

    @discardableResult
    private func send(_ method: String, _ path: String, _ body: JSONValue) -> JSONValue {
        let answer = server.send(
            StandInRequest(
                method, path, body: body.bytes,
                contentType: method == "PATCH" ? "application/merge-patch+json" : "application/json"))
        return (try? JSONValue(answer.body)) ?? .null
    }

    /// Makes a pod that another scheduler has put on a node.
    func makeOtherPod(_ number: Int) {
        let spec: JSONValue = [
            "schedulerName": "default-scheduler", "nodeName": .string(names[number % names.count]),
            "containers": [["name": "main", "image": "bench"]],
        ]
        send("POST", "/api/v1/namespaces/bench/pods", ["metadata": ["name": .string("other-\(number)")], "spec": spec])
    }

    /// Makes a pod that waits for a scheduler.
    func makePod(_ name: String) -> JSONValue {
        send("POST", "/api/v1/namespaces/bench/pods", Self.pod(name, cpus: "2"))
    }

    static func pod(_ name: String, cpus: String) -> JSONValue {
        [
            "apiVersion": "v1", "kind": "Pod",
            "metadata": [
                "name": .string(name), "namespace": "bench", "uid": .string("uid-of-\(name)"),
                "labels": ["cslab.ece.ntua.gr/workload-type": "cpu-bound", "app": "bench"],
            ],
            "spec": [
                "schedulerName": "maestro",
                "containers": [
                    [
                        "name": "main", "image": "registry.example/bench:1",
                        "resources": ["requests": ["cpu": .string(cpus)]],
                    ]
                ],
            ],
        ]
    }

    static func question(pod: JSONValue, _ names: [String]) -> [UInt8] {
        let question: JSONValue = ["Pod": pod, "Nodes": .null, "NodeNames": .array(names.map { .string($0) })]
        return question.bytes
    }

    /// Two sockets of cores of two CPUs.
    private static var topology: JSONValue {
        func list(_ cpus: some Sequence<Int>) -> JSONValue { .array(cpus.map { JSONValue($0) }) }
        func siblings(_ core: Int) -> [Int] { [core, core + 2 * cores] }
        let sockets = (0..<2).map { socket in
            let own = (socket * cores)..<((socket + 1) * cores)
            return JSONValue.Member(
                name: "\(socket)",
                value: [
                    "cores": .object(own.map { .init(name: "\($0)", value: ["cpus": list(siblings($0))]) }),
                    "cpus": list(own.flatMap(siblings)),
                ])
        }
        let nodes = (0..<2).map { node in
            JSONValue.Member(
                name: "\(node)",
                value: ["cpus": list(((node * cores)..<((node + 1) * cores)).flatMap(siblings))])
        }
        return ["sockets": .object(sockets), "numaNodes": .object(nodes), "cpus": list(0..<4 * cores)]
    }
}
