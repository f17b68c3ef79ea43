import Machine

extension Ledger {
    /// Sets or removes one reservation of `claim` (EPA specification 3.6).
    func reserve(
        _ request: ReservationRequest, in claim: inout Claim, facts: MachineFacts, _ decision: inout Decision
    ) throws(Refusal) {
        let (node, sizeKB, count) = (request.node, request.sizeKB, request.count)
        guard count >= 0 else { throw Refusal(.invalidCount(count)) }
        let existing = claim.reservation(node: node, sizeKB: sizeKB)?.count
        if count == 0 {
            guard existing != nil else { return }
            claim.reservations.removeAll { $0.node == node && $0.sizeKB == sizeKB }
            decision.found = true
            decision.events.append(.reserved(claim.holder, node: node, sizeKB: sizeKB, count: 0))
            return
        }
        guard let pools = facts.pages[node] else { throw Refusal(.pagesNodeMissing(node)) }
        guard let pool = pools.first(where: { $0.sizeKB == sizeKB }) else {
            throw Refusal(.pagesSizeMissing(node: node, sizeKB: sizeKB))
        }
        let reserved = reservedPages(node: node, sizeKB: sizeKB)
        let free = PageFigures.free(total: pool.total, free: pool.free, reserved: reserved)
        let additional = count - (existing ?? 0)
        guard additional <= 0 || (additional <= free && count <= PageReservation.maximumCount) else {
            throw Refusal(.insufficientPages(node: node, sizeKB: sizeKB, free: free, additional: additional))
        }
        claim.reservations.removeAll { $0.node == node && $0.sizeKB == sizeKB }
        claim.reservations.append(PageReservation(node: node, sizeKB: sizeKB, count: count))
        decision.events.append(.reserved(claim.holder, node: node, sizeKB: sizeKB, count: count))
        // What the kernel has promised may be the holders' own mappings, or anybody's: a warning supposes the worst.
        if pool.reserved > 0, additional > max(free - pool.reserved, 0) {
            decision.events.append(
                .beyondKernelReservations(
                    node: node, sizeKB: sizeKB, free: pool.free, kernelReserved: pool.reserved,
                    reserved: reserved + additional))
        }
        let used = max(pool.total - pool.free, 0)
        if used > 0, reserved + additional > pool.total - used {
            decision.events.append(
                .overcommitted(
                    node: node, sizeKB: sizeKB, total: pool.total, used: used, reserved: reserved + additional))
        }
    }
}
