/// What filter and score look at of a node: numbers alone, so that a look at 5,000 nodes copies nothing else.
struct NodeFigures: Sendable, Equatable {
    /// What a pod may have that takes CPUs from others.
    var forExclusive: FreeCPUs.Figures
    /// What a pod may have that shares.
    var forShared: FreeCPUs.Figures
    /// How many CPUs pods without a binding have, reserved ones included.
    var left: Int
    /// How many of them they must keep.
    var minimumShared: Int
    /// The number of CPUs of every core; nil where cores differ.
    var coreSize: Int?
    /// How many sockets the node has.
    var sockets: Int
    /// How many cores.
    var cores: Int
    /// How many CPUs.
    var cpus: Int

    /// What a pod of `demand` may have.
    private func free(for demand: Demand) -> FreeCPUs.Figures { demand.level == .none ? forShared : forExclusive }

    /// Why a pod does not fit; nil where ``NodeCPUs/allocate(_:)`` gives it CPUs.
    ///
    /// - Parameter starves: whether the CPUs that it would get leave too few to pods without a binding; asked where the numbers do
    ///   not tell.
    func refusal(of demand: Demand, starves: () -> Bool) -> FilterRefusal? {
        let free = free(for: demand)
        if let refusal = demand.promise ? Self.promiseRefusal(of: demand, free) : Self.refusal(of: demand, free) {
            return refusal
        }
        let isStarved =
            if let withdrawal = withdrawal(of: demand) {
                withdrawal > 0 && left - withdrawal < minimumShared
            } else {
                starves()
            }
        return isStarved ? .starves(minimum: minimumShared) : nil
    }

    /// How many CPUs a pod that fits withdraws from others; nil where only the choice itself tells.
    func withdrawal(of demand: Demand) -> Int? {
        switch (demand.level, demand.family, coreSize) {
        case (.none, _, _): 0
        case (.cpu, _, _): demand.count
        case (.core, .memoryBound, _) where demand.promise: nil
        case (.core, .ioBound, let size?): (demand.count + size - 1) / size * size
        case (.core, _, let size?): demand.count * size
        case (.core, _, nil), (.socket, _, _), (.numa, _, _): nil
        }
    }

    /// What the node scores, by how much of what the family uses is free.
    func score(of demand: Demand, _ policy: WorkloadAwareArgs.Policy) -> Int {
        let free = free(for: demand)
        let (count, total) =
            switch demand.family {
            case .memoryBound:
                (demand.exclusiveSockets ? free.fullSockets : free.anySockets, sockets)
            case .cpuBound:
                (free.fullCores, cores)
            case .ioBound:
                (demand.physicalCores ? free.fullCores : free.anyCores, cores)
            case .bestEffort:
                demand.physicalCores
                    ? (free.fullCores, cores) : (free.count, cpus)
            }
        guard total > 0 else { return policy == .maximumUtilization ? .max : 0 }
        let capacity = (count * 10_000 + total - 1) / total + count
        return policy == .maximumUtilization ? .max - capacity : capacity
    }

    private static func refusal(of demand: Demand, _ free: FreeCPUs.Figures) -> FilterRefusal? {
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
    private static func promiseRefusal(of demand: Demand, _ free: FreeCPUs.Figures) -> FilterRefusal? {
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
