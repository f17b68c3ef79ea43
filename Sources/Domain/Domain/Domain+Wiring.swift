extension Domain {
    /// The controller wants an instance stopped (domain specification, section 4.7).
    mutating func stop(_ id: LogicalID) {
        guard let record = records.instances[id] else {
            return note(.info, "asked to stop what is unknown", ["instance": "\(id)"])
        }
        // A start that is on its way finds nobody when it comes back, and is stopped then.
        if let move = attempts.removeValue(forKey: id)?.move { refuse(move, "the instance was stopped") }
        unplaced[id] = nil
        misplaced[id] = nil
        toldWaiting.remove(id)
        settling.remove(id)
        drop(.place(id))
        drop(.patch(id))
        if let move = moves.removeValue(forKey: id) { refuse(move, "the instance was stopped") }
        let (row, share) = (records.rows[id] ?? [:], shares[id])
        change(.instanceRemoved(id))
        if let physical = record.physical {
            running[physical.node]?.remove(id)
            discard(physical, record.specification.kind, holding: share)
        }
        for target in Set(row.values) { unlink(id, from: target) }
        for origin in (origins.removeValue(forKey: id) ?? []).sorted() where origin != id {
            guard let row = records.rows[origin] else { continue }
            // The channel leads nowhere for ever: ids are not used again.
            change(.row(origin, row.filter { $0.value != id }))
            noteDue(origin)
            owe(.patch(origin))
        }
    }

    /// The controller says where the outputs of an instance lead (domain specification, section 4.8).
    mutating func patch(_ origin: LogicalID, _ row: [String: LogicalID]) {
        guard records.instances[origin] != nil else {
            return note(.info, "asked to patch what is unknown", ["instance": "\(origin)"])
        }
        for target in Set((records.rows[origin] ?? [:]).values) { unlink(origin, from: target) }
        for target in row.values { origins[target, default: []].insert(origin) }
        change(.row(origin, row))
        noteDue(origin)
        owe(.patch(origin))
    }

    private mutating func unlink(_ origin: LogicalID, from target: LogicalID) {
        origins[target]?.remove(origin)
        if origins[target]?.isEmpty == true { origins[target] = nil }
    }

    /// Keeps in mind that an instance's node has still to be told where its outputs lead.
    mutating func noteDue(_ origin: LogicalID) {
        guard records.rows[origin] != nil, !records.patchesDue.contains(origin) else { return }
        change(.patchDue(origin, true))
    }

    /// Tells the node of an instance where its outputs lead, as far as that is known; while it or one of its targets is on the
    /// move nobody is told: ``settle(_:)`` does when it has arrived.
    mutating func sendPatch(_ origin: LogicalID) {
        guard let row = records.rows[origin], let record = records.instances[origin] else {
            return drop(.patch(origin))
        }
        guard let physical = record.physical, let node = records.nodes[physical.node], !settling.contains(origin),
            !row.values.contains(where: { settling.contains($0) })
        else { return drop(.patch(origin)) }
        let mapping = row.compactMapValues { records.instances[$0]?.physical }
        callFor(.patch(origin), node, .patch(physical.component, record.specification.kind, mapping))
        chores[.patch(origin)]?.patched = (physical, isOutdated: false)
    }

    /// An instance loses its place; its record stays.
    mutating func displace(_ id: LogicalID, from node: NodeID) {
        running[node]?.remove(id)
        misplaced[id] = nil
        unsettle(id)
        change(.placed(id, nil))
    }

    /// Where an instance will be is open: nobody is told of it until that is known, and then all are that it concerns.
    mutating func unsettle(_ id: LogicalID) {
        settling.insert(id)
        for origin in [id] + (origins[id] ?? []) { noteDue(origin) }
    }

    /// An instance has a place: it is told where its outputs lead, and whoever leads to it where it is.
    mutating func arrive(_ id: LogicalID) {
        settling.remove(id)
        tell(id)
        for origin in (origins[id] ?? []).sorted() where origin != id { tell(origin) }
    }

    /// It is known that an instance has no new place at present: whoever leads to it is told so, once.
    mutating func settle(_ id: LogicalID) {
        guard settling.contains(id) else { return }
        arrive(id)
    }

    private mutating func tell(_ origin: LogicalID) {
        guard records.rows[origin] != nil else { return }
        noteDue(origin)
        owe(.patch(origin))
    }
}
