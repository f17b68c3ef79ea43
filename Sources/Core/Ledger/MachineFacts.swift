import Machine
import Placement

/// What the machine says about the things that a request depends on, gathered when the request is decided.
package struct MachineFacts: Sendable {
    /// The CPUs of each pool, offline ones included; a pool that is not configured has no entry.
    package var pools: [String: CPUSet]
    /// The CPUs that run; nil where nothing says so.
    package var online: CPUSet?
    /// The CPUs that stay with the rest of the machine, where the request's pool has them.
    package var housekeeping = CPUSet()
    /// Whether any NUMA node has CPUs.
    package var hasNUMA: Bool
    /// The CPUs of the nodes that the request names, offline ones included; a node that does not exist, or has no CPUs,
    /// has no entry.
    package var nodes: [Int: CPUSet]
    /// Which CPUs of the request's pool are siblings.
    package var cores: CoreIndex
    /// The whole machine, for exclusiveness beyond a CPU, whole cores and memory nodes; nil where the request needs none
    /// of it or it cannot be read.
    package var machine: Machine?
    /// The pools of huge pages of the nodes that the request names; a node that does not exist has no entry.
    package var pages: [Int: [HugePagePool]]

    /// Facts; those of a machine without NUMA, pools and pages unless told otherwise.
    package init(
        pools: [String: CPUSet] = [:], online: CPUSet? = nil, hasNUMA: Bool = false, nodes: [Int: CPUSet] = [:],
        cores: CoreIndex = CoreIndex(of: CPUSet()) { _ in nil }, machine: Machine? = nil,
        pages: [Int: [HugePagePool]] = [:]
    ) {
        self.pools = pools
        self.online = online
        self.hasNUMA = hasNUMA
        self.nodes = nodes
        self.cores = cores
        self.machine = machine
        self.pages = pages
    }

    /// The CPUs of `pool` that may be given now; nil where there is no such pool.
    package func eligible(_ pool: String, onlineOnly: Bool) -> CPUSet? {
        guard let cpus = pools[pool] else { return nil }
        guard onlineOnly || pool != Pool.isolated, let online else { return cpus }
        return cpus.intersection(online)
    }

    /// Whether `cpus`, which are in `pool`, are of each core what `smt` says; nil where the machine does not say.
    func areOfCores(_ cpus: CPUSet, _ smt: CPURequest.SMTPolicy, in pool: CPUSet) -> Bool? {
        guard smt != .any else { return true }
        guard let machine else { return nil }
        return cpus.allSatisfy { cpu in
            let core = machine.core(of: cpu)
            return smt == .one ? core.intersection(cpus).count == 1 : core.intersection(pool).isSubset(of: cpus)
        }
    }

    /// The CPUs that are out of bounds for others when `cpu` is exclusive at `level`, `cpu` itself included; nil where the
    /// machine does not say.
    func domain(of cpu: Int, _ level: Exclusiveness) -> CPUSet? {
        let own = CPUSet(CollectionOfOne(cpu))
        switch level {
        case .none: return CPUSet()
        case .cpu: return own
        case .core: return machine.map { own.union($0.core(of: cpu)) }
        case .socket: return machine?.package(of: cpu)?.cpus
        case .numa:
            guard let machine else { return nil }
            let nodes = machine.nodes.filter { $0.rawCPUs.contains(cpu) }
            return nodes.isEmpty ? nil : nodes.reduce(own) { $0.union($1.rawCPUs) }
        }
    }
}
