import Machine

extension Ledger {
    /// Decides `request` without changing the ledger; ownership is checked first, in the same step.
    ///
    /// The caller commits ``Decision/change`` and then applies it. The same ledger, facts and request always give the same
    /// decision.
    ///
    /// - Parameter now: the time in milliseconds since 1970 UTC.
    /// - Throws: ``Refusal``.
    package func decide(
        _ request: Request, facts: MachineFacts, caller: Caller, now: Int
    ) throws(Refusal) -> Decision {
        let present = self[request.holder]
        if let present, !present.owner.admits(caller) {
            throw Refusal(.notOwner(present.holder, present.owner))
        }
        switch request {
        case .claim(let request):
            if let present {
                if let enforcement = present.enforcement {
                    let decision = try change(present, enforcement, as: request, facts, now: now)
                    try checkLimit(of: caller, present, decision)
                    return decision
                }
                // Where the kernel refuses it, the claim ends: what was recorded before must not end with it.
                guard request.enforcement == nil else { throw Refusal(.recorded(present.holder)) }
            }
            let before = present ?? Claim(holder: request.holder, owner: Owner(caller))
            let decision = try decide(request, from: before, facts: facts, now: now)
            try checkLimit(of: caller, before, decision)
            return decision
        case .release(let holder):
            guard let present else { return Decision() }
            if present.enforcement?.phase == .preparing { throw Refusal(.changing(holder)) }
            return end(present)
        case .renew(let holder, let lease):
            guard var claim = present else { throw Refusal(.noClaim(holder)) }
            guard claim.enforcement == nil || claim.enforcement?.phase == .active else {
                throw Refusal(.changing(holder))
            }
            guard !lease.isOver(at: now) else { throw Refusal(.leaseOver) }
            var decision = Decision()
            claim.lease = lease
            if claim != present {
                decision.change.claims = [claim]
                decision.events = [.renewed(holder, lease)]
            }
            return decision
        }
    }

    /// Checks that the exclusive CPUs of one user stay within the caller's limit where they grow.
    private func checkLimit(of caller: Caller, _ before: Claim, _ decision: Decision) throws(Refusal) {
        guard let limit = caller.cpuLimit, !caller.isAdministrator,
            let after = decision.change.claims.first(where: { $0.holder == before.holder })
        else { return }
        // What a change gives up does not count.
        let exclusive = after.grants.reduce(into: CPUSet()) { $0.formUnion($1.exclusive) }
        let (requested, present) = (exclusive.count, before.exclusive.count)
        let owned = sortedClaims.filter { $0.owner == before.owner && $0.holder != before.holder }
        let held = owned.reduce(0) { $0 + $1.exclusive.count }
        guard requested <= present || held + requested <= limit else {
            throw Refusal(.overLimit(limit: limit, held: held, requested: requested))
        }
    }

    private func decide(
        _ request: ClaimRequest, from before: Claim, facts: MachineFacts, now: Int
    ) throws(Refusal) -> Decision {
        var claim = before
        var decision = Decision()
        try decideCPUs(request, &claim, facts: facts, &decision)
        for pages in request.reservations { try reserve(pages, in: &claim, facts: facts, &decision) }
        for pages in claim.reservations where request.isComplete && !request.names(pages) {
            let none = ReservationRequest(node: pages.node, sizeKB: pages.sizeKB, count: 0)
            try reserve(none, in: &claim, facts: facts, &decision)
        }
        decision.releasedPages = before.pages(beyond: claim)
        if let nodes = request.memoryNodes {
            claim.memoryNodes = Set(nodes).sorted()
            let known = Set(facts.machine?.nodes.filter { $0.memoryBytes != 0 }.map(\.id) ?? [])
            let missing = claim.memoryNodes.filter { !known.contains($0) }
            guard missing.isEmpty else { throw Refusal(.memoryNodesMissing(missing)) }
        } else if request.isComplete || (claim.grants.isEmpty && claim.reservations.isEmpty) {
            // They are released with the last of what they were bound for.
            claim.memoryNodes = []
        }
        if let lease = request.lease {
            guard !lease.isOver(at: now) else { throw Refusal(.leaseOver) }
            claim.lease = lease
        } else if request.isComplete {
            claim.lease = .forever
        }
        if let enforcement = request.enforcement, !claim.isEmpty {
            claim.enforcement = Enforcement(enforcement, phase: .preparing)
        }
        // A claim that was not there and has nothing is none.
        if claim != before, !claim.isEmpty || self[claim.holder] != nil { decision.change.record(claim) }
        return decision
    }

    /// Decides which CPUs `claim` has.
    private func decideCPUs(
        _ request: ClaimRequest, _ claim: inout Claim, facts: MachineFacts, _ decision: inout Decision
    ) throws(Refusal) {
        if request.grants.isEmpty {
            if request.isComplete { releaseAll(&claim, &decision) }
        } else if request.keepsCPUs, claim.meets(request.grants, isComplete: request.isComplete, facts) {
            decision.granted = claim.cpus
        } else if request.isComplete, request.grants.count > 1 || claim.grants.count > 1 {
            try decide(request.grants, &claim, facts: facts, &decision)
        } else {
            for cpus in request.grants { try decide(cpus, &claim, facts: facts, &decision) }
        }
    }

    /// Gives `claim` exactly the grants that `requests` ask for. Those that it has stay, unless there is room for the others
    /// only where all are chosen anew.
    private func decide(
        _ requests: [CPURequest], _ claim: inout Claim, facts: MachineFacts, _ decision: inout Decision
    ) throws(Refusal) {
        let before = claim
        if !claim.grants.isEmpty, requests.contains(where: { $0.pool ?? Pool.isolated != claim.pool }) {
            throw Refusal(.otherPool(claim.holder, claim.pool))
        }
        if claim.isProtected, requests.contains(where: { $0.isProtected == false }) {
            throw Refusal(.protectedHolds(claim.holder))
        }
        var requests = requests
        for index in requests.indices {
            requests[index].replaces = .grant
            requests[index].isProtected = requests[index].isProtected ?? before.isProtected
        }
        claim.grants.removeAll { grant in !requests.contains { before.meets($0, grant, facts) } }
        let missing = requests.filter { request in !claim.grants.contains { before.meets(request, $0, facts) } }
        do throws(Refusal) { try add(missing, to: &claim, facts: facts, &decision) } catch {
            guard missing.count < requests.count else { throw error }
            claim.remove(claim.allCPUs)
            try add(requests, to: &claim, facts: facts, &decision)
        }
        decision.granted = claim.cpus
        decision.released = before.allCPUs.subtracting(claim.allCPUs)
        let lost = before.explicit.subtracting(claim.explicit)
        if !lost.isEmpty { decision.events.append(.explicitLost(claim.holder, lost)) }
    }

    /// Gives `claim` a grant for each of `requests`, or none.
    private func add(
        _ requests: [CPURequest], to claim: inout Claim, facts: MachineFacts, _ decision: inout Decision
    ) throws(Refusal) {
        var (changed, changes) = (claim, decision)
        for request in requests { try decide(request, &changed, facts: facts, &changes) }
        (claim, decision) = (changed, changes)
    }

    /// Changes an active claim: its CPUs, memory nodes and huge pages. Whom the kernel enforces it for, and how, stays; so does
    /// the lease unless a time is asked for. What meets the request already is not touched.
    private func change(
        _ present: Claim, _ enforcement: Enforcement, as request: ClaimRequest, _ facts: MachineFacts, now: Int
    ) throws(Refusal) -> Decision {
        guard enforcement.phase == .active else { throw Refusal(.changing(present.holder)) }
        guard let asked = request.enforcement ?? (request.isComplete ? nil : enforcement.request),
            asked.isBalanced == enforcement.request.isBalanced,
            asked.process == nil || asked.process == enforcement.request.process,
            (asked.pod == nil) == (enforcement.request.pod == nil)
        else { throw Refusal(.enforced(present.holder)) }
        var request = request
        request.enforcement = nil
        if case .until? = request.lease {} else { request.lease = present.lease }
        let isAlike = asked.minimum == enforcement.request.minimum && asked.pod == enforcement.request.pod
        if isAlike, present.meets(request, facts) { return try repeated(request, present, now: now) }
        var decision = try decide(request, from: present, facts: facts, now: now)
        if !isAlike, decision.change.isEmpty { decision.change.record(present) }
        guard let index = decision.change.claims.firstIndex(where: { $0.holder == present.holder }) else {
            // It holds nothing any more, or nothing changes.
            guard decision.change.removed.isEmpty else { throw Refusal(.enforced(present.holder)) }
            return decision
        }
        decision.change.claims[index].enforcement?.phase = .preparing
        decision.change.claims[index].enforcement?.request.minimum = asked.minimum
        decision.change.claims[index].enforcement?.request.pod = asked.pod
        decision.change.claims[index].predecessor = .claim(present)
        return decision
    }

    /// Accepts a request that an active claim meets already, such as one that was sent again. Its time may be renewed.
    private func repeated(_ request: ClaimRequest, _ present: Claim, now: Int) throws(Refusal) -> Decision {
        var decision = Decision()
        decision.granted = present.cpus
        guard let lease = request.lease, lease != present.lease else { return decision }
        guard !lease.isOver(at: now) else { throw Refusal(.leaseOver) }
        var renewed = present
        renewed.lease = lease
        decision.change.claims = [renewed]
        decision.events = [.renewed(present.holder, lease)]
        return decision
    }

    /// Ends a claim: at once, or after its enforcement was undone.
    private func end(_ claim: Claim) -> Decision {
        var decision = Decision()
        decision.found = true
        decision.released = claim.allCPUs
        decision.releasedPages = claim.reservations
        guard let enforcement = claim.enforcement else {
            decision.change.removed = [claim.holder]
            decision.events = [.released(claim.holder, decision.released)]
            return decision
        }
        guard enforcement.phase != .releasing else { return decision }
        var releasing = claim
        releasing.enforcement?.phase = .releasing
        decision.change.claims = [releasing]
        return decision
    }

    // MARK: - What happens without a caller

    /// The claims whose lease is over at `now`, by the clock alone.
    package func expired(at now: Int) -> [Holder] {
        sortedClaims.filter { $0.lease.isOver(at: now) && $0.enforcement?.phase != .releasing }.map(\.holder)
    }

    /// When the next lease ends, in milliseconds since 1970 UTC; nil where none does.
    package var nextExpiry: Int? {
        var next: Int?
        for claim in sortedClaims where claim.enforcement?.phase != .releasing {
            if case .until(let end) = claim.lease { next = min(next ?? end, end) }
        }
        return next
    }

    /// Decides what follows from an event that no caller asked for. An event that does not fit the ledger (any more)
    /// changes nothing.
    package func decide(_ transition: Transition) -> Decision {
        guard let claim = self[transition.holder] else { return Decision() }
        if let id = transition.enforcement, id != claim.enforcement?.id { return Decision() }
        var decision = Decision()
        switch transition {
        case .leaseOver(_, let lease):
            guard claim.lease == lease else { return decision }
            decision = end(claim)
            decision.events.insert(.expired(claim.holder, lease), at: 0)
        case .enforced(_, _, let containers):
            guard claim.enforcement?.phase == .preparing else { return decision }
            var active = claim.changed
            active.enforcement?.phase = .active
            active.enforcement?.failure = nil
            active.enforcement?.containers = containers
            if case .claim(let before) = claim.predecessor {
                decision.released = before.allCPUs.subtracting(active.allCPUs)
                decision.releasedPages = before.pages(beyond: active)
                if !decision.released.isEmpty { decision.events = [.released(claim.holder, decision.released)] }
            }
            decision.change.claims = [active]
            decision.granted = active.cpus
            decision.events.append(.granted(claim.holder, active.cpus, isExplicit: claim.hasExplicitGrant))
        case .seen(_, _, let containers):
            guard claim.enforcement?.phase == .active, claim.enforcement?.containers != containers else {
                return decision
            }
            var seen = claim
            seen.enforcement?.containers = containers
            decision.change.claims = [seen]
            decision.events = [.containersChanged(claim.holder, containers)]
        case .drifted(_, _, let failure):
            guard claim.enforcement?.phase == .active, claim.enforcement?.failure != failure else { return decision }
            var drifted = claim
            drifted.enforcement?.failure = failure
            decision.change.claims = [drifted]
            decision.events = [failure.map { .enforcementFailed(claim.holder, $0) } ?? .recovered(claim.holder)]
        case .undone(_, _, let failure):
            guard let phase = claim.enforcement?.phase, phase != .active else { return decision }
            if phase == .preparing, case .claim(let before) = claim.predecessor {
                decision.change.claims = [before]
                decision.events = [.enforcementFailed(claim.holder, failure ?? "the change was given up")]
                return decision
            }
            decision.change.removed = [claim.holder]
            decision.found = true
            decision.released = claim.allCPUs
            decision.releasedPages = claim.reservations
            if let failure { decision.events.append(.enforcementFailed(claim.holder, failure)) }
            decision.events.append(.released(claim.holder, decision.released))
        case .notUndone(_, _, let failure):
            guard let phase = claim.enforcement?.phase, phase != .active else { return decision }
            var stuck = claim
            if phase == .preparing, case .claim(let before) = claim.predecessor {
                // It is active, and drifts; the next check repairs that.
                stuck = before
            } else {
                stuck.enforcement?.phase = .releasing
            }
            stuck.enforcement?.failure = failure
            if stuck != claim { decision.change.claims = [stuck] }
            decision.events = [.enforcementFailed(claim.holder, failure)]
        }
        return decision
    }
}
