import Machine
import Placement

/// The rules of the EPA socket (EPA specification, section 3).
///
/// Holders of other kinds take part as explicit holders: what they withdrew is never taken.
extension Ledger {
    /// Decides `command` without changing the ledger; ownership is checked first, in the same step.
    ///
    /// The caller keeps ``Decision/change`` durably and then applies it.
    ///
    /// - Throws: ``Refusal``.
    package func decide(_ command: Command, by caller: Caller, policy: Policy = []) throws(Refusal) -> Decision {
        if let claim = self[command.holder], !claim.owner.admits(caller) {
            throw Refusal(.notOwner(claim.holder, claim.owner))
        }
        var claim = self[command.holder] ?? Claim(holder: command.holder, owner: Owner(caller))
        switch command {
        case .allocateCores(_, let count, let isolated, let cores):
            return try allocate(count, to: &claim, isolated: isolated, cores: cores, policy: policy)
        case .releaseCores(_, let isolated):
            return try release(&claim, isolated: isolated)
        case .allocateNodeCores(_, let count, let node, let isolated, let cores):
            return try allocate(count, of: node, to: &claim, isolated: isolated, cores: cores, policy: policy)
        case .releaseNodeCores(_, let node, _):
            return try release(node, from: &claim)
        case .bookPages(_, let node, let size, let count, let capacity):
            return try book(count, node: node, sizeKB: size, in: &claim, capacity: capacity)
        case .unbookPages(_, let node, let size):
            return unbook(node: node, sizeKB: size, in: &claim)
        case .put(var claim):
            claim.owner = self[claim.holder]?.owner ?? claim.owner
            return try put(claim)
        case .end:
            var decision = Decision()
            guard self[claim.holder] != nil else { return decision }
            decision.found = true
            decision.change.removed = [claim.holder]
            decision.events = [.released(claim.holder, claim.withdrawn)]
            return decision
        }
    }

    // MARK: - Cores by count

    private func allocate(
        _ count: CoreCount, to claim: inout Claim, isolated: CPUSet, cores: CoreIndex?, policy: Policy
    ) throws(Refusal) -> Decision {
        guard !isolated.isEmpty else { throw Refusal(.nothingIsolated) }
        if case .exactly(let number) = count, number < 1 { throw Refusal(.invalidCount(number)) }
        let pool = isolated.subtracting(withdrawnByOthers(than: claim.holder))
        let wanted = count.resolved(pool: pool.count, isolated: isolated.count)
        guard wanted <= pool.count else {
            throw Refusal(
                .insufficient(requested: wanted, available: pool.count), blockers: holders(of: isolated, but: claim))
        }
        guard wanted > 0 else { throw Refusal(.emptyChoice(wanted), blockers: holders(of: isolated, but: claim)) }

        let pins = claim.dedicated(.explicit)
        let kept = policy.contains(.keepPins) ? pins : CPUSet()
        guard kept.count <= wanted else {
            throw Refusal(.pinsExceed(pinned: kept.count, requested: wanted))
        }
        let candidates = pool.subtracting(kept)
        let chosen =
            if policy.contains(.wholeCores), let cores {
                Placement.wholeCores(wanted - kept.count, of: candidates, cores: cores)
            } else {
                Placement.lowest(wanted - kept.count, of: candidates)
            }
        guard let chosen else {
            throw Refusal(
                .insufficient(requested: wanted, available: pool.count), blockers: holders(of: isolated, but: claim))
        }

        var decision = Decision()
        let before = claim
        claim.setDedicated(automatic: chosen, explicit: kept)
        decision.granted = chosen.union(kept)
        decision.remainder = pool.subtracting(decision.granted)
        decision.events.append(.granted(claim.holder, decision.granted, .automatic))
        let unpinned = pins.subtracting(kept)
        if !unpinned.isEmpty { decision.events.append(.unpinned(claim.holder, unpinned)) }
        if decision.remainder.isEmpty { decision.events.append(.nothingToShare(claim.holder)) }
        if claim != before { decision.change.record(claim) }
        return decision
    }

    private func release(_ claim: inout Claim, isolated: CPUSet) throws(Refusal) -> Decision {
        let held = claim.withdrawn
        // What is held can be given back even when nothing is isolated any more (section 7, item 23).
        guard !isolated.isEmpty || !held.isEmpty else { throw Refusal(.nothingIsolated) }
        var decision = Decision()
        decision.remainder = isolated.subtracting(withdrawnByOthers(than: claim.holder))
        guard !claim.parts.isEmpty else { return decision }
        claim.parts = []
        decision.found = true
        decision.change.record(claim)
        decision.events = [.released(claim.holder, held)]
        return decision
    }

    // MARK: - Cores of a node

    private func allocate(
        _ count: Int, of node: NodeFacts, to claim: inout Claim, isolated: CPUSet, cores: CoreIndex, policy: Policy
    ) throws(Refusal) -> Decision {
        let (number, nodeCPUs) = try cpus(of: node)
        guard !isolated.isEmpty else { throw Refusal(.nothingIsolated) }
        let isolatedHere = isolated.intersection(nodeCPUs)
        guard !isolatedHere.isEmpty else { throw Refusal(.nodeHasNoIsolated(number)) }
        guard count > 0 else { throw Refusal(.invalidCount(count)) }
        guard count <= isolatedHere.count else {
            throw Refusal(.nodeTooSmall(number, isolated: isolatedHere.count, requested: count))
        }
        let candidates = isolatedHere.subtracting(protectedByOthers(than: claim.holder))
        guard let chosen = choose(count, of: candidates, for: claim.holder, cores: cores, policy: policy) else {
            throw Refusal(.nodeProtected(number), blockers: holders(of: isolatedHere, but: claim, onlyProtected: true))
        }

        var decision = Decision()
        for var loser in losers(of: chosen, to: claim.holder) {
            let lost = loser.dedicated(.automatic).intersection(chosen)
            loser.setDedicated(
                automatic: loser.dedicated(.automatic).subtracting(chosen), explicit: loser.dedicated(.explicit))
            decision.change.record(loser)
            decision.events.append(.taken(from: loser.holder, by: claim.holder, lost))
        }
        let before = claim
        claim.setDedicated(
            automatic: claim.dedicated(.automatic).subtracting(nodeCPUs),
            explicit: claim.dedicated(.explicit).subtracting(nodeCPUs).union(chosen))
        decision.granted = chosen
        decision.events.append(.granted(claim.holder, chosen, .explicit))
        if claim != before { decision.change.record(claim) }
        return decision
    }

    private func choose(
        _ count: Int, of candidates: CPUSet, for holder: Holder, cores: CoreIndex, policy: Policy
    ) -> CPUSet? {
        func place(_ count: Int, _ candidates: CPUSet) -> CPUSet? {
            policy.contains(.wholeCores)
                ? Placement.wholeCores(count, of: candidates, cores: cores)
                : Placement.pairs(count, of: candidates, cores: cores)
        }
        guard policy.contains(.preferFree) else { return place(count, candidates) }
        let free = candidates.subtracting(withdrawnByOthers(than: holder))
        if let chosen = place(count, free) { return chosen }
        return place(count - free.count, candidates.subtracting(free))?.union(free)
    }

    private func release(_ node: NodeFacts, from claim: inout Claim) throws(Refusal) -> Decision {
        let (_, nodeCPUs) = try cpus(of: node)
        let released = claim.withdrawn.intersection(nodeCPUs)
        var decision = Decision()
        guard !released.isEmpty else { return decision }
        claim.setDedicated(
            automatic: claim.dedicated(.automatic).subtracting(nodeCPUs),
            explicit: claim.dedicated(.explicit).subtracting(nodeCPUs))
        decision.found = true
        decision.change.record(claim)
        decision.events = [.released(claim.holder, released)]
        return decision
    }

    private func cpus(of node: NodeFacts) throws(Refusal) -> (Int, CPUSet) {
        switch node {
        case .noTopology: throw Refusal(.noTopology)
        case .missing(let number): throw Refusal(.nodeMissing(number))
        case .cpus(let number, let cpus): return (number, cpus)
        }
    }

    // MARK: - Huge pages

    private func book(
        _ count: Int, node: Int, sizeKB: Int, in claim: inout Claim, capacity: PageCapacity
    ) throws(Refusal) -> Decision {
        guard count > 0 else { throw Refusal(.invalidCount(count)) }
        let existing = claim.booking(node: node, sizeKB: sizeKB)?.count ?? 0
        switch capacity {
        case .noSuchNode: throw Refusal(.pagesNodeMissing(node))
        case .noSuchSize: throw Refusal(.pagesSizeMissing(node: node, sizeKB: sizeKB))
        case .pages(let total, let kernelFree):
            let booked = bookedPages(node: node, sizeKB: sizeKB)
            let free = PageCapacity.free(total: total, free: kernelFree, booked: booked)
            let additional = count - existing
            guard additional <= 0 || (additional <= free && count <= Claim.PageBooking.maximumCount) else {
                throw Refusal(.insufficientPages(node: node, sizeKB: sizeKB, free: free, additional: additional))
            }
            var decision = Decision()
            claim.pages.removeAll { $0.node == node && $0.sizeKB == sizeKB }
            claim.pages.append(.init(node: node, sizeKB: sizeKB, count: count))
            if claim.pages != self[claim.holder]?.pages { decision.change.record(claim) }
            decision.events = [.booked(claim.holder, node: node, sizeKB: sizeKB, count: count)]
            let used = max(total - kernelFree, 0)
            if used > 0, booked + additional > total - used {
                decision.events.append(
                    .overcommitted(
                        node: node, sizeKB: sizeKB, total: total, used: used, booked: booked + additional))
            }
            return decision
        }
    }

    private func unbook(node: Int, sizeKB: Int, in claim: inout Claim) -> Decision {
        var decision = Decision()
        guard claim.booking(node: node, sizeKB: sizeKB) != nil else { return decision }
        claim.pages.removeAll { $0.node == node && $0.sizeKB == sizeKB }
        decision.found = true
        decision.change.record(claim)
        decision.events = [.booked(claim.holder, node: node, sizeKB: sizeKB, count: 0)]
        return decision
    }

    // MARK: - Any kind

    private func put(_ claim: Claim) throws(Refusal) -> Decision {
        var decision = Decision()
        decision.granted = claim.cpus
        guard claim != self[claim.holder] else { return decision }
        decision.change.claims = [claim]
        decision.events = [.granted(claim.holder, claim.cpus, claim.hasExplicitPart ? .explicit : .automatic)]
        var next = self
        do throws(LedgerViolation) { try next.apply(decision.change) } catch {
            throw Refusal(.conflict(error), blockers: holders(of: claim.cpus.union(claim.withdrawn), but: claim))
        }
        return decision
    }

    // MARK: - Who holds what

    /// The services, besides `holder`, whose automatic CPUs are among `cpus`.
    private func losers(of cpus: CPUSet, to holder: Holder) -> [Claim] {
        guard !cpus.isDisjoint(with: withdrawnByOthers(than: holder)) else { return [] }
        return sortedClaims.filter { $0.holder != holder && !$0.withdrawn.isDisjoint(with: cpus) }
    }

    private func holders(of cpus: CPUSet, but claim: Claim, onlyProtected: Bool = false) -> [Refusal.Blocker] {
        sortedClaims.compactMap { other in
            guard other.holder != claim.holder else { return nil }
            let all = onlyProtected && other.holder.kind == .service ? other.dedicated(.explicit) : other.withdrawn
            let common = all.intersection(cpus)
            return common.isEmpty ? nil : Refusal.Blocker(holder: other.holder, cpus: common)
        }
    }
}
