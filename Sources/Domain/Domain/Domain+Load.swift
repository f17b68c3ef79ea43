/// The LoadAware strategy, an extension of Berth.
///
/// A function goes to the node with the least busy CPUs: the load average of its last report plus the functions sent
/// there since. A function that asks for isolated CPUs or huge pages only goes to a node where one NUMA node has all
/// of them left, according to the node's labels and the functions that the domain has placed there.
extension Domain {
    /// How many candidates are compared. With more candidates a random sample is drawn, so that a placement has a
    /// constant cost.
    private static let sample = 64

    /// What a function asks for; empty with other strategies.
    ///
    /// - Throws: ``RequirementError`` that names the key.
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

    /// The load of each CPU of a node, in tenths, and the instances for each CPU.
    private func load(of node: NodeID) -> (load: Int, instances: Double) {
        let cpus = Double(max(records.nodes[node]?.description.capabilities.cpus ?? 1, 1))
        let busy = (live[node]?.load ?? 0) + Double(live[node]?.startedSinceReport ?? 0)
        return (Int((busy / cpus * 10).rounded(.down)), Double(running[node]?.count ?? 0) / cpus)
    }

    /// Whether a NUMA node of the node has this share left, in addition to everything placed or in flight there except
    /// `own`.
    mutating func hasRoom(_ node: NodeID, for share: NUMAShare, besides own: LogicalID? = nil) -> Bool {
        guard !share.isEmpty else { return true }
        guard let record = records.nodes[node] else { return false }
        var allocatable = allocatables[node] ?? NodeAllocatable(labels: record.description.capabilities.labels)
        allocatables[node] = allocatable
        guard allocatable.shares.contains(where: { share.fits(in: $0) }) else { return false }
        for (id, held) in holdings(of: node) where id != own { _ = allocatable.allocate(held) }
        for (_, held) in (leaving[node] ?? [:]).sorted(by: { $0.key < $1.key }) { _ = allocatable.allocate(held) }
        return allocatable.allocate(share)
    }

    /// The shares of a node's instances, oldest first, then those in flight.
    private func holdings(of node: NodeID) -> [(LogicalID, NUMAShare)] {
        let there = (running[node] ?? []).filter { shares[$0] != nil }
        let incoming = (callsOfNode[node] ?? []).compactMap { call -> LogicalID? in
            guard case .start(let id, _) = calls[call]?.purpose, shares[id] != nil, !there.contains(id) else {
                return nil
            }
            return id
        }
        let ordered = there.sorted { (records.instances[$0]?.created ?? 0) < (records.instances[$1]?.created ?? 0) }
        return (ordered + incoming.sorted()).map { ($0, shares[$0] ?? NUMAShare()) }
    }

    /// Stores the load from a node's report.
    mutating func recordLoad(_ update: NodeUpdate) {
        live[update.node]?.load = Double(max(0, update.health.load1)) / 100
        live[update.node]?.startedSinceReport = 0
    }
}
