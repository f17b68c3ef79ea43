import Machine

extension Claim {
    /// The CPUs of its exclusive grants that do not run.
    package func missing(online: CPUSet) -> CPUSet {
        grants.reduce(into: CPUSet()) { if !$1.isShared { $0.formUnion($1.cpus.subtracting(online)) } }
    }
}

extension Ledger {
    /// Puts other CPUs in place of those of an active claim that are offline: whole cores first, of the same NUMA nodes where
    /// they have any. Each grant keeps its level and label. Shared CPUs are not replaced: the kernel leaves the others.
    ///
    /// - Parameter facts: those of the claim's pool, with all nodes and the whole machine.
    /// - Throws: ``Refusal`` where too few are free; the claim stays as it is.
    package func refill(_ holder: Holder, facts: MachineFacts) throws(Refusal) -> Decision {
        guard let present = self[holder], present.enforcement?.phase == .active, let online = facts.online else {
            return Decision()
        }
        let missing = present.missing(online: online)
        guard !missing.isEmpty else { return Decision() }
        var claim = present
        var decision = Decision()
        for index in claim.grants.indices where !claim.grants[index].isShared {
            let lost = claim.grants[index].cpus.subtracting(online)
            guard !lost.isEmpty else { continue }
            let grant = claim.grants.remove(at: index)
            let fresh = try replacements(for: lost, of: grant, &claim, facts, &decision)
            claim.grants.insert(grant.replacing(lost, by: fresh, facts), at: index)
        }
        claim.enforcement?.phase = .preparing
        claim.predecessor = .claim(present)
        decision.change.record(claim)
        decision.granted = claim.changed.cpus
        decision.events = [.replaced(holder, missing, by: decision.granted.subtracting(present.cpus))]
        return decision
    }

    /// A grant of as many CPUs as are lost, at the level of `grant`.
    private func replacements(
        for lost: CPUSet, of grant: Grant, _ claim: inout Claim, _ facts: MachineFacts, _ decision: inout Decision
    ) throws(Refusal) -> Grant {
        var whole = claim
        // What stays is in nobody's reach.
        whole.grants.append(grant)
        var request = CPURequest(
            .count(lost.count), pool: claim.pool, packing: .wholeCores, onlineOnly: true, replaces: .grant,
            isProtected: grant.isProtected, isExplicit: grant.isExplicit, level: grant.level,
            label: "\u{0}replacement")
        let near = facts.machine?.nodes.filter { !$0.rawCPUs.isDisjoint(with: grant.cpus) }.map(\.id) ?? []
        if !near.isEmpty, near.allSatisfy({ facts.nodes[$0] != nil }) { request.nodes = near }
        do throws(Refusal) { try decide(request, &whole, facts: facts, &decision) } catch {
            guard request.nodes != nil else { throw error }
            request.nodes = nil
            try decide(request, &whole, facts: facts, &decision)
        }
        return whole.grants.removeLast()
    }
}

extension Grant {
    /// The grant with the CPUs of `other` in place of `lost`.
    fileprivate func replacing(_ lost: CPUSet, by other: Grant, _ facts: MachineFacts) -> Grant {
        var grant = self
        grant.cpus.subtract(lost)
        // What only the lost CPUs kept from others is free.
        let reach = grant.cpus.reduce(into: grant.cpus) { $0.formUnion(facts.domain(of: $1, level) ?? exclusive) }
        grant.exclusive = exclusive.intersection(reach).subtracting(lost).union(other.exclusive)
        grant.cpus.formUnion(other.cpus)
        return grant
    }
}
