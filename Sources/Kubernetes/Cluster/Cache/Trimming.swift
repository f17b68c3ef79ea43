package import KubernetesClient

/// What is kept of objects that a cluster has very many of, or that are large.
extension Pod {
    /// The pod with what ``PodFacts`` says of it.
    package var trimmed: Pod {
        var status = json["status"]?.only(["phase"]) ?? .object([])
        for name in ["containerStatuses", "initContainerStatuses"] {
            guard let statuses = json["status"]?[name]?.array else { continue }
            status[name] = .array(
                statuses.map { container in
                    var kept = container.only(["name", "containerID"])
                    let states = container["state"]?.members?.filter { $0.value.members != nil } ?? []
                    kept["state"] = .object(states.map { .init(name: $0.name, value: .object([])) })
                    return kept
                })
        }
        var spec = json["spec"]?.only(["nodeName"]) ?? .object([])
        for name in ["containers", "initContainers"] {
            guard let containers = json["spec"]?[name]?.array else { continue }
            spec[name] = .array(containers.map { $0.only(["name", "restartPolicy"]) })
        }
        let metadata = json["metadata"]?.only(["name", "namespace", "uid", "resourceVersion", "deletionTimestamp"])
        return Pod(json: ["metadata": metadata ?? .object([]), "spec": spec, "status": status])
    }
}

extension Node {
    /// The label of nodes that run the control plane.
    package static let controlPlaneLabel = "node-role.kubernetes.io/control-plane"

    /// The node with its identity, whether it is ready, and whether it runs the control plane.
    package var trimmed: Node {
        var metadata = json["metadata"]?.only(["name", "uid", "resourceVersion", "deletionTimestamp"]) ?? .object([])
        if let label = json["metadata"]?["labels"]?[Self.controlPlaneLabel] {
            metadata["labels"] = .object([.init(name: Self.controlPlaneLabel, value: label)])
        }
        let ready = json["status"]?["conditions"]?.array?.filter { $0["type"] == "Ready" } ?? []
        return Node(
            json: [
                "metadata": metadata,
                "status": ["conditions": .array(ready.map { $0.only(["type", "status"]) })],
            ])
    }
}

extension JSONValue {
    fileprivate func only(_ names: Set<String>) -> JSONValue {
        .object(members?.filter { names.contains($0.name) } ?? [])
    }
}
