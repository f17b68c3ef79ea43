import Machine
import Placement

/// The choice of CPUs for a claim. EPA's rules (EPA specification, section 3) are one set of values of ``CPURequest``.
extension Ledger {
    /// Gives `claim` the CPUs that `request` asks for, and takes from others what it may.
    func decide(
        _ request: CPURequest, _ claim: inout Claim, facts: MachineFacts, _ decision: inout Decision
    ) throws(Refusal) {
        let nodes = try cpus(ofNodes: request.nodes, facts)
        let isRelease = request.demand == .nothing
        let name = request.pool ?? (isRelease && !claim.grants.isEmpty ? claim.pool : Pool.isolated)
        if !claim.grants.isEmpty, claim.pool != name { throw Refusal(.otherPool(claim.holder, claim.pool)) }
        guard name != Pool.machine || claim.holder.kind == .pod else { throw Refusal(.noPool(name)) }
        let pool = facts.eligible(name, onlineOnly: request.onlineOnly)
        if isRelease { return try release(request, name, nodes: nodes, pool: pool, &claim, &decision) }
        guard let pool else { throw Refusal(.noPool(name)) }
        try checkPool(name, facts)
        guard !pool.isEmpty else { throw Refusal(.emptyPool(name)) }
        let isProtected = request.isProtected ?? claim.isProtected
        if claim.isProtected, !isProtected { throw Refusal(.protectedHolds(claim.holder)) }

        let scope = try Scope(self, request, of: claim, pool: pool, nodes: nodes, isProtected: isProtected, facts)
        let wanted = try scope.wanted(claim)
        let (kept, chosen) = try scope.choose(wanted, claim)

        let before = claim
        preempt(chosen, for: claim.holder, &decision)
        claim.giveUp(request, nodes: nodes)
        for index in claim.grants.indices { claim.grants[index].isProtected = isProtected }
        let fresh = chosen.subtracting(kept)
        if !fresh.isEmpty {
            let exclusive = try scope.exclusive(around: fresh, beside: claim)
            let housekeeping = exclusive.intersection(facts.housekeeping)
            guard housekeeping.isEmpty else { throw Refusal(.housekeeping(housekeeping)) }
            claim.add(
                Grant(
                    cpus: fresh, exclusive: exclusive, level: scope.level,
                    isExplicit: request.isExplicit, isProtected: isProtected, label: request.label))
        }
        claim.pool = name

        decision.granted = chosen
        decision.released = before.allCPUs.subtracting(claim.allCPUs)
        decision.events.append(.granted(claim.holder, chosen, isExplicit: request.isExplicit))
        let offline = facts.online.map { fresh.subtracting($0) } ?? CPUSet()
        if !offline.isEmpty { decision.events.append(.grantedOffline(claim.holder, offline)) }
        let lost = before.explicit.subtracting(claim.explicit)
        if !request.isExplicit, !lost.isEmpty { decision.events.append(.explicitLost(claim.holder, lost)) }
        guard request.nodes == nil else { return }
        decision.remainder = scope.candidates.subtracting(chosen)
        if decision.remainder.isEmpty, name == Pool.isolated {
            decision.events.append(.nothingToShare(claim.holder))
        }
    }

    private func release(
        _ request: CPURequest, _ name: String, nodes: CPUSet?, pool: CPUSet?, _ claim: inout Claim,
        _ decision: inout Decision
    ) throws(Refusal) {
        guard pool != nil || !claim.grants.isEmpty else { throw Refusal(.noPool(name)) }
        let pool = pool ?? CPUSet()
        let before = claim
        claim.giveUp(request, nodes: nodes)
        if nodes == nil {
            // What is held can be given back even when the pool is empty (section 7, item 23).
            guard !pool.isEmpty || !before.grants.isEmpty else { throw Refusal(.emptyPool(name)) }
            decision.remainder = pool.subtracting(exclusive(toOthersThan: claim.holder))
                .subtracting(shared(byOthersThan: claim.holder))
        }
        guard claim.grants != before.grants else { return }
        decision.found = true
        decision.released = before.allCPUs.subtracting(claim.allCPUs)
        decision.events.append(.released(claim.holder, decision.released))
    }

    /// Gives up all CPUs of `claim`, whatever pool they are in.
    func releaseAll(_ claim: inout Claim, _ decision: inout Decision) {
        guard !claim.grants.isEmpty else { return }
        decision.found = true
        decision.released = claim.allCPUs
        decision.events.append(.released(claim.holder, decision.released))
        claim.remove(decision.released)
    }

    /// The CPUs of the nodes together; nil where the request names none.
    private func cpus(ofNodes ids: [Int]?, _ facts: MachineFacts) throws(Refusal) -> CPUSet? {
        guard let ids else { return nil }
        guard facts.hasNUMA else { throw Refusal(.noTopology) }
        var cpus = CPUSet()
        for id in ids {
            guard let node = facts.nodes[id] else { throw Refusal(.nodeMissing(id)) }
            cpus.formUnion(node)
        }
        return cpus
    }

    /// A configured pool that excludes CPUs which somebody owns blocks new allocations there (EPA extensions,
    /// section 3). Pools that are always there are not configured: a CPU that goes offline leaves them for a
    /// while.
    private func checkPool(_ pool: String, _ facts: MachineFacts) throws(Refusal) {
        guard ![Pool.isolated, Pool.ordinary, Pool.machine].contains(pool), let configured = facts.pools[pool] else {
            return
        }
        for claim in sortedClaims where claim.pool == pool {
            let outside = claim.cpus.subtracting(configured)
            if !outside.isEmpty { throw Refusal(.poolLacksOwned(pool, claim.holder, outside)) }
        }
    }

    /// Takes `cpus` from the services that have them, whose grants are edited in place.
    private func preempt(_ cpus: CPUSet, for holder: Holder, _ decision: inout Decision) {
        guard !cpus.isDisjoint(with: exclusive(toOthersThan: holder)) else { return }
        for claim in sortedClaims where claim.holder != holder {
            let lost = claim.preemptible.intersection(cpus)
            guard !lost.isEmpty else { continue }
            var loser = decision.change.claims.first { $0.holder == claim.holder } ?? claim
            loser.remove(lost)
            if loser.grants.isEmpty, loser.reservations.isEmpty { loser.memoryNodes = [] }
            decision.change.record(loser)
            decision.preempted.append(.init(holder: claim.holder, cpus: lost))
            decision.events.append(.preempted(from: claim.holder, by: holder, lost))
        }
    }

    /// Who has CPUs among `cpus`, besides `holder`.
    ///
    /// - Parameter preemptible: whether what could be taken counts too.
    func blockers(of cpus: CPUSet, but holder: Holder, preemptible: Bool = true) -> [Refusal.Blocker] {
        sortedClaims.compactMap { other in
            guard other.holder != holder else { return nil }
            var held = other.exclusive.union(other.shared)
            if !preemptible { held.subtract(other.preemptible) }
            let common = held.intersection(cpus)
            return common.isEmpty ? nil : Refusal.Blocker(holder: other.holder, cpus: common)
        }
    }
}

extension Claim {
    /// Gives up the CPUs that `request` replaces.
    fileprivate mutating func giveUp(_ request: CPURequest, nodes: CPUSet?) {
        switch request.replaces {
        case .everything: remove(allCPUs)
        case .allButExplicit: grants.removeAll { !$0.isExplicit }
        case .nodes: remove(nodes ?? allCPUs)
        case .grant: grants.removeAll { request.isFor($0) }
        }
        if grants.isEmpty { pool = Pool.isolated }
    }
}
