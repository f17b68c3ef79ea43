/// A node whose lease has expired, and which may return without a reset.
///
/// Only this process knows it: after a restart of the orchestrator, such a node is reset when it returns.
struct MissingNode: Sendable {
    /// The run of the node; another one has lost its components.
    let nonce: UInt64
    /// The serving time until which it may return.
    let end: Int
    /// What it ran.
    let instances: [LogicalID: PhysicalID]
    /// The kind of every component that it may run, orphans included.
    let components: [PhysicalID: ComponentKind]
    /// Whether it may have carried out a Start without an answer.
    let hasUnknownOutcome: Bool
    /// The nodes that it knew.
    let peers: Set<NodeID>
}

extension Domain {
    /// Remembers what a node runs, before it is removed because its lease has expired.
    mutating func remember(_ id: NodeID) {
        guard options.disconnectGrace > 0, let record = records.nodes[id], record.isReset else { return }
        var instances: [LogicalID: PhysicalID] = [:]
        var components = records.orphans.filter { $0.key.node == id }
        for instance in running[id] ?? [] {
            guard let record = records.instances[instance], let physical = record.physical else { continue }
            instances[instance] = physical
            components[physical] = record.specification.kind
        }
        missing[id] = MissingNode(
            nonce: record.nonce, end: liveness.served + options.disconnectGrace * 1000, instances: instances,
            components: components,
            hasUnknownOutcome: records.unknownOutcomes.contains(id) || hasStartInFlight(id),
            peers: Set(records.nodes.keys).union(records.departed))
    }

    /// Takes the memory of a node that has not been silent for too long, unless this is another run of it. A node that
    /// keeps nothing, and may run what a Start without an answer has left, is better reset.
    mutating func recall(_ update: NodeUpdate) -> MissingNode? {
        guard let node = missing.removeValue(forKey: update.node), node.nonce == update.nonce,
            liveness.served <= node.end,
            !node.hasUnknownOutcome || node.instances.keys.contains(where: { runsNowhere($0) })
        else { return nil }
        return node
    }

    /// Whether an instance neither runs nor is being started.
    private func runsNowhere(_ id: LogicalID) -> Bool {
        guard let record = records.instances[id] else { return false }
        return record.physical == nil && attempts[id] == nil && migrations[id] == nil
    }

    mutating func forgetMissingNodes() {
        guard !missing.isEmpty else { return }
        missing = missing.filter { liveness.served <= $0.value.end }
    }

    /// Takes back a node without a reset. An instance that runs nowhere is the node's again. One that was started
    /// elsewhere meanwhile, or is being started, stays there, and one that was stopped stays stopped: what the node
    /// still runs for it is stopped.
    mutating func welcome(_ update: NodeUpdate, _ node: MissingNode) {
        let id = update.node
        var orphans = node.components
        var kept: [LogicalID] = []
        enterReady(update)
        if node.hasUnknownOutcome { noteUnknownOutcome(of: id) }
        mesh(id)
        for peer in node.peers.sorted() where records.nodes[peer] == nil { tell(id, of: peer, cause: id) }
        for (instance, physical) in node.instances.sorted(by: { $0.key < $1.key }) {
            guard runsNowhere(instance) else { continue }
            orphans[physical] = nil
            kept.append(instance)
            cancel(.place(instance))
            unschedulable[instance] = nil
            reportedUnschedulable.remove(instance)
            change(.placed(instance, physical))
            running[id, default: []].insert(instance)
        }
        for instance in kept { finishRelocation(instance) }
        for (physical, kind) in orphans.sorted(by: { $0.key < $1.key }) { discard(physical, kind) }
        log(
            .notice, "a missing node is back without a reset",
            logFields(of: id).merging(["kept": "\(kept.count)", "stopped": "\(orphans.count)"]) { $1 })
        reconsider(id)
        retryPlacement()
    }
}
