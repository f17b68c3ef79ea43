/// An instance that an operator moves.
struct Move: Sendable {
    let instance: LogicalID
    /// Where it ran.
    let from: NodeID
    /// What is stopped first; nil where it runs nowhere, or is stopped only when it has arrived.
    let former: PhysicalID?
    /// Where it is to run.
    let target: NodeID
    /// Who waits for the outcome.
    let request: RequestID
}

extension Domain {
    /// Takes what an operator wants (domain specification, section 4.11).
    mutating func take(_ intent: Intent, _ request: RequestID) {
        switch intent {
        case .cordon(let node, let isCordoned):
            guard records.nodes[node] != nil || records.cordoned.contains(node) else {
                return refuse(request, "unknown node", "\(node) is not in the domain")
            }
            if records.cordoned.contains(node) != isCordoned {
                change(.cordon(node, isCordoned))
                forgetTables()
                // It may have changed while it was given nothing and kept what it had.
                if !isCordoned { reconsider(node) }
                placeUnplaced()
            }
            effect(.settled(request, nil))
        case .migrate(let id, let targets): migrate(id, to: targets, request)
        }
    }

    private mutating func migrate(_ id: LogicalID, to targets: [NodeID], _ request: RequestID) {
        guard let record = records.instances[id] else { return refuse(request, "unknown instance", "\(id)") }
        guard attempts[id] == nil, !settling.contains(id) else {
            return refuse(request, "on the move", "\(id) is being started; ask again when it runs")
        }
        guard Set(targets) != Set([record.physical?.node].compactMap { $0 }) else {
            return refuse(request, "nothing to do", "\(id) runs there already")
        }
        let requirements = (try? Requirements(record.specification.texts)) ?? Requirements()
        let considered = considered(targets, record)
        guard
            let target = considered.first(where: { isFeasible($0, record.specification, requirements, for: id) })
        else {
            let known = considered.compactMap { records.nodes[$0] }
            let reason =
                known.isEmpty
                ? "no target is another node of the domain"
                : obstacles(among: known, to: record.specification, requirements, for: id)
            return refuse(request, "no valid node found", "none of the nodes can take \(id): \(reason)")
        }
        for node in targets where node != target {
            note(.warning, "a further target of a migration does not count", ["instance": "\(id)", "node": "\(node)"])
        }
        drop(.place(id))
        unplaced[id] = nil
        let former = options.makesBeforeBreaking ? nil : record.physical
        let move = Move(
            instance: id, from: record.physical?.node ?? target, former: former, target: target, request: request)
        guard let former else { return begin(move) }
        displace(id, from: former.node)
        moves[id] = move
        discard(former, record.specification.kind, holding: shares[id])
    }

    /// Functions go to the first node in the given order that can take them, resources to the first or nowhere.
    private func considered(_ targets: [NodeID], _ record: InstanceRecord) -> [NodeID] {
        let targets = if case .resource = record.specification { Array(targets.prefix(1)) } else { targets }
        return targets.filter { $0 != record.physical?.node }
    }

    /// What was to be stopped has been, or will be: what waited for it begins.
    mutating func leave(_ physical: PhysicalID) {
        // More than one where a node gave two instances one id.
        for move in moves.values.filter({ $0.former == physical }).sorted(by: { $0.request < $1.request }) {
            moves[move.instance] = nil
            begin(move)
        }
    }

    private mutating func begin(_ move: Move) {
        guard let record = records.instances[move.instance] else { return refuse(move, "the instance was stopped") }
        let requirements = (try? Requirements(record.specification.texts)) ?? Requirements()
        attempts[move.instance] = StartAttempt(
            specification: record.specification, requirements: requirements, created: record.created, request: nil,
            preferred: record.physical == nil ? [move.target, move.from] : [move.target], move: move)
        unsettle(move.instance)
        tryNext(move.instance)
    }

    /// The instance has arrived, at the target or elsewhere.
    mutating func finish(_ move: Move, at node: NodeID) {
        guard node != move.target else { return effect(.settled(move.request, nil)) }
        refuse(
            move, node == move.from ? "it runs where it ran, on \(node)" : "it runs on \(node) instead")
    }

    /// Nobody has taken it.
    mutating func fail(_ move: Move) {
        let isThere = records.instances[move.instance]?.physical != nil
        refuse(move, isThere ? "it stays where it runs, on \(move.from)" : "no node has taken it; it is tried again")
    }

    mutating func refuse(_ move: Move, _ outcome: String) {
        refuse(move.request, "migration failed", "\(move.instance) to \(move.target): \(outcome)")
    }

    private mutating func refuse(_ request: RequestID, _ summary: String, _ detail: String) {
        note(.warning, "an intent was not carried out", ["why": "\(summary): \(detail)"])
        effect(.settled(request, DomainRefusal(summary, detail: detail)))
    }
}
