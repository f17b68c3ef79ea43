import Machine

/// What decisions need to know of a node.
package struct NodeFacts: Sendable, Equatable {
    /// The name of the node.
    package var name: String
    /// The name of its NodeCPUTopology, which refusals give.
    package var topologyName: String
    /// Its CPUs.
    package var topology: NodeTopology
    /// What the node's services and programs hold (`status.allocatedCPUs`). No binding has one of them exclusively, and
    /// the extender gives none of them to a pod.
    package var allocated: CPUSet
    /// CPUs that no binding ever has exclusively and that the extender gives to no pod.
    package var reserved: CPUSet
    /// How many CPUs exclusive bindings must leave to pods without a binding; reserved ones count.
    package var minimumShared: Int

    /// The facts of a node. The topology's name is `NAME-cputopology` where none is given.
    package init(
        name: String, topology: NodeTopology, topologyName: String? = nil, allocated: CPUSet = CPUSet(),
        reserved: CPUSet = CPUSet(), minimumShared: Int = 1
    ) {
        self.name = name
        self.topologyName = topologyName ?? "\(name)-cputopology"
        self.topology = topology
        self.allocated = allocated
        self.reserved = reserved
        self.minimumShared = minimumShared
    }

    /// Whether pods without a binding would have too few CPUs once they may not use `exclusive`.
    func isStarved(by exclusive: CPUSet) -> Bool {
        topology.cpus.subtracting(exclusive).subtracting(allocated).count < minimumShared
    }
}
