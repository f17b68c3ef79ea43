import KubernetesClient

// What the agent keeps of the objects that it watches: little, as there are many of them.

extension Pod {
    /// The uid, the containers that run, and what is needed to find the pod's cgroups.
    package var kept: Pod {
        var kept = Pod(json: ["metadata": keptMetadata, "spec": .object([]), "status": .object([])])
        kept.nodeName = nodeName
        let annotations = ["kubernetes.io/config.mirror", "kubernetes.io/config.hash"].compactMap { name in
            metadata.annotations[name].map { JSONValue.Member(name: name, value: .string($0)) }
        }
        if !annotations.isEmpty { kept.metadata.json["annotations"] = .object(annotations) }
        if let phase { kept.json["status"]?["phase"] = .string(phase.rawValue) }
        let lists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"]
        for (name, list) in zip(lists, allContainerStatuses) where !list.isEmpty {
            kept.json["status"]?[name] = .array(
                list.map { container in
                    var json: JSONValue = ["name": .string(container.name)]
                    if let id = container.containerID { json["containerID"] = .string(id) }
                    if container.isRunning { json["state"] = ["running": .object([])] }
                    return json
                })
        }
        return kept
    }

    private var allContainerStatuses: [[ContainerStatus]] {
        [containerStatuses, initContainerStatuses, ephemeralContainerStatuses]
    }

    /// The containers that run, of every kind, ascending.
    var runningContainers: [PodContainer] {
        allContainerStatuses.joined().filter(\.isRunning).compactMap { status in
            status.containerID.map { PodContainer(name: status.name, id: $0) }
        }.sorted()
    }

    /// The pod as decisions see it.
    package var live: PodSituation.LivePod {
        PodSituation.LivePod(
            uid: metadata.uid, cgroupUID: cgroupUID, isFinished: isFinished, containers: runningContainers)
    }
}

extension PodCPUBinding {
    /// All of a binding of this node or of none yet, but for the record of who changed what; nil for one of another node.
    package func kept(onNode node: String) -> PodCPUBinding? {
        nodeName.isEmpty || nodeName == node ? withoutManagedFields : nil
    }

    /// The pod that it names; nil where that is none.
    package var pod: ObjectKey? {
        podName.isEmpty ? nil : ObjectKey(namespace: metadata.namespace ?? "", name: podName)
    }
}

extension NodeCPUTopology {
    /// All of the topology of this node, but for the record of who changed what; nil for that of another node.
    package func kept(ofNode node: String) -> NodeCPUTopology? { nodeName == node ? withoutManagedFields : nil }
}

extension Node {
    /// The addresses.
    package var kept: Node {
        var kept = Node(json: ["metadata": keptMetadata])
        if let addresses = json["status"]?["addresses"] { kept.json["status"] = ["addresses": addresses] }
        return kept
    }
}

extension KubernetesObject {
    fileprivate var keptMetadata: JSONValue {
        .object(
            ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"].compactMap { name in
                json["metadata"]?[name].map { JSONValue.Member(name: name, value: $0) }
            })
    }
}
