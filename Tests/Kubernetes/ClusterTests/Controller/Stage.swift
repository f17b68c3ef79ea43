import ClusterStandIn
import KubernetesClient
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Cluster

/// A cluster for tests: a stand-in for its API server, and what a user and kubelets do to it without a network, so that faults
/// hit the programs under test alone.
struct Stage {
    let server: StandInServer

    /// Runs a test. A user's token is the user's name; all may do everything.
    static func running(_ body: (Stage) async throws -> Void) async throws {
        var settings = StandInSettings()
        for user in ["one", "two", "node"] { settings.tokens[user] = StandInUser(user, groups: ["system:masters"]) }
        let server = try StandInServer(cluster: StandInCluster(now: StandInTime.now()), settings: settings)
        for definition in BerthDefinitions.all { server.apply(definition: definition) }
        try await server.start()
        do { try await body(Stage(server: server)) } catch {
            await server.stop()
            throw error
        }
        await server.stop()
    }

    func client(_ user: String) throws -> ClusterClient {
        let text = StandInKubeconfig(server: server.url, credentials: .token(user)).text
        var limits = ClusterClient.Limits()
        limits.time = .seconds(5)
        return ClusterClient(try Kubeconfig(Array(text.utf8), file: "/kubeconfig").configuration(), limits: limits)
    }

    // MARK: - What a user does

    @discardableResult
    func send(_ method: String, _ path: String, _ body: JSONValue? = nil) -> JSONValue {
        let request = StandInRequest(
            method, path, body: body?.bytes ?? [],
            contentType: method == "PATCH" ? "application/merge-patch+json" : "application/json")
        let answer = server.send(request)
        return (try? JSONValue(answer.body)) ?? .null
    }

    private static let group = "/apis/cslab.ece.ntua.gr/v1alpha1"
    private static let bindings = "\(group)/namespaces/default/podcpubindings"
    private static let topologies = "\(group)/nodecputopologies"
    private static let pods = "/api/v1/namespaces/default/pods"

    func create(binding name: String, pod: String, _ cpus: [Int], _ level: String = "CPU", owner: String? = nil) {
        var metadata: JSONValue = ["name": .string(name)]
        if let owner {
            metadata["ownerReferences"] = [
                ["apiVersion": "v1", "kind": "Pod", "name": .string(pod), "uid": .string(owner)]
            ]
        }
        send(
            "POST", Self.bindings,
            [
                "apiVersion": "cslab.ece.ntua.gr/v1alpha1", "kind": "PodCPUBinding", "metadata": metadata,
                "spec": ["podName": .string(pod), "cpuSet": Self.list(cpus), "exclusivenessLevel": .string(level)],
            ])
    }

    func edit(binding name: String, _ cpus: [Int], _ level: String = "CPU") {
        send(
            "PATCH", "\(Self.bindings)/\(name)",
            ["spec": ["cpuSet": Self.list(cpus), "exclusivenessLevel": .string(level)]])
    }

    func patch(binding name: String, _ patch: JSONValue, status: Bool = false) {
        send("PATCH", "\(Self.bindings)/\(name)\(status ? "/status" : "")", patch)
    }

    func delete(binding name: String) { send("DELETE", "\(Self.bindings)/\(name)") }

    func binding(_ name: String) -> PodCPUBinding? {
        let json = send("GET", "\(Self.bindings)/\(name)")
        return json["kind"] == "PodCPUBinding" ? PodCPUBinding(json: json) : nil
    }

    var allBindings: [PodCPUBinding] {
        send("GET", Self.bindings)["items"]?.array?.map { PodCPUBinding(json: $0) } ?? []
    }

    private static func list(_ cpus: [Int]) -> JSONValue { .array(cpus.map { ["cpuID": JSONValue($0)] }) }

    // MARK: - Nodes and topologies

    func create(node name: String, isReady: Bool = true, isControlPlane: Bool = false) {
        let labels: JSONValue = isControlPlane ? ["node-role.kubernetes.io/control-plane": "yes"] : .object([])
        send("POST", "/api/v1/nodes", ["metadata": ["name": .string(name), "labels": labels]])
        set(node: name, isReady: isReady)
    }

    func set(node name: String, isReady: Bool) {
        send(
            "PATCH", "/api/v1/nodes/\(name)/status",
            ["status": ["conditions": [["type": "Ready", "status": isReady ? "True" : "Unknown"]]]])
    }

    func delete(node name: String) { send("DELETE", "/api/v1/nodes/\(name)") }

    func create(topology name: String, of node: String) {
        send(
            "POST", Self.topologies,
            [
                "apiVersion": "cslab.ece.ntua.gr/v1alpha1", "kind": "NodeCPUTopology",
                "metadata": ["name": .string(name)], "spec": ["nodeName": .string(node)],
            ])
    }

    func delete(topology name: String) { send("DELETE", "\(Self.topologies)/\(name)") }

    func topology(_ name: String) -> NodeCPUTopology? {
        let json = send("GET", "\(Self.topologies)/\(name)")
        return json["kind"] == "NodeCPUTopology" ? NodeCPUTopology(json: json) : nil
    }

    /// Fills a topology as the node does: sockets of cores of CPUs, the first of which is also NUMA node 0.
    func fill(topology name: String, _ sockets: [[[Int]]], allocated: [Int] = [], reserved: [Int] = []) {
        var object = NodeCPUTopology(name: name)
        var core = 0
        object.topology = .init(
            sockets: sockets.enumerated().map { id, cores in
                .init(
                    id: id,
                    cores: cores.map { cpus in
                        defer { core += 1 }
                        return .init(id: core, cpus: cpus)
                    }, cpus: cores.flatMap { $0 })
            }, numaNodes: sockets.enumerated().map { .init(id: $0.offset, cpus: $0.element.flatMap { $0 }) },
            cpus: sockets.flatMap { $0.flatMap { $0 } })
        send("PATCH", "\(Self.topologies)/\(name)", ["spec": ["topology": object.json["spec"]?["topology"] ?? .null]])
        send(
            "PATCH", "\(Self.topologies)/\(name)/status",
            [
                "status": [
                    "resourceStatus": "Fresh", "internalIP": "10.0.0.1",
                    "allocatedCPUs": .array(allocated.map { JSONValue($0) }),
                    "reservedCPUs": .array(reserved.map { JSONValue($0) }),
                ]
            ])
    }

    /// Two sockets with two cores of two CPUs each: 0 and 4 are siblings, and so on.
    static let t1 = [[[0, 4], [1, 5]], [[2, 6], [3, 7]]]

    /// A node with a fresh topology.
    func createFilled(node name: String, _ sockets: [[[Int]]] = Stage.t1, allocated: [Int] = [], reserved: [Int] = []) {
        create(node: name)
        create(topology: "\(name)-cputopology", of: name)
        fill(topology: "\(name)-cputopology", sockets, allocated: allocated, reserved: reserved)
    }

    // MARK: - Pods

    /// Creates a pod with one container; on a node, its container runs.
    @discardableResult
    func create(pod name: String, on node: String? = "n", runs: Bool = true) -> String {
        var spec: JSONValue = ["containers": [["name": "c", "image": "i"]]]
        if let node { spec["nodeName"] = .string(node) }
        let made = send("POST", Self.pods, ["metadata": ["name": .string(name)], "spec": spec])
        if node != nil && runs { run(pod: name, "containerd://\(name)-0") }
        return made["metadata"]?["uid"]?.string ?? ""
    }

    /// Binds a pod to a node.
    func bind(pod name: String, to node: String) {
        send(
            "POST", "\(Self.pods)/\(name)/binding",
            ["metadata": ["name": .string(name)], "target": ["kind": "Node", "name": .string(node)]])
    }

    /// The pod's container runs and has this id.
    func run(pod name: String, _ id: String) {
        set(
            pod: name,
            [
                "phase": "Running",
                "containerStatuses": [
                    [
                        "name": "c", "containerID": .string(id), "ready": true, "image": "i", "imageID": "i",
                        "restartCount": 0, "state": ["running": ["startedAt": "2026-01-01T00:00:00Z"]],
                    ]
                ],
            ])
    }

    /// The pod's container has ended.
    func end(pod name: String, phase: String = "Running") {
        set(
            pod: name,
            [
                "phase": .string(phase),
                "containerStatuses": [
                    [
                        "name": "c", "containerID": .string("containerd://\(name)-0"), "ready": false, "image": "i",
                        "imageID": "i", "restartCount": 0, "state": ["terminated": ["exitCode": 0]],
                    ]
                ],
            ])
    }

    private func set(pod name: String, _ status: JSONValue) {
        send("PATCH", "\(Self.pods)/\(name)/status", ["status": status])
    }

    /// Deletes a pod: at once, or as the API server does where its containers have time to end.
    func delete(pod name: String, atOnce: Bool = true) {
        send("DELETE", "\(Self.pods)/\(name)", atOnce ? ["gracePeriodSeconds": 0] : nil)
    }

    // MARK: - What is seen

    /// The reason and message of each event of an object.
    func events(of name: String) -> [String] {
        send("GET", "/api/v1/events")["items"]?.array?.filter { $0["involvedObject"]?["name"]?.string == name }
            .map { "\($0["reason"]?.string ?? ""): \($0["message"]?.string ?? "")" } ?? []
    }

    /// What a binding is and why.
    func status(_ name: String) -> String {
        guard let binding = binding(name) else { return "gone" }
        let reason = binding.conditions.first { $0.type == "Applied" }?.reason
        return "\(binding.resourceStatus?.rawValue ?? "new") \(reason ?? "")"
    }

    /// Waits until a binding is that.
    func expect(_ name: String, _ status: String, _ location: SourceLocation = #_sourceLocation) async throws {
        let isSo = try await eventually(seconds: 60) { self.status(name) == status }
        #expect(isSo, "\(name) is \(self.status(name))", sourceLocation: location)
    }

    /// The requests of a user that changed something, or tried to.
    func writes(by user: String) -> [StandInServer.Served] {
        server.served.filter { $0.user == user && $0.method != "GET" }
    }
}

/// A running controller of a stage.
final class RunningController: Sendable {
    let controller: ClusterController
    private let task: Task<Void, Never>
    private let client: ClusterClient

    /// - Parameter election: How it becomes the one that leads; nil for one that is alone.
    init(
        _ stage: Stage, as user: String = "one", election: LeaderElection.Settings? = nil, log: LogLines = LogLines()
    ) throws {
        let client = try stage.client(user)
        var settings = ClusterController.Settings()
        settings.election = election
        settings.reflector.backoff = Backoff(first: .milliseconds(20), longest: .milliseconds(200))
        settings.limits.longest = .milliseconds(200)
        settings.workers = 4
        let controller = ClusterController(client, settings, log: log.logger)
        (self.client, self.controller) = (client, controller)
        task = Task { await controller.run() }
    }

    func stop() async {
        task.cancel()
        await task.value
        await client.close()
    }

    /// How many times something was looked at.
    var reconciliations: Int { controller.metrics.reconciliations.values.reduce(0, +) }

    /// Waits until nothing is left to do, and nothing was done for a while.
    func settles(_ stage: Stage, by user: String = "one") async throws {
        var calm = 0
        var before = -1
        #expect(
            try await eventually(seconds: 60) {
                let count = stage.writes(by: user).count { $0.method != "PUT" }
                calm = count == before && controller.isIdle ? calm + 1 : 0
                before = count
                return calm > 15
            })
    }
}

/// Keeps what a program logs for operators.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    /// The lines, `LEVEL: TEXT KIND` with the kind of objects where there is one.
    var all: [String] { lines.withLock { $0 } }
    var logger: Logger { Logger(label: "controller") { [self] _ in Handler(lines: self) } }

    private struct Handler: LogHandler {
        let lines: LogLines
        var logLevel = Logger.Level.notice
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let kind = event.metadata?["kind"].map { " \($0)" } ?? ""
            lines.lines.withLock { $0.append("\(event.level): \(event.message)\(kind)") }
        }
    }
}
