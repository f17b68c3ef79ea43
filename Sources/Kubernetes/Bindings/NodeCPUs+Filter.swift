import Machine

extension NodeCPUs {
    /// Why a pod does not fit; nil where ``allocate(_:)`` gives it CPUs.
    func refusal(of demand: Demand) -> FilterRefusal? { figures.refusal(of: demand) { starves(demand) } }

    /// Whether the CPUs that a pod would get leave too few to pods without a binding.
    func starves(_ demand: Demand) -> Bool {
        Allocation(demand, self).cpus.map { isStarved(by: Hold(cpus: $0, level: demand.level)) } ?? false
    }

    /// The CPUs that the pod gets, or why it gets none.
    func allocate(_ demand: Demand) throws(FilterRefusal) -> CPUSet {
        if let refusal = refusal(of: demand) { throw refusal }
        guard let cpus = Allocation(demand, self).cpus else {
            throw .request(.cpus, demand.request, available: free(for: demand).figures.count * 1000)
        }
        return cpus
    }
}
