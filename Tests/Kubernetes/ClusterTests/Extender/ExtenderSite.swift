import Bindings
import ClusterStandIn
import KubernetesClient
import TestSupport
import Testing
import WireJSON

@testable import Cluster

/// A stand-in for an API server with nodes, and extenders that work with it.
struct ExtenderSite {
    let server: StandInServer

    static func serving(
        nodes: [String: Int] = ["n": 8], _ body: (ExtenderSite) async throws -> Void
    ) async throws {
        let server = try StandInServer(cluster: StandInCluster(now: StandInTime.now()))
        for definition in BerthDefinitions.all { server.apply(definition: definition) }
        try await server.start()
        let site = ExtenderSite(server: server)
        site.send("POST", "/api/v1/namespaces", ["metadata": ["name": "a"]])
        for (node, cpus) in nodes { site.makeNode(node, cpus: cpus) }
        do { try await body(site) } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    func client(seconds: Int = 5) throws -> ClusterClient {
        let text = StandInKubeconfig(server: server.url, credentials: .token("admin")).text
        var limits = ClusterClient.Limits()
        limits.time = .seconds(seconds)
        return ClusterClient(try Kubeconfig(Array(text.utf8), file: "/kubeconfig").configuration(), limits: limits)
    }

    // MARK: - Objects

    static let bindings = "/apis/cslab.ece.ntua.gr/v1alpha1/namespaces/a/podcpubindings"
    static let pods = "/api/v1/namespaces/a/pods"

    @discardableResult
    func send(_ method: String, _ path: String, _ body: JSONValue? = nil, patches: Bool = false) -> JSONValue {
        let answer = server.send(
            StandInRequest(
                method, path, body: body?.bytes ?? [],
                contentType: patches ? "application/merge-patch+json" : "application/json"))
        return (try? JSONValue(answer.body)) ?? .null
    }

    /// A node of one socket of cores of two CPUs, siblings one after the other.
    func makeNode(_ name: String, cpus: Int) {
        let cores = (0..<cpus / 2).map { core in
            JSONValue.Member(name: "\(core)", value: ["cpus": [JSONValue(2 * core), JSONValue(2 * core + 1)]])
        }
        let all = JSONValue.array((0..<cpus).map { JSONValue($0) })
        let topology: JSONValue = [
            "sockets": ["0": ["cores": .object(cores), "cpus": all]], "numaNodes": ["0": ["cpus": all]], "cpus": all,
        ]
        let path = "/apis/cslab.ece.ntua.gr/v1alpha1/nodecputopologies"
        send(
            "POST", path,
            [
                "apiVersion": "cslab.ece.ntua.gr/v1alpha1", "kind": "NodeCPUTopology",
                "metadata": ["name": .string("\(name)-cputopology")],
                "spec": ["nodeName": .string(name), "topology": topology],
            ])
        send(
            "PATCH", "\(path)/\(name)-cputopology/status", ["status": ["resourceStatus": "Fresh"]], patches: true)
    }

    /// Makes a pod that waits for a scheduler.
    ///
    /// - Returns: the pod, as a scheduler sends it.
    @discardableResult
    func makePod(
        _ name: String, cpus: String = "2", family: String? = nil, scheduler: String = "maestro"
    ) -> JSONValue {
        send(
            "POST", Self.pods,
            [
                "apiVersion": "v1", "kind": "Pod",
                "metadata": [
                    "name": .string(name),
                    "labels": family.map { [WorkloadFamily.label: .string($0)] } ?? .object([]),
                ],
                "spec": [
                    "schedulerName": .string(scheduler),
                    "containers": [
                        ["name": "c", "image": "x", "resources": ["requests": ["cpu": .string(cpus)]]]
                    ],
                ],
            ])
    }

    func pod(_ name: String) -> Pod? {
        let json = send("GET", "\(Self.pods)/\(name)")
        return json["kind"]?.string == "Pod" ? Pod(json: json) : nil
    }

    func deletePod(_ name: String) {
        send("DELETE", "\(Self.pods)/\(name)", ["gracePeriodSeconds": 0])
    }

    var allBindings: [PodCPUBinding] {
        (send("GET", Self.bindings)["items"]?.array ?? []).map { PodCPUBinding(json: $0) }
    }

    func binding(_ name: String) -> PodCPUBinding? { allBindings.first { $0.metadata.name == name } }

    // MARK: - What was asked

    /// The changes that came over the network, `METHOD resource`, in order.
    var changes: [String] {
        server.served.filter { $0.method != "GET" && $0.status != 0 && $0.status < 300 }.map { served in
            "\(served.method) \(served.target.split(separator: "?")[0].split(separator: "/").last ?? "")"
        }
    }
}

/// An extender that runs until the test has no more use of it.
final class RunningExtender: Sendable {
    let extender: Extender
    private let paths: ExtenderPaths
    private let running: Task<Void, Never>

    init(
        _ site: ExtenderSite, _ args: WorkloadAwareArgs = WorkloadAwareArgs(), grace: Duration = .seconds(60),
        limit: Int = 5
    ) async throws {
        var settings = Extender.Settings()
        settings.args = args
        settings.grace = grace
        settings.patience = .seconds(1)
        let extender = Extender(try site.client(), changing: try site.client(seconds: limit), settings)
        self.extender = extender
        paths = ExtenderPaths(extender, prefix: "/berth")
        running = Task { await extender.run() }
        #expect(try await eventually { extender.isReady })
    }

    func stop() async {
        running.cancel()
        await running.value
    }

    /// Asks as a scheduler does.
    func ask(_ verb: String, _ question: JSONValue) async throws -> JSONValue {
        let answer = await paths.respond(
            to: ServedRequest(method: "POST", path: "/berth/\(verb)", body: question.bytes))
        #expect(answer.status == 200, "\(String(decoding: answer.body, as: UTF8.self))")
        return try JSONValue(answer.body)
    }

    func filter(_ pod: JSONValue, _ nodes: [String] = ["n"]) async throws -> JSONValue {
        try await ask("filter", ["Pod": pod, "Nodes": .null, "NodeNames": .array(nodes.map { .string($0) })])
    }

    /// Binds, after a filter or without.
    ///
    /// - Returns: the error; empty where the pod is bound.
    func bind(_ pod: JSONValue, to node: String = "n") async throws -> String {
        let pod = Pod(json: pod)
        let answer = try await ask(
            "bind",
            [
                "PodName": .string(pod.metadata.name), "PodNamespace": .string(pod.metadata.namespace ?? ""),
                "PodUID": .string(pod.metadata.uid), "Node": .string(node),
            ])
        return try #require(answer["Error"]?.string)
    }
}
