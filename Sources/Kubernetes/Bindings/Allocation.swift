import Machine

/// The choice of CPUs for one pod, in canonical order. Bounded: each step takes a CPU or is the last.
struct Allocation {
    /// The CPUs; nil where the pod does not fit.
    let cpus: CPUSet?

    init(_ demand: Demand, _ node: NodeCPUs) {
        let taking = Taking(demand, node)
        cpus = demand.promise ? taking.promise() : taking.canonical()
    }
}

/// The parts of a node that one pod may take from.
struct Taking {
    let demand: Demand
    let node: NodeCPUs
    let free: CPUSet
    let sockets: [Socket]

    /// A socket with its eligible cores, each cut to its free CPUs.
    struct Socket {
        let isFull: Bool
        let cores: [Core]
    }

    /// The free CPUs of a core, and whether nobody has any other.
    struct Core {
        let free: CPUSet
        let isIdle: Bool
    }

    init(_ demand: Demand, _ node: NodeCPUs) {
        self.demand = demand
        self.node = node
        let free = node.free(for: demand).cpus
        self.free = free
        sockets = node.facts.topology.sockets.map { socket in
            Socket(
                isFull: socket.cpus.isSubset(of: free),
                cores: socket.cores.compactMap { core in
                    let left = core.cpus.intersection(free)
                    let isFull = left == core.cpus
                    guard !left.isEmpty, isFull || !demand.physicalCores else { return nil }
                    return Core(free: left, isIdle: isFull && left.isDisjoint(with: node.shared))
                })
        }
    }

    /// What actimanager's plugin chooses, where it goes through sockets and cores in ascending order.
    func canonical() -> CPUSet? {
        switch demand.family {
        case .memoryBound: spread()
        case .cpuBound: onePerCore()
        case .ioBound: packed()
        case .bestEffort: one()
        }
    }

    /// One CPU of the first core of each socket, then of the next core, and no core twice.
    private func spread() -> CPUSet? {
        let usable = demand.exclusiveSockets ? sockets.filter(\.isFull) : sockets
        var taken = CPUSet()
        for round in 0..<(usable.map(\.cores.count).max() ?? 0) {
            for socket in usable where round < socket.cores.count {
                if let cpu = socket.cores[round].free.first { taken.insert(cpu) }
                if taken.count >= demand.count { return taken }
            }
        }
        return nil
    }

    /// One CPU of each core, then a second one of each.
    private func onePerCore() -> CPUSet? {
        var taken = CPUSet()
        let cores = sockets.flatMap(\.cores)
        while taken.count < demand.count {
            let before = taken.count
            for core in cores where taken.count < demand.count {
                if let cpu = core.free.subtracting(taken).first { taken.insert(cpu) }
            }
            if taken.count == before { return nil }
        }
        return taken
    }

    /// All CPUs of a core, then those of the next.
    private func packed() -> CPUSet? {
        var taken = CPUSet()
        for core in sockets.lazy.flatMap(\.cores) where taken.count < demand.count {
            taken.formUnion(core.free.lowest(demand.count - taken.count))
        }
        return taken.count < demand.count ? nil : taken
    }

    /// A CPU of the first core, if possible one that nobody shares.
    private func one() -> CPUSet? {
        guard let core = sockets.lazy.flatMap(\.cores).first else { return nil }
        return (core.free.subtracting(node.shared).first ?? core.free.first).map { CPUSet($0...$0) }
    }
}
