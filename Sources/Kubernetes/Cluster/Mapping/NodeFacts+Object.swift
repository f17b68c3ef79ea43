package import Bindings
package import KubernetesClient
import Machine

extension NodeFacts {
    /// The facts of a node; nil unless its topology is fresh and readable. What is missing, or null, is empty.
    package init?(_ object: NodeCPUTopology) {
        guard object.resourceStatus == .fresh, !object.nodeName.isEmpty, let topology = object.topology else {
            return nil
        }
        self.init(
            name: object.nodeName, topology: NodeTopology(topology), topologyName: object.metadata.name,
            allocated: CPUSet(object.allocatedCPUs), reserved: CPUSet(object.reservedCPUs))
    }
}

extension NodeTopology {
    /// The CPUs of the cores of a topology. What else it lists, in sockets and as a whole, says nothing more.
    package init(_ topology: NodeCPUTopology.Topology) {
        self.init(
            sockets: topology.sockets.map { socket in
                Socket(id: socket.id, cores: socket.cores.map { Core(id: $0.id, cpus: $0.cpus) })
            },
            numaNodes: topology.numaNodes.map { NUMANode(id: $0.id, cpus: $0.cpus) })
    }
}
