/// The strategy LoadAware: not part of the reference.
///
/// A function goes to the node whose CPUs are the least busy: the load average of its last report, and what was sent there
/// since. One that asks for isolated CPUs or huge pages goes only where one NUMA node has all of them left, by the labels of
/// the node and by what the domain has placed there.
extension Domain {
    /// How many candidates are compared; more are drawn from, so that a placement costs the same however many there are.
    private static let sample = 64

    /// What a function asks for; nothing under another strategy, which does not know it.
    ///
    /// - Throws: ``RequirementError`` which names the key.
    func share(of specification: Specification) throws(RequirementError) -> NUMAShare {
        guard options.strategy == .loadAware, case .function(let function) = specification else { return NUMAShare() }
        return try NUMAShare(annotations: function.annotations)
    }

    /// The best of these candidates.
    mutating func leastLoaded(
        _ candidates: [NodeID], for share: NUMAShare, excluding excluded: Set<NodeID>
    ) -> NodeID? {
        guard candidates.count > Self.sample else { return best(of: candidates, for: share, excluding: excluded) }
        let drawn = (0..<Self.sample).map { _ in candidates[Int.random(in: 0..<candidates.count, using: &random)] }
        return best(of: drawn, for: share, excluding: excluded)
            ?? best(of: candidates, for: share, excluding: excluded)
    }

    private mutating func best(of candidates: [NodeID], for share: NUMAShare, excluding excluded: Set<NodeID>)
        -> NodeID?
    {
        var best: (node: NodeID, load: Int, instances: Double)?
        for node in candidates where !excluded.contains(node) && hasRoom(node, for: share) {
            let (load, instances) = self.load(of: node)
            if let found = best, (found.load, found.instances, found.node) <= (load, instances, node) { continue }
            best = (node, load, instances)
        }
        return best?.node
    }

    /// How busy a CPU of a node is, in tenths, and how many instances there are for each.
    private func load(of node: NodeID) -> (load: Int, instances: Double) {
        let cpus = Double(max(records.nodes[node]?.description.capabilities.cpus ?? 1, 1))
        let busy = (live[node]?.load ?? 0) + Double(live[node]?.startedSinceReport ?? 0)
        return (Int((busy / cpus * 10).rounded(.down)), Double(running[node]?.count ?? 0) / cpus)
    }

    /// Whether a NUMA node of the node has this left, beside all that is there or on its way; `own` does not count.
    mutating func hasRoom(_ node: NodeID, for share: NUMAShare, besides own: LogicalID? = nil) -> Bool {
        guard !share.isEmpty else { return true }
        guard let record = records.nodes[node] else { return false }
        var supply = supplies[node] ?? NodeSupply(labels: record.description.capabilities.labels)
        supplies[node] = supply
        guard supply.shares.contains(where: { share.fits(in: $0) }) else { return false }
        for (id, held) in holdings(of: node) where id != own { _ = supply.give(held) }
        for (_, held) in (leaving[node] ?? [:]).sorted(by: { $0.key < $1.key }) { _ = supply.give(held) }
        return supply.give(share)
    }

    /// What the instances of a node hold, the oldest first, then what is on its way.
    private func holdings(of node: NodeID) -> [(LogicalID, NUMAShare)] {
        let there = (running[node] ?? []).filter { shares[$0] != nil }
        let coming = (callsOfNode[node] ?? []).compactMap { call -> LogicalID? in
            guard case .start(let id, _) = calls[call]?.purpose, shares[id] != nil, !there.contains(id) else {
                return nil
            }
            return id
        }
        let ordered = there.sorted { (records.instances[$0]?.created ?? 0) < (records.instances[$1]?.created ?? 0) }
        return (ordered + coming.sorted()).map { ($0, shares[$0] ?? NUMAShare()) }
    }

    /// Remembers what a node has reported of its load.
    mutating func noteLoad(_ update: NodeUpdate) {
        live[update.node]?.load = Double(max(0, update.health.load1)) / 100
        live[update.node]?.startedSinceReport = 0
    }
}
