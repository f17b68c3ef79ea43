import Machine

/// All claims of one machine and the rules between them: a pure value.
///
/// Rules that hold after every step (``violation(of:)`` checks a claim against them):
/// - a CPU withdrawn by one holder is neither withdrawn by nor among the CPUs of another;
/// - no claim is empty, and no part of it either;
/// - a claim books each node and page size once, 1 to ``Claim/PageBooking/maximumCount`` pages.
package struct Ledger: Sendable, Equatable {
    private var claims: [Holder: Claim] = [:]
    /// The holders in the order of the EPA list.
    private var order: [Holder] = []
    /// Since when a holder has huge pages without a break, in steps of ``steps``; 0 for those loaded at start.
    private var pagesSince: [Holder: Int] = [:]
    private var steps = 0

    /// All CPUs withdrawn by any claim.
    package private(set) var withdrawn = CPUSet()
    /// The CPUs that EPA's NUMA rule may not take: withdrawn by an explicit part or by a holder that is no service.
    package private(set) var protected = CPUSet()

    /// An empty ledger.
    package init() {}

    /// The number of claims.
    package var count: Int { claims.count }

    /// The holders by display name in code points.
    package var holders: [Holder] { order }

    /// The claim of `holder`, where it has one.
    package subscript(holder: Holder) -> Claim? { claims[holder] }

    /// The claims by display name of their holders, in code points.
    package var sortedClaims: some Sequence<Claim> { order.lazy.compactMap { claims[$0] } }

    /// The holders with huge pages: first those loaded at start by name, then the others as they came (EPA
    /// specification 3.5).
    package var holdersWithPages: [Holder] {
        pagesSince.sorted { ($0.value, $0.key) < ($1.value, $1.key) }.map(\.key)
    }

    /// The pages of one node and size that all claims book together.
    package func bookedPages(node: Int, sizeKB: Int) -> Int {
        pagesSince.keys.reduce(0) { $0 + (claims[$1]?.booking(node: node, sizeKB: sizeKB)?.count ?? 0) }
    }

    /// The CPUs withdrawn by all but `holder`.
    func withdrawnByOthers(than holder: Holder) -> CPUSet {
        guard let own = claims[holder] else { return withdrawn }
        return withdrawn.subtracting(own.withdrawn)
    }

    /// The CPUs protected by all but `holder`.
    func protectedByOthers(than holder: Holder) -> CPUSet {
        guard let own = claims[holder] else { return protected }
        return protected.subtracting(protection(of: own))
    }

    /// Whether both have the same claims, since whenever.
    package static func == (left: Ledger, right: Ledger) -> Bool { left.claims == right.claims }

    // MARK: - Change

    /// Puts the new state of some claims in place of the old one.
    ///
    /// - Throws: ``LedgerViolation`` where a rule would be broken; the ledger is as before then.
    package mutating func apply(_ change: LedgerChange) throws(LedgerViolation) {
        let affected = change.removed + change.claims.map(\.holder)
        let before = affected.map { (holder: $0, claim: claims[$0], since: pagesSince[$0]) }
        // All old states leave before the new ones enter: CPUs may move from one claim to another.
        for holder in change.removed { remove(holder) }
        for claim in change.claims { withdraw(claim.holder) }
        steps += 1
        for claim in change.claims {
            guard let violation = violation(of: claim) else {
                put(claim)
                continue
            }
            for (holder, _, _) in before { remove(holder) }
            for (holder, claim, since) in before {
                guard let claim else { continue }
                put(claim)
                pagesSince[holder] = since
            }
            throw violation
        }
    }

    /// Forgets since when huge pages are booked, as a restart does.
    package mutating func forgetOrder() {
        steps = 0
        for holder in pagesSince.keys { pagesSince[holder] = 0 }
    }

    /// What `claim` would break beside the other claims, or nil.
    private func violation(of claim: Claim) -> LedgerViolation? {
        guard !claim.isEmpty, claim.parts.allSatisfy({ !$0.cpus.isEmpty }) else { return .empty(claim.holder) }
        var own = CPUSet()
        for part in claim.parts {
            guard part.withdrawn.isEmpty || part.cpus.isSubset(of: part.withdrawn) else {
                return .notWithdrawn(claim.holder, part.cpus.subtracting(part.withdrawn))
            }
            guard own.isDisjoint(with: part.withdrawn) else {
                return .overlap(claim.holder, claim.holder, own.intersection(part.withdrawn))
            }
            own.formUnion(part.withdrawn)
        }
        let used = claim.cpus
        if !used.isDisjoint(with: withdrawn) || !own.isDisjoint(with: inUse) {
            for other in claims.values where other.holder != claim.holder {
                let common = other.withdrawn.intersection(used).union(other.cpus.intersection(own))
                if !common.isEmpty { return .overlap(claim.holder, other.holder, common) }
            }
        }
        var keys = Set<[Int]>()
        for booking in claim.pages {
            guard (1...Claim.PageBooking.maximumCount).contains(booking.count), booking.node >= 0, booking.sizeKB > 0,
                keys.insert([booking.node, booking.sizeKB]).inserted
            else { return .badBooking(claim.holder, booking) }
        }
        return nil
    }

    /// All CPUs that any claim runs on or withdraws.
    private var inUse: CPUSet {
        sharedHolders == 0 ? withdrawn : claims.values.reduce(into: withdrawn) { $0.formUnion($1.cpus) }
    }
    private var sharedHolders = 0

    private func protection(of claim: Claim) -> CPUSet {
        claim.holder.kind == .service ? claim.dedicated(.explicit) : claim.withdrawn
    }

    /// Takes the claim's CPUs out of the unions, and the claim out of the table; its place in the orders stays.
    private mutating func withdraw(_ holder: Holder) {
        guard let old = claims.removeValue(forKey: holder) else { return }
        withdrawn.subtract(old.withdrawn)
        protected.subtract(protection(of: old))
        if old.parts.contains(where: \.isShared) { sharedHolders -= 1 }
    }

    private mutating func put(_ claim: Claim) {
        let place = place(of: claim.holder)
        if place == order.count || order[place] != claim.holder { order.insert(claim.holder, at: place) }
        claims[claim.holder] = claim
        withdrawn.formUnion(claim.withdrawn)
        protected.formUnion(protection(of: claim))
        if claim.parts.contains(where: \.isShared) { sharedHolders += 1 }
        if claim.pages.isEmpty {
            pagesSince[claim.holder] = nil
        } else if pagesSince[claim.holder] == nil {
            pagesSince[claim.holder] = steps
        }
    }

    private mutating func remove(_ holder: Holder) {
        withdraw(holder)
        pagesSince[holder] = nil
        let place = place(of: holder)
        if place < order.count, order[place] == holder { order.remove(at: place) }
    }

    /// Where `holder` stands or would stand in the order.
    private func place(of holder: Holder) -> Int {
        var low = 0
        var high = order.count
        while low < high {
            let middle = (low + high) / 2
            if order[middle] < holder { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// The new state of the claims that one command changes: what the store keeps and what a restart applies again.
package struct LedgerChange: Sendable, Equatable {
    /// Claims in their new state.
    package var claims: [Claim]
    /// Holders that hold nothing any more.
    package var removed: [Holder]

    /// A change of these claims.
    package init(claims: [Claim] = [], removed: [Holder] = []) {
        self.claims = claims
        self.removed = removed
    }

    /// Whether nothing changes.
    package var isEmpty: Bool { claims.isEmpty && removed.isEmpty }

    /// Records the new state of a claim, or that its holder holds nothing any more.
    mutating func record(_ claim: Claim) {
        if claim.isEmpty { removed.append(claim.holder) } else { claims.append(claim) }
    }
}

/// A rule of the ledger that a change would break. From a consistent ledger no command leads here; a store or a file to
/// import that does is corrupt.
package enum LedgerViolation: Error, Equatable, Sendable, CustomStringConvertible {
    /// A claim or one of its parts has nothing in it.
    case empty(Holder)
    /// A part runs on CPUs that it does not withdraw although it withdraws others.
    case notWithdrawn(Holder, CPUSet)
    /// Two parts or two holders have CPUs in common that one of them withdrew.
    case overlap(Holder, Holder, CPUSet)
    /// A booking is twice, or its figures are out of range.
    case badBooking(Holder, Claim.PageBooking)

    /// One sentence for people.
    package var description: String {
        switch self {
        case .empty(let holder): "the claim of \(quoted(holder)) holds nothing"
        case .notWithdrawn(let holder, let cpus): "\(quoted(holder)) runs on CPUs \(cpus) that it does not withdraw"
        case .overlap(let one, let two, let cpus) where one == two:
            "\(quoted(one)) holds CPUs \(cpus) twice"
        case .overlap(let one, let two, let cpus): "\(quoted(one)) and \(quoted(two)) both hold CPUs \(cpus)"
        case .badBooking(let holder, let booking):
            "\(quoted(holder)) books \(booking.count) pages of \(booking.sizeKB) kB on node \(booking.node), "
                + "which is twice or out of range"
        }
    }

    private func quoted(_ holder: Holder) -> String { holder.displayName.debugDescription }
}
