import ClusterStandIn
import Testing
import WireJSON

/// A client of a cluster that is a value.
struct TestClient {
    var cluster: StandInCluster
    var now = StandInTime(seconds: 1_700_000_000)

    init(settings: StandInCluster.Settings = .init(), definitions: Bool = false) {
        cluster = StandInCluster(settings: settings, now: now)
        guard definitions else { return }
        for definition in BerthDefinitions.all {
            send("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
        }
    }

    /// An answer and its body.
    struct Reply {
        let status: Int
        let body: JSONValue
        let text: String
        let answer: StandInAnswer

        var message: String { body["message"]?.string ?? "" }
        var reason: String { body["reason"]?.string ?? "" }
        var version: String { at("metadata", "resourceVersion")?.string ?? "" }
        var items: [JSONValue] { body["items"]?.array ?? [] }
        var names: [String] { items.compactMap { $0["metadata"]?["name"]?.string } }

        func at(_ path: String...) -> JSONValue? { path.reduce(body as JSONValue?) { $0?[$1] } }
    }

    @discardableResult
    mutating func send(
        _ method: String, _ target: String, _ body: String = "", type: String = "application/json",
        accept: String = "application/json", agent: String = "test/1", user: StandInUser = .admin
    ) -> Reply {
        let request = StandInRequest(
            method, target, body: Array(body.utf8), contentType: type, accept: accept, agent: agent, user: user)
        let answer = cluster.respond(to: request, now: now)
        cluster.settle(now: now)
        let bytes = answer.body
        return Reply(
            status: answer.status, body: (try? JSONValue(bytes, maximumDepth: 200)) ?? .null,
            text: String(decoding: bytes, as: UTF8.self), answer: answer)
    }

    mutating func get(_ target: String) -> Reply { send("GET", target) }
    @discardableResult
    mutating func create(_ target: String, _ body: String) -> Reply { send("POST", target, body) }
    @discardableResult
    mutating func merge(_ target: String, _ body: String, user: StandInUser = .admin) -> Reply {
        send("PATCH", target, body, type: "application/merge-patch+json", user: user)
    }

    @discardableResult
    mutating func apply(_ target: String, _ body: String, manager: String, force: Bool = false) -> Reply {
        send(
            "PATCH", "\(target)?fieldManager=\(manager)\(force ? "&force=true" : "")", body,
            type: "application/apply-patch+yaml")
    }

    static let configMaps = "/api/v1/namespaces/default/configmaps"
    static let pods = "/api/v1/namespaces/default/pods"
    static let bindings = "/apis/cslab.ece.ntua.gr/v1alpha1/namespaces/default/podcpubindings"

    @discardableResult
    mutating func configMap(_ name: String, labels: String = "{}", data: String = "{}", owners: String = "[]") -> Reply
    {
        create(
            Self.configMaps,
            """
            {"metadata": {"name": "\(name)", "labels": \(labels), "ownerReferences": \(owners)}, "data": \(data)}
            """)
    }

    @discardableResult
    mutating func pod(_ name: String, node: String = "", labels: String = "{}") -> Reply {
        create(
            Self.pods,
            """
            {"metadata": {"name": "\(name)", "labels": \(labels)},
             "spec": {"nodeName": "\(node)", "containers": [{"name": "main", "image": "example.org/main:1"}]}}
            """)
    }

    static func binding(_ name: String, pod: String = "web", cpus: String = "[]", level: String = "None") -> String {
        """
        {"apiVersion": "cslab.ece.ntua.gr/v1alpha1", "kind": "PodCPUBinding", "metadata": {"name": "\(name)"},
         "spec": {"podName": "\(pod)", "cpuSet": \(cpus), "exclusivenessLevel": "\(level)"}}
        """
    }
}

extension JSONValue {
    /// The value at the end of a path.
    func at(_ path: String...) -> JSONValue? { path.reduce(self as JSONValue?) { $0?[$1] } }
}
