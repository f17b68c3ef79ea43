import KubernetesClient

/// What a node writes into its NodeCPUTopology, where that says something else.
package struct TopologyPublication: Equatable, Sendable {
    /// The machine.
    package var machine: NodeMachine
    /// The CPUs that holders other than pods have, ascending.
    package var others: [Int]
    /// The address of the node inside the cluster; nil where none is known.
    package var address: String?

    package init(machine: NodeMachine, others: [Int], address: String?) {
        self.machine = machine
        self.others = others
        self.address = address
    }

    /// The change of the spec; nil where there is none.
    package func specPatch(of stored: NodeCPUTopology) -> Patch? {
        guard stored.topology != machine.topology else { return nil }
        var changed = stored
        changed.topology = machine.topology
        // Whole, as a merge would keep sockets and cores that are gone.
        return .json([
            ["op": "add", "path": "/spec/topology", "value": changed.json["spec"]?["topology"] ?? .null]
        ])
    }

    /// The change of the status once the spec is right; nil where there is none.
    package func statusPatch(of stored: NodeCPUTopology) -> Patch? {
        var fresh = stored
        fresh.resourceStatus = .fresh
        if let address { fresh.internalIP = address }
        fresh.allocatedCPUs = others
        fresh.reservedCPUs = machine.reserved
        fresh.observedGeneration = stored.metadata.generation
        var changes: JSONValue = .object([])
        for name in ["resourceStatus", "internalIP", "allocatedCPUs", "reservedCPUs", "observedGeneration"] {
            let (old, new) = (stored.json["status"]?[name], fresh.json["status"]?[name])
            if old != new { changes[name] = new ?? .null }
        }
        return changes.members?.isEmpty == false ? .merge(["status": changes]) : nil
    }
}
