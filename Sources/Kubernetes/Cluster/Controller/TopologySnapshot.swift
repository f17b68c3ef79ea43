package import KubernetesClient

/// What a node has for a topology. The same snapshot gives the same steps.
package struct TopologySnapshot: Sendable, Equatable {
    /// Something to do with an object.
    package enum Step: Equatable, Sendable {
        /// Create it; then its status says that it is still to be read.
        case create(NodeCPUTopology)
        /// Let it go with its node. Its topology was another node's where it went with that before.
        case own(NodeCPUTopology, wasOthers: Bool)
        /// Write this status.
        case setStatus(NodeCPUTopology, NodeCPUTopology.ResourceStatus)
        /// Delete it: its node is gone.
        case delete(NodeCPUTopology)
        /// Say that the name for the node's topology is taken by this one.
        case reportClash(NodeCPUTopology)
    }

    /// The name of the node.
    package var name: String
    /// The node; nil where there is none.
    package var node: Node?
    /// The topologies that name the node.
    package var topologies: [NodeCPUTopology]
    /// The object that has the name of the node's topology, whatever node it names.
    package var namesake: NodeCPUTopology?

    /// A snapshot.
    package init(name: String, node: Node?, topologies: [NodeCPUTopology], namesake: NodeCPUTopology?) {
        self.name = name
        self.node = node
        self.topologies = topologies
        self.namesake = namesake
    }

    /// What is to be done now.
    package func decide() -> [Step] {
        let topologies = topologies.filter { !$0.metadata.isBeingDeleted }
        guard let node else {
            return topologies.compactMap { topology in
                // What somebody wrote by hand stays, and says what is wrong with it.
                if topology.owner != nil { return .delete(topology) }
                return topology.resourceStatus == .nodeNotFound ? nil : .setStatus(topology, .nodeNotFound)
            }
        }
        guard !topologies.isEmpty else {
            // One that is being deleted makes room.
            guard let namesake else { return [.create(topology(of: node))] }
            return namesake.metadata.isBeingDeleted ? [] : [.reportClash(namesake)]
        }
        return topologies.compactMap { topology in
            let owner = topology.owner
            if let owner, owner.uid != node.metadata.uid { return .own(topology, wasOthers: true) }
            // Those that actimanager made have the name and no owner.
            if owner == nil, topology.metadata.name == NodeCPUTopology.name(ofNode: name) {
                return .own(topology, wasOthers: false)
            }
            switch topology.resourceStatus {
            case nil, .nodeNotFound: return .setStatus(topology, .needsSync)
            default: return nil
            }
        }
    }

    private func topology(of node: Node) -> NodeCPUTopology {
        var topology = NodeCPUTopology(name: NodeCPUTopology.name(ofNode: name))
        topology.nodeName = name
        topology.metadata.ownerReferences = [OwnerReference(to: node)]
        if node.metadata.labels[Node.controlPlaneLabel] != nil {
            topology.metadata.labels[Node.controlPlaneLabel] = ""
        }
        return topology
    }
}

extension NodeCPUTopology {
    /// The node that it goes with.
    package var owner: OwnerReference? {
        metadata.ownerReferences.first { $0.kind == Node.resourceKind.kind && $0.apiVersion == "v1" }
    }

    /// The change that makes it go with a node.
    package func patch(owner node: Node) -> Patch {
        let owners = metadata.ownerReferences.filter { $0 != owner } + [OwnerReference(to: node)]
        return .merge([
            "metadata": [
                "resourceVersion": .string(metadata.resourceVersion), "ownerReferences": .array(owners.map(\.json)),
            ]
        ])
    }

    /// The change of its status.
    package func patch(status: ResourceStatus) -> Patch {
        var members: JSONValue = ["resourceStatus": .string(status.rawValue)]
        if status == .nodeNotFound { members["internalIP"] = "" }
        return .merge(["metadata": ["resourceVersion": .string(metadata.resourceVersion)], "status": members])
    }
}
