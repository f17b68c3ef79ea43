import Machine

/// The CPUs of a node as its NodeCPUTopology lists them, in canonical order: ascending by socket, core and CPU.
///
/// A CPU belongs to the first core and the first NUMA node that list it. Cores of two sockets are two cores even where
/// their numbers are the same.
package struct NodeTopology: Sendable, Equatable {
    /// A physical core.
    package struct Core: Sendable, Equatable {
        /// The number of the core, as the topology lists it.
        package let id: Int
        /// The CPUs of the core; siblings where there are several.
        package let cpus: CPUSet

        /// A core of `cpus`; negative numbers are left out.
        package init(id: Int, cpus: some Sequence<Int>) {
            self.id = id
            self.cpus = CPUSet(cpus)
        }
    }

    /// A socket.
    package struct Socket: Sendable, Equatable {
        /// The number of the socket, as the topology lists it.
        package let id: Int
        /// The cores, ascending by number.
        package let cores: [Core]
        /// The CPUs of all cores.
        package let cpus: CPUSet

        /// A socket of `cores`, in any order.
        package init(id: Int, cores: [Core]) {
            self.id = id
            self.cores = cores.sorted { $0.id < $1.id }
            cpus = cores.reduce(into: CPUSet()) { $0.formUnion($1.cpus) }
        }
    }

    /// A NUMA node.
    package struct NUMANode: Sendable, Equatable {
        /// The number of the node.
        package let id: Int
        /// The CPUs of the node.
        package let cpus: CPUSet

        /// A NUMA node of `cpus`; negative numbers are left out.
        package init(id: Int, cpus: some Sequence<Int>) {
            self.id = id
            self.cpus = CPUSet(cpus)
        }
    }

    /// The sockets, ascending by number.
    package let sockets: [Socket]
    /// The NUMA nodes, ascending by number.
    package let numaNodes: [NUMANode]
    /// Every CPU of the node.
    package let cpus: CPUSet
    /// The number of cores of all sockets.
    package let coreCount: Int

    private let places: [Place?]

    private struct Place: Sendable, Equatable {
        var socket: Int
        var core: Int
        var numaNode: Int?
    }

    /// A topology of sockets and NUMA nodes in any order. A CPU that only a NUMA node lists is no CPU of the topology.
    package init(sockets: [Socket], numaNodes: [NUMANode]) {
        let sockets = sockets.sorted { $0.id < $1.id }
        let numaNodes = numaNodes.sorted { $0.id < $1.id }
        let cpus = sockets.reduce(into: CPUSet()) { $0.formUnion($1.cpus) }
        var places = [Place?](repeating: nil, count: (cpus.last ?? -1) + 1)
        for (socket, value) in sockets.enumerated() {
            for (core, value) in value.cores.enumerated() {
                for cpu in value.cpus where places[cpu] == nil { places[cpu] = Place(socket: socket, core: core) }
            }
        }
        for (node, value) in numaNodes.enumerated() {
            for cpu in value.cpus where cpu < places.count && places[cpu]?.numaNode == nil {
                places[cpu]?.numaNode = node
            }
        }
        self.sockets = sockets
        self.numaNodes = numaNodes
        self.cpus = cpus
        self.places = places
        coreCount = sockets.reduce(0) { $0 + $1.cores.count }
    }

    /// What a binding of `cpus` withdraws from everybody else. A CPU that the topology does not have contributes itself at
    /// the level CPU and nothing at the wider ones.
    package func exclusive(_ cpus: CPUSet, _ level: ExclusivenessLevel) -> CPUSet {
        switch level {
        case .none: return CPUSet()
        case .cpu: return cpus
        case .core, .socket, .numa: break
        }
        var result = CPUSet()
        for cpu in cpus where !result.contains(cpu) {
            guard cpu < places.count, let place = places[cpu] else { continue }
            let socket = sockets[place.socket]
            switch level {
            case .none, .cpu: break
            case .core: result.formUnion(socket.cores[place.core].cpus)
            case .socket: result.formUnion(socket.cpus)
            case .numa:
                // A kernel without NUMA lists no nodes; the CPU is exclusive all the same.
                result.insert(cpu)
                if let node = place.numaNode { result.formUnion(numaNodes[node].cpus) }
            }
        }
        return result
    }

    /// The NUMA nodes that have at least one of `cpus`, ascending.
    package func memoryNodes(of cpus: CPUSet) -> [Int] {
        numaNodes.filter { !$0.cpus.isDisjoint(with: cpus) }.map(\.id)
    }
}
