import Machine

/// The CPUs of one node with what bindings hold of them, kept up to date so that nothing is computed for a pod.
struct NodeCPUs: Sendable {
    private(set) var facts: NodeFacts
    /// What a pod may have that takes CPUs from others: nobody holds any of it, shared or not.
    private(set) var forExclusive: FreeCPUs
    /// What a pod may have that shares: nobody has it exclusively.
    private(set) var forShared: FreeCPUs
    /// CPUs that bindings share.
    private(set) var shared = CPUSet()
    /// CPUs that only one binding each may use.
    private(set) var exclusive = CPUSet()
    /// How many CPUs pods without a binding have, reserved ones included.
    private(set) var left = 0
    /// The number of CPUs of every core; nil where cores differ.
    private let coreSize: Int?

    private var sharers: [Int32]
    private var exclusiveCounts: [Int32]

    init(_ facts: NodeFacts, holds: some Sequence<Hold> = EmptyCollection<Hold>()) {
        self.facts = facts
        let width = (facts.topology.cpus.last ?? -1) + 1
        sharers = [Int32](repeating: 0, count: width)
        exclusiveCounts = sharers
        let sizes = Set(facts.topology.sockets.flatMap { $0.cores.map(\.cpus.count) })
        coreSize = sizes.count == 1 ? sizes.first : nil
        forShared = FreeCPUs(CPUSet(), of: facts.topology)
        forExclusive = forShared
        for hold in holds { count(hold, by: 1) }
        refresh()
    }

    mutating func add(_ hold: Hold) {
        count(hold, by: 1)
        refresh()
    }

    mutating func remove(_ hold: Hold) {
        count(hold, by: -1)
        refresh()
    }

    /// CPUs that the topology does not have are nobody's.
    private mutating func count(_ hold: Hold, by step: Int32) {
        let cpus = hold.cpus.intersection(facts.topology.cpus)
        if hold.level == .none {
            Self.count(cpus, by: step, in: &sharers, &shared)
        } else {
            Self.count(facts.topology.exclusive(cpus, hold.level), by: step, in: &exclusiveCounts, &exclusive)
        }
    }

    private static func count(_ cpus: CPUSet, by step: Int32, in counts: inout [Int32], _ set: inout CPUSet) {
        for cpu in cpus where cpu < counts.count {
            counts[cpu] += step
            if counts[cpu] > 0 { set.insert(cpu) } else { set.remove(cpu) }
        }
    }

    private mutating func refresh() {
        // Deletions come last: a CPU that somebody shares and somebody else has exclusively is not free.
        var free = facts.topology.cpus.subtracting(facts.allocated).subtracting(exclusive)
        left = free.count
        free.subtract(facts.reserved)
        forShared = FreeCPUs(free, of: facts.topology)
        forExclusive =
            shared.isDisjoint(with: free) ? forShared : FreeCPUs(free.subtracting(shared), of: facts.topology)
    }

    /// How many bindings share `cpu`.
    func sharers(of cpu: Int) -> Int { cpu < sharers.count ? Int(sharers[cpu]) : 0 }

    /// The CPUs that a pod of `demand` may have.
    func free(for demand: Demand) -> FreeCPUs { demand.level == .none ? forShared : forExclusive }

    /// Whether `hold` would leave too few CPUs to pods without a binding.
    func isStarved(by hold: Hold) -> Bool {
        guard hold.level != .none, !hold.cpus.isEmpty else { return false }
        return facts.isStarved(by: exclusive.union(facts.topology.exclusive(hold.cpus, hold.level)))
    }

    /// Whether `hold`, which is counted, and another one exclude each other.
    func isContested(_ hold: Hold) -> Bool {
        let cpus = hold.cpus.intersection(facts.topology.cpus)
        if hold.level == .none { return !cpus.isDisjoint(with: exclusive) }
        let own = facts.topology.exclusive(cpus, hold.level)
        return !own.isDisjoint(with: shared) || own.contains { $0 < exclusiveCounts.count && exclusiveCounts[$0] > 1 }
    }

    /// What filter and score look at.
    var figures: NodeFigures {
        NodeFigures(
            forExclusive: forExclusive.figures, forShared: forShared.figures, left: left,
            minimumShared: facts.minimumShared, coreSize: coreSize, sockets: facts.topology.sockets.count,
            cores: facts.topology.coreCount, cpus: facts.topology.cpus.count)
    }
}
