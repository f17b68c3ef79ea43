extension Domain {
    /// Handles a Stop of the controller (domain specification, section 4.7).
    mutating func stop(_ id: LogicalID) {
        guard let record = records.instances[id] else {
            return log(.info, "a Stop names an unknown instance", ["instance": "\(id)"])
        }
        // A Start in flight finds no attempt when it answers, and its component is stopped then.
        if let attempt = attempts.removeValue(forKey: id) {
            drop(attempt.call)
            if let migration = attempt.migration { refuse(migration, "the instance was stopped") }
        }
        unschedulable[id] = nil
        infeasible[id] = nil
        reportedUnschedulable.remove(id)
        relocating.remove(id)
        cancel(.place(id))
        cancel(.patch(id))
        if let migration = migrations.removeValue(forKey: id) { refuse(migration, "the instance was stopped") }
        let (wiring, share) = (records.wirings[id] ?? [:], shares[id])
        change(.instanceRemoved(id))
        if let physical = record.physical {
            running[physical.node]?.remove(id)
            discard(physical, record.specification.kind, holding: share)
        }
        for target in Set(wiring.values) { unlink(id, from: target) }
        for origin in (origins.removeValue(forKey: id) ?? []).sorted() where origin != id {
            guard let wiring = records.wirings[origin] else { continue }
            // Remove the channel for good: ids are never reused.
            change(.wiring(origin, wiring.filter { $0.value != id }))
            markPatchDue(origin)
            enqueue(.patch(origin))
        }
    }

    /// Handles a Patch of the controller (domain specification, section 4.8).
    mutating func patch(_ origin: LogicalID, _ wiring: [String: LogicalID]) {
        guard records.instances[origin] != nil else {
            return log(.info, "a Patch names an unknown instance", ["instance": "\(origin)"])
        }
        for target in Set((records.wirings[origin] ?? [:]).values) { unlink(origin, from: target) }
        for target in wiring.values { origins[target, default: []].insert(origin) }
        change(.wiring(origin, wiring))
        markPatchDue(origin)
        enqueue(.patch(origin))
    }

    private mutating func unlink(_ origin: LogicalID, from target: LogicalID) {
        origins[target]?.remove(origin)
        if origins[target]?.isEmpty == true { origins[target] = nil }
    }

    /// Records that an instance's node still needs its wiring.
    mutating func markPatchDue(_ origin: LogicalID) {
        guard records.wirings[origin] != nil, !records.patchesDue.contains(origin) else { return }
        change(.patchDue(origin, true))
    }

    /// Sends an instance's wiring to its node, as far as its targets are placed. While the instance or a target is
    /// relocating, nothing is sent; ``finishRelocationIfPending(_:)`` sends it later.
    mutating func sendPatch(_ origin: LogicalID) {
        guard let wiring = records.wirings[origin], let record = records.instances[origin] else {
            return cancel(.patch(origin))
        }
        guard let physical = record.physical, let node = records.nodes[physical.node], !relocating.contains(origin),
            !wiring.values.contains(where: { relocating.contains($0) })
        else { return cancel(.patch(origin)) }
        let mapping = wiring.compactMapValues { records.instances[$0]?.physical }
        callFor(.patch(origin), node, .patch(physical.component, record.specification.kind, mapping))
        pendingCalls[.patch(origin)]?.patched = (physical, isOutdated: false)
    }

    /// Removes an instance from its node; its record stays.
    mutating func displace(_ id: LogicalID, from node: NodeID) {
        running[node]?.remove(id)
        infeasible[id] = nil
        beginRelocation(id)
        change(.placed(id, nil))
    }

    /// Marks an instance as relocating. Its origins are patched once the new placement is decided.
    mutating func beginRelocation(_ id: LogicalID) {
        relocating.insert(id)
        for origin in [id] + (origins[id] ?? []) { markPatchDue(origin) }
    }

    /// Sends the wiring of a placed instance, and of all instances that lead to it.
    mutating func finishRelocation(_ id: LogicalID) {
        relocating.remove(id)
        enqueuePatch(id)
        for origin in (origins[id] ?? []).sorted() where origin != id { enqueuePatch(origin) }
    }

    /// Patches the origins of an instance that found no new node, once.
    mutating func finishRelocationIfPending(_ id: LogicalID) {
        guard relocating.contains(id) else { return }
        finishRelocation(id)
    }

    private mutating func enqueuePatch(_ origin: LogicalID) {
        guard records.wirings[origin] != nil else { return }
        markPatchDue(origin)
        enqueue(.patch(origin))
    }
}
