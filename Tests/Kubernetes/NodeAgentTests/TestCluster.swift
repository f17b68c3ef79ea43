import ClusterStandIn
import KubernetesClient
import Logging
import NodeAgent
import TestSupport
import Testing

/// A cluster with the node `n1`, its agent, and a fake daemon.
final class TestCluster: Sendable {
    static let node = "n1"
    static let uid = "11111111-2222-3333-4444-55555555555"
    let server: StandInServer
    let host = FakeHost()

    private init() throws {
        server = try StandInServer(cluster: StandInCluster(now: StandInTime.now()))
        for definition in BerthDefinitions.all { server.apply(definition: definition) }
        post("/api/v1/nodes", #"{"metadata": {"name": "n1"}}"#)
        patch(
            "/api/v1/nodes/n1/status",
            #"{"status": {"addresses": [{"type": "Hostname", "address": "n1"}, {"type": "InternalIP", "address": "10.0.0.1"}]}}"#
        )
    }

    /// Runs a test with a cluster that listens.
    static func serving(_ body: (TestCluster) async throws -> Void) async throws {
        let cluster = try TestCluster()
        try await cluster.server.start()
        do { try await body(cluster) } catch {
            await cluster.server.stop()
            throw error
        }
        await cluster.server.stop()
    }

    /// The kubeconfig of a client.
    var kubeconfig: String { StandInKubeconfig(server: server.url, credentials: .token("admin")).text }

    /// Runs an agent while `body` runs.
    func withAgent(_ other: (any NodeHost)? = nil, _ body: (NodeAgent) async throws -> Void) async throws {
        let client = ClusterClient(try Kubeconfig(Array(kubeconfig.utf8), file: "/kubeconfig").configuration())
        let agent = NodeAgent(
            node: Self.node, client: client, host: other ?? host,
            log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let running = Task { await agent.run() }
        do { try await body(agent) } catch {
            running.cancel()
            await running.value
            await client.close()
            throw error
        }
        running.cancel()
        await running.value
        await client.close()
    }

    // MARK: - Objects

    @discardableResult
    func post(_ path: String, _ body: String) -> Int {
        server.send(StandInRequest("POST", path, body: Array(body.utf8))).status
    }

    @discardableResult
    func patch(_ path: String, _ body: String) -> Int {
        server.send(
            StandInRequest("PATCH", path, body: Array(body.utf8), contentType: "application/merge-patch+json")
        ).status
    }

    func delete(_ path: String) { _ = server.send(StandInRequest("DELETE", path)) }

    /// A pod with containers of these ids, by number; its uid is the server's.
    func pod(_ name: String, _ containers: [Int], node: String = TestCluster.node) {
        #expect(
            post(
                "/api/v1/namespaces/default/pods",
                #"{"metadata": {"name": "\#(name)"}, "spec": {"nodeName": "\#(node)", "containers": [{"name": "main", "image": "x"}]}}"#
            ) == 201)
        run(name, containers)
    }

    /// Lets containers of these ids run in the pod.
    func run(_ name: String, _ containers: [Int]) {
        let statuses = containers.map { id in
            #"{"name": "main", "containerID": "\#(Self.id(id))", "ready": false, "restartCount": 0, "image": "x", "imageID": "x", "state": {"running": {}}}"#
        }
        #expect(
            patch(
                "/api/v1/namespaces/default/pods/\(name)/status",
                #"{"status": {"phase": "Running", "containerStatuses": [\#(statuses.joined(separator: ","))]}}"#)
                == 200)
    }

    /// The id of a container.
    static func id(_ number: Int) -> String {
        let text = String(number, radix: 16)
        return "containerd://" + String(repeating: "0", count: 64 - text.utf8.count) + text
    }

    func uid(_ pod: String) throws -> String {
        let answer = server.send(StandInRequest("GET", "/api/v1/namespaces/default/pods/\(pod)"))
        return try #require(answer.json?["metadata"]?["uid"]?.string)
    }

    private static let bindings = "/apis/cslab.ece.ntua.gr/v1alpha1/namespaces/default/podcpubindings"

    /// A binding of the pod's name whose CPUs the controller has given; nil takes them back.
    func claim(_ pod: String, _ cpus: String?, level: String = "CPU", node: String = TestCluster.node) throws {
        post(
            Self.bindings,
            #"{"apiVersion": "cslab.ece.ntua.gr/v1alpha1", "kind": "PodCPUBinding", "metadata": {"name": "\#(pod)"}, "spec": {"podName": "\#(pod)", "cpuSet": [], "exclusivenessLevel": "\#(level)"}}"#
        )
        var claim = "null"
        if let cpus {
            claim =
                #"{"podUID": "\#(try uid(pod))", "cpus": "\#(cpus)", "exclusivenessLevel": "\#(level)", "exclusive": "\#(cpus)", "memoryNodes": [0]}"#
        }
        #expect(
            patch(
                "\(Self.bindings)/\(pod)/status",
                #"{"status": {"resourceStatus": "Validated", "nodeName": "\#(node)", "claim": \#(claim)}}"#) == 200)
    }

    func deleteBinding(_ name: String) { delete("\(Self.bindings)/\(name)") }

    func binding(_ name: String) -> PodCPUBinding? {
        server.send(StandInRequest("GET", "\(Self.bindings)/\(name)")).json.map { PodCPUBinding(json: $0) }
    }

    /// What the controller says of a claim that the node has refused.
    func fail(_ pod: String) {
        patch("\(Self.bindings)/\(pod)/status", #"{"status": {"resourceStatus": "Failed", "nodeName": ""}}"#)
    }

    func report(_ name: String) -> PodCPUBinding.NodeReport? { binding(name)?.nodeReport }

    /// What the controller makes for a node.
    func topology(ofNode node: String = TestCluster.node) {
        let path = "/apis/cslab.ece.ntua.gr/v1alpha1/nodecputopologies"
        post(
            path,
            #"{"apiVersion": "cslab.ece.ntua.gr/v1alpha1", "kind": "NodeCPUTopology", "metadata": {"name": "\#(node)-cputopology"}, "spec": {"nodeName": "\#(node)"}}"#
        )
        patch("\(path)/\(node)-cputopology/status", #"{"status": {"resourceStatus": "NeedsSync"}}"#)
    }

    var published: NodeCPUTopology? {
        server.send(
            StandInRequest("GET", "/apis/cslab.ece.ntua.gr/v1alpha1/nodecputopologies/n1-cputopology")
        ).json.map { NodeCPUTopology(json: $0) }
    }

    /// The targets of changes that came over the network, but for those of this binding.
    func writes(except binding: String) -> [String] {
        server.served.filter { $0.method != "GET" && !$0.target.contains("/\(binding)/") }.map(\.target)
    }
}

extension StandInAnswer {
    /// The object that was asked for; nil where there is none.
    var json: JSONValue? { status == 200 ? try? JSONValue(body) : nil }
}
