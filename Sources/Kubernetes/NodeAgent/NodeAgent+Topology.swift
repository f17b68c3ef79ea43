import HostClient
import KubernetesClient
import Logging

extension NodeAgent {
    /// Writes what the machine is into the node's NodeCPUTopology, where that says something else. The controller makes the
    /// object, and says whether the node exists.
    func publishTopology() async throws {
        guard let topology = NodeCPUTopology.effective(topologies.all), let address = nodes[ObjectKey(name: node)]
        else { return }
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
        let publication = TopologyPublication(machine: machine, others: others, address: address.internalIP)
        let resource = client.resources(NodeCPUTopology.self)
        var stored = topology
        if let patch = publication.specPatch(of: topology) {
            stored = try await resource.patch(topology.metadata.name, patch)
            log.notice("the topology was published", metadata: ["cpus": "\(CPUNumbers.list(machine.online))"])
        }
        guard let patch = publication.statusPatch(of: stored) else { return }
        _ = try await resource.patch(topology.metadata.name, patch, subresource: "status")
    }

    private func write(_ changes: JSONValue, to topology: NodeCPUTopology) async throws(KubernetesError) {
        _ = try await client.resources(NodeCPUTopology.self).patch(
            topology.metadata.name, .merge(["status": changes]), subresource: "status")
    }
}
