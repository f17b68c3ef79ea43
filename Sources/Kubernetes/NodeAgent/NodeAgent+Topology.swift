import HostClient
import KubernetesClient
import Logging

extension NodeAgent {
    /// Writes what the machine is into the node's NodeCPUTopology, where that says something else. The controller makes the
    /// object, and says whether the node exists.
    func publishTopology() async throws {
        let own = topologies.objects(by: .node, node)
        guard let topology = NodeCPUTopology.effective(own), let address = nodes[ObjectKey(name: node)] else { return }
        let machine: NodeMachine
        let others: [Int]
        do throws(BerthError) {
            machine = try await host.machine()
            others = try await host.cpusOfOthers()
        } catch {
            if error.problem?.code == "machine_unreadable", topology.resourceStatus != .failed {
                log.error("the machine cannot be read", metadata: ["reason": "\(error)"])
                try await write(["resourceStatus": .string("Failed")], to: topology)
            }
            throw error
        }
        var stored = topology
        if topology.topology != machine.topology {
            stored.topology = machine.topology
            // Whole, as a merge would keep sockets and cores that are gone.
            let change: JSONValue = [
                "op": "add", "path": "/spec/topology", "value": stored.json["spec"]?["topology"] ?? .null,
            ]
            stored = try await client.resources(NodeCPUTopology.self).patch(
                topology.metadata.name, .json(.array([change])))
            log.notice("the topology was published", metadata: ["cpus": "\(CPUNumbers.list(machine.online))"])
        }
        var fresh = stored
        fresh.resourceStatus = .fresh
        if let address = address.internalIP { fresh.internalIP = address }
        fresh.allocatedCPUs = others
        fresh.reservedCPUs = machine.reserved
        fresh.observedGeneration = stored.metadata.generation
        var changes: JSONValue = .object([])
        for name in ["resourceStatus", "internalIP", "allocatedCPUs", "reservedCPUs", "observedGeneration"] {
            let (old, new) = (stored.json["status"]?[name], fresh.json["status"]?[name])
            if old != new { changes[name] = new ?? .null }
        }
        if changes.members?.isEmpty == false { try await write(changes, to: topology) }
    }

    private func write(_ changes: JSONValue, to topology: NodeCPUTopology) async throws(KubernetesError) {
        _ = try await client.resources(NodeCPUTopology.self).patch(
            topology.metadata.name, .merge(["status": changes]), subresource: "status")
    }
}
