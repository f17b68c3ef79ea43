import Machine

/// Another binding of the same node or the same pod, and its pod.
package struct Rival: Sendable, Equatable {
    /// The binding.
    package var binding: Binding
    /// The pod that it names, where there is one.
    package var pod: PodFacts?

    /// A binding and its pod.
    package init(_ binding: Binding, pod: PodFacts?) {
        self.binding = binding
        self.pod = pod
    }
}

/// Why CPUs cannot be a binding's.
enum Refusal: Equatable {
    /// These CPUs of the spec are no CPUs of the node.
    case unknownCPUs([Int])
    /// These CPUs are in the spec more than once.
    case repeatedCPUs([Int])
    /// The pod has another binding.
    case podHasBinding(ObjectKey)
    /// Other bindings have these CPUs, or withdraw them.
    case heldByPods(CPUSet, by: [ObjectKey])
    /// An earlier binding of the same rank asks for these CPUs, or for the same pod where there are none.
    case earlier(ObjectKey, CPUSet)
    /// Services or programs of the node hold these CPUs.
    case heldByHost(CPUSet)
    /// These CPUs are reserved.
    case reserved(CPUSet)
    /// Pods without a binding would have too few CPUs.
    case starves(minimum: Int)
}

/// The bindings that want CPUs of one node. Whoever holds CPUs keeps them; of those that do not, the older binding wins,
/// then the one with the lower uid. So whoever decides, and in whatever order, the winner is the same.
struct Contention {
    let node: NodeFacts
    private let rivals: [Rival]

    /// A binding's CPUs on the node, and what it withdraws.
    private struct Entry {
        let binding: Binding
        let cpus: CPUSet
        let exclusive: CPUSet

        init(_ binding: Binding, _ hold: Hold, _ topology: NodeTopology) {
            self.binding = binding
            cpus = hold.cpus
            exclusive = topology.exclusive(hold.cpus, hold.level)
        }

        /// The CPUs that the two cannot both have: nobody may be where another is exclusive, whoever came first.
        func clash(with other: Entry) -> CPUSet {
            exclusive.intersection(other.cpus.union(other.exclusive)).union(cpus.intersection(other.exclusive))
        }
    }

    init(node: NodeFacts, rivals: [Rival]) {
        self.node = node
        self.rivals = rivals.sorted { $0.binding.precedes($1.binding) }
    }

    /// Why the spec of `binding` names no set of CPUs of the node; nil where it does.
    func defect(of binding: Binding) -> Refusal? {
        let unknown = binding.cpuSet.filter { !node.topology.cpus.contains($0) }
        if !unknown.isEmpty { return .unknownCPUs(Set(unknown).sorted()) }
        let cpus = binding.cpus
        guard cpus.count != binding.cpuSet.count else { return nil }
        var seen = CPUSet()
        let repeated = binding.cpuSet.filter { !seen.insert($0) }
        return .repeatedCPUs(CPUSet(repeated).sorted())
    }

    /// Why `binding` cannot have what it asks for; nil where it can.
    ///
    /// - Parameters:
    ///   - isHolder: Whether it holds just that. Then only an earlier holder is in its way.
    ///   - isClaimed: Whether `berthd` says so, or does not answer: it knows better than the node's status what its host
    ///     holds.
    func refusal(of binding: Binding, isHolder: Bool, isClaimed: Bool) -> Refusal? {
        let entry = Entry(binding, binding.wanted, node.topology)
        let holders = rivals.flatMap { rival in
            rival.binding.status?.nodeName == node.name
                ? rival.binding.held.map { Entry(rival.binding, $0, node.topology) } : []
        }
        if isHolder {
            let earlier = accepted(among: holders.filter { $0.binding.precedes(binding) })
            return clash(of: entry, with: earlier) ?? (isClaimed ? nil : hostClash(of: entry))
        }
        if let refusal = clash(of: entry, with: holders) { return refusal }
        if let refusal = hostClash(of: entry) ?? starvation(by: entry, beside: holders) { return refusal }
        // Earlier bindings that could have their CPUs now get them first. What this one holds, they cannot have.
        let own = binding.status?.nodeName == node.name ? binding.held.map { Entry(binding, $0, node.topology) } : []
        var taken = holders
        for rival in rivals where rival.binding.precedes(binding) && isContender(rival) {
            let earlier = Entry(rival.binding, rival.binding.wanted, node.topology)
            let before = taken + own
            guard clash(of: earlier, with: before.filter { $0.binding.key != rival.binding.key }) == nil,
                hostClash(of: earlier) == nil, starvation(by: earlier, beside: before) == nil
            else { continue }
            let clash = entry.clash(with: earlier)
            if earlier.binding.pod == binding.pod || !clash.isEmpty { return .earlier(earlier.binding.key, clash) }
            taken.append(earlier)
        }
        return starvation(by: entry, beside: taken)
    }

    /// Whether a binding asks for CPUs of the node that it does not hold, and may have them.
    private func isContender(_ rival: Rival) -> Bool {
        rival.contendedNode == node.name && defect(of: rival.binding) == nil
    }

    /// The entries that stay where all go by precedence.
    private func accepted(among entries: [Entry]) -> [Entry] {
        entries.reduce(into: []) { accepted, entry in
            let others = accepted.filter { $0.binding.key != entry.binding.key }
            if clash(of: entry, with: others) == nil { accepted.append(entry) }
        }
    }

    private func clash(of entry: Entry, with others: [Entry]) -> Refusal? {
        if let other = others.first(where: { $0.binding.pod == entry.binding.pod }) {
            return .podHasBinding(other.binding.key)
        }
        var (clash, holders) = (CPUSet(), Set<ObjectKey>())
        for other in others {
            let shared = entry.clash(with: other)
            guard !shared.isEmpty else { continue }
            clash.formUnion(shared)
            holders.insert(other.binding.key)
        }
        return clash.isEmpty ? nil : .heldByPods(clash, by: holders.sorted())
    }

    private func hostClash(of entry: Entry) -> Refusal? {
        let reserved = entry.exclusive.intersection(node.reserved)
        if !reserved.isEmpty { return .reserved(reserved) }
        let held = entry.exclusive.intersection(node.allocated)
        return held.isEmpty ? nil : .heldByHost(held)
    }

    private func starvation(by entry: Entry, beside others: [Entry]) -> Refusal? {
        guard !entry.exclusive.isEmpty else { return nil }
        let exclusive = others.reduce(into: entry.exclusive) { $0.formUnion($1.exclusive) }
        return node.isStarved(by: exclusive) ? .starves(minimum: node.minimumShared) : nil
    }
}
