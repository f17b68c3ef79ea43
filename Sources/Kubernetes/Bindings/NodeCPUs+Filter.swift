import Machine

extension NodeCPUs {
    /// Why a pod does not fit; nil where ``allocate(_:)`` gives it CPUs.
    func refusal(of demand: Demand) -> FilterRefusal? {
        let free = free(for: demand)
        if let refusal = demand.promise ? Self.promiseRefusal(of: demand, free) : Self.refusal(of: demand, free) {
            return refusal
        }
        return starves(demand) ? .starves(minimum: facts.minimumShared) : nil
    }

    /// Whether a pod that fits would leave too few CPUs to pods without a binding.
    private func starves(_ demand: Demand) -> Bool {
        if let withdrawal = withdrawal(of: demand) {
            return withdrawal > 0 && left - withdrawal < facts.minimumShared
        }
        return Allocation(demand, self).cpus.map { isStarved(by: Hold(cpus: $0, level: demand.level)) } ?? false
    }

    /// The CPUs that the pod gets, or why it gets none.
    func allocate(_ demand: Demand) throws(FilterRefusal) -> CPUSet {
        if let refusal = refusal(of: demand) { throw refusal }
        guard let cpus = Allocation(demand, self).cpus else {
            throw .request(.cpus, demand.request, available: free(for: demand).count * 1000)
        }
        return cpus
    }

    /// What the node scores, by how much of what the family uses is free.
    func score(of demand: Demand, _ policy: WorkloadAwareArgs.Policy) -> Int {
        let (free, topology) = (free(for: demand), facts.topology)
        let (count, total) =
            switch demand.family {
            case .memoryBound:
                (demand.exclusiveSockets ? free.fullSockets : free.anySockets, topology.sockets.count)
            case .cpuBound:
                (free.fullCores, topology.coreCount)
            case .ioBound:
                (demand.physicalCores ? free.fullCores : free.anyCores, topology.coreCount)
            case .bestEffort:
                demand.physicalCores
                    ? (free.fullCores, topology.coreCount) : (free.count, topology.cpus.count)
            }
        guard total > 0 else { return policy == .maximumUtilization ? .max : 0 }
        let capacity = (count * 10_000 + total - 1) / total + count
        return policy == .maximumUtilization ? .max - capacity : capacity
    }

    private static func refusal(of demand: Demand, _ free: FreeCPUs) -> FilterRefusal? {
        let (unit, count): (FilterRefusal.Unit, Int) =
            demand.exclusiveSockets
            ? (.sockets, free.fullSockets)
            : demand.physicalCores || demand.family == .cpuBound ? (.cores, free.fullCores) : (.cpus, free.count)
        if count == 0 { return .allReserved(unit) }
        if count * 1000 < demand.request { return .request(unit, demand.request, available: count * 1000) }
        if count * 1000 < demand.limit { return .limit(unit, demand.limit, available: count * 1000) }
        // A memory-bound pod takes one CPU of a core and never comes back to it.
        if demand.family == .memoryBound && free.anyCores * 1000 < demand.request {
            return .request(.cores, demand.request, available: free.anyCores * 1000)
        }
        return nil
    }

    /// With the policy Promise a pod fits where there are CPUs of the kind that it is promised.
    private static func promiseRefusal(of demand: Demand, _ free: FreeCPUs) -> FilterRefusal? {
        let (unit, units, count): (FilterRefusal.Unit, FilterRefusal.Unit, Int) =
            switch demand.family {
            case .cpuBound: (.cores, .cores, free.fullCores)
            case .memoryBound where demand.exclusiveSockets: (.sockets, .cpus, free.fullSocketCPUs)
            case .memoryBound, .ioBound, .bestEffort:
                demand.physicalCores ? (.cores, .cpus, free.fullCoreCPUs) : (.cpus, .cpus, free.count)
            }
        if count == 0 { return .allReserved(unit) }
        return count < demand.count ? .request(units, demand.request, available: count * 1000) : nil
    }
}
