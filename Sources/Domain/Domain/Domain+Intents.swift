/// An instance that an operator moves.
struct Migration: Sendable {
    let instance: LogicalID
    /// Where it ran.
    let from: NodeID
    /// The component to stop first; nil if it runs nowhere, or is stopped only after the new one has started.
    let former: PhysicalID?
    /// Where it is to run.
    let target: NodeID
    /// The request that waits for the outcome.
    let request: RequestID
}

extension Domain {
    /// Handles an operator's intent (domain specification, section 4.11).
    mutating func take(_ intent: Intent, _ request: RequestID) {
        switch intent {
        case .cordon(let node, let isCordoned):
            guard records.nodes[node] != nil || records.cordoned.contains(node) else {
                return refuse(request, "unknown node", "\(node) is not in the domain")
            }
            if records.cordoned.contains(node) != isCordoned {
                change(.cordon(node, isCordoned))
                let text =
                    isCordoned
                    ? "a node was cordoned"
                    : records.nodes[node] == nil
                        ? "the cordon of a node that is not in the domain was removed" : "a node was uncordoned"
                log(.notice, text, logFields(of: node))
                invalidateIndex()
                // It may have changed while it was cordoned and kept its instances.
                if !isCordoned { reconsider(node) }
                retryPlacement()
            }
            effect(.intentFinished(request, nil))
        case .migrate(let id, let targets): migrate(id, to: targets, request)
        }
    }

    private mutating func migrate(_ id: LogicalID, to targets: [NodeID], _ request: RequestID) {
        guard let record = records.instances[id] else { return refuse(request, "unknown instance", "\(id)") }
        guard attempts[id] == nil, !relocating.contains(id) else {
            return refuse(request, "already moving", "\(id) is being started; try again when it runs")
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
                : infeasibilityReasons(among: known, to: record.specification, requirements, for: id)
            return refuse(request, "no valid node found", "none of the nodes can take \(id): \(reason)")
        }
        cancel(.place(id))
        unschedulable[id] = nil
        let former = options.makesBeforeBreaking ? nil : record.physical
        let migration = Migration(
            instance: id, from: record.physical?.node ?? target, former: former, target: target, request: request)
        guard let former else { return begin(migration) }
        displace(id, from: former.node)
        migrations[id] = migration
        discard(former, record.specification.kind, holding: shares[id])
    }

    /// The nodes to consider, in the given order; for a resource only the first.
    private func considered(_ targets: [NodeID], _ record: InstanceRecord) -> [NodeID] {
        let targets = if case .resource = record.specification { Array(targets.prefix(1)) } else { targets }
        return targets.filter { $0 != record.physical?.node }
    }

    /// Begins the migrations that waited for a component to stop.
    mutating func leave(_ physical: PhysicalID) {
        // More than one if a node gave two instances the same id.
        for migration in migrations.values.filter({ $0.former == physical }).sorted(by: { $0.request < $1.request }) {
            migrations[migration.instance] = nil
            begin(migration)
        }
    }

    private mutating func begin(_ migration: Migration) {
        guard let record = records.instances[migration.instance] else {
            return refuse(migration, "the instance was stopped")
        }
        let requirements = (try? Requirements(record.specification.texts)) ?? Requirements()
        attempts[migration.instance] = StartAttempt(
            specification: record.specification, requirements: requirements, created: record.created, request: nil,
            preferred: record.physical == nil ? [migration.target, migration.from] : [migration.target],
            migration: migration)
        beginRelocation(migration.instance)
        tryNext(migration.instance)
    }

    /// Reports a migration whose instance has started, at the target or elsewhere.
    mutating func finish(_ migration: Migration, at node: NodeID) {
        guard node != migration.target else { return effect(.intentFinished(migration.request, nil)) }
        refuse(
            migration, node == migration.from ? "it runs where it did before, on \(node)" : "it runs on \(node) instead"
        )
    }

    /// Reports a migration that no node took.
    mutating func fail(_ migration: Migration) {
        let isThere = records.instances[migration.instance]?.physical != nil
        refuse(
            migration,
            isThere ? "it stays where it runs, on \(migration.from)" : "no node has taken it; it will be retried")
    }

    mutating func refuse(_ migration: Migration, _ outcome: String) {
        refuse(migration.request, "migration failed", "\(migration.instance) to \(migration.target): \(outcome)")
    }

    private mutating func refuse(_ request: RequestID, _ summary: String, _ detail: String) {
        log(.warning, "an intent was not carried out", ["reason": "\(summary): \(detail)"])
        effect(.intentFinished(request, DomainRefusal(summary, detail: detail)))
    }
}
