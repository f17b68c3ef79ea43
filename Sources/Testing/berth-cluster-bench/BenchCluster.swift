import ClusterStandIn
import KubernetesClient

/// A cluster of equal nodes with bindings.
struct BenchCluster {
    let server: StandInServer
    /// The names of the nodes.
    let names: [String]

    private static let group = "/apis/cslab.ece.ntua.gr/v1alpha1"
    private static let cores = 32

    init(nodes: Int, bindings: Int) async throws {
        server = try StandInServer(cluster: StandInCluster(now: StandInTime.now()))
        names = (0..<nodes).map { "worker-\($0).example.internal" }
        for definition in BerthDefinitions.all { server.apply(definition: definition) }
        send("POST", "/api/v1/namespaces", ["metadata": ["name": "bench"]])
        let topology = Self.topology
        for name in names {
            let object: JSONValue = [
                "apiVersion": "cslab.ece.ntua.gr/v1alpha1", "kind": "NodeCPUTopology",
                "metadata": ["name": .string("\(name)-cputopology")],
                "spec": ["nodeName": .string(name), "topology": topology],
            ]
            send("POST", "\(Self.group)/nodecputopologies", object)
            send(
                "PATCH", "\(Self.group)/nodecputopologies/\(name)-cputopology/status",
                ["status": ["resourceStatus": "Fresh"]])
        }
        for number in 0..<bindings {
            var binding = PodCPUBinding(name: "b\(number)-pcb", namespace: "bench")
            let core = number / max(nodes, 1) * 3 % (2 * Self.cores - 1)
            binding.podName = "b\(number)"
            binding.cpuSet = [core, core + 1]
            binding.exclusivenessLevel = .core
            binding.metadata.annotations["cslab.ece.ntua.gr/node"] = names[number % max(nodes, 1)]
            send("POST", "\(Self.group)/namespaces/bench/podcpubindings", binding.json)
            send(
                "PATCH", "\(Self.group)/namespaces/bench/podcpubindings/b\(number)-pcb/status",
                ["status": ["resourceStatus": "Applied", "nodeName": .string(names[number % max(nodes, 1)])]])
        }
        try await server.start()
    }

    func client() throws -> ClusterClient {
        let text = StandInKubeconfig(server: server.url, credentials: .token("admin")).text
        return ClusterClient(try Kubeconfig(Array(text.utf8), file: "/kubeconfig").configuration())
    }

    @discardableResult
    private func send(_ method: String, _ path: String, _ body: JSONValue) -> JSONValue {
        let answer = server.send(
            StandInRequest(
                method, path, body: body.bytes,
                contentType: method == "PATCH" ? "application/merge-patch+json" : "application/json"))
        return (try? JSONValue(answer.body)) ?? .null
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
