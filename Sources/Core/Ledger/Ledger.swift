import Machine

/// All claims of one machine and the rules between them: a pure value.
///
/// Rules that hold after every step (``violation(of:)`` checks a claim against them):
/// - a CPU that is exclusive to one holder is neither exclusive to nor among the CPUs of another;
/// - no claim is empty, and no grant of it either;
/// - a claim reserves each node and page size once, 1 to ``PageReservation/maximumCount`` pages.
package struct Ledger: Sendable, Equatable {
    private var claims: [Holder: Claim] = [:]
    /// The holders in the order of the EPA list.
    private var order: [Holder] = []
    /// Since when a holder has huge pages without a break, in steps of ``steps``; 0 for those loaded at start.
    private var pagesSince: [Holder: Int] = [:]
    private var steps = 0
    /// The holders with shared grants.
    private var sharing: Set<Holder> = []

    /// All CPUs that are exclusive to any claim.
    package private(set) var exclusive = CPUSet()
    /// Those of them that EPA's NUMA rule may not take: explicit, protected, or of a holder that is no service.
    package private(set) var unpreemptible = CPUSet()

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

    /// The pages of one node and size that all claims reserve together.
    package func reservedPages(node: Int, sizeKB: Int) -> Int {
        pagesSince.keys.reduce(0) { $0 + (claims[$1]?.pages(node: node, sizeKB: sizeKB) ?? 0) }
    }

    /// The name of `holder` on the EPA socket: bare for a service, `kind:name` for the others. A service whose bare name
    /// reads like another holder that is here has its full name, so that no two are listed alike.
    package func displayName(of holder: Holder) -> String {
        guard holder.kind == .service, let other = Holder(fullName: holder.name), claims[other] != nil else {
            return holder.displayName
        }
        return holder.fullName
    }

    /// The CPUs that are exclusive to others than `holder`.
    func exclusive(toOthersThan holder: Holder) -> CPUSet {
        guard let own = claims[holder] else { return exclusive }
        return exclusive.subtracting(own.exclusive)
    }

    /// Those of them that may not be taken.
    func unpreemptible(ofOthersThan holder: Holder) -> CPUSet {
        guard let own = claims[holder] else { return unpreemptible }
        return unpreemptible.subtracting(own.exclusive.subtracting(own.preemptible))
    }

    /// The CPUs that others than `holder` share.
    func shared(byOthersThan holder: Holder) -> CPUSet {
        sharing.reduce(into: CPUSet()) { if $1 != holder { $0.formUnion(claims[$1]?.shared ?? CPUSet()) } }
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
        for claim in change.claims { take(claim.holder) }
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

    /// Forgets since when huge pages are reserved, as a restart does.
    package mutating func forgetOrder() {
        steps = 0
        for holder in pagesSince.keys { pagesSince[holder] = 0 }
    }

    /// What `claim` would break beside the other claims, or nil.
    private func violation(of claim: Claim) -> LedgerViolation? {
        guard !claim.isEmpty, claim.grants.allSatisfy({ !$0.cpus.isEmpty }) else { return .empty(claim.holder) }
        var own = CPUSet()
        for grant in claim.grants {
            guard grant.isShared || grant.cpus.isSubset(of: grant.exclusive) else {
                return .notExclusive(claim.holder, grant.cpus.subtracting(grant.exclusive))
            }
            guard own.isDisjoint(with: grant.exclusive) else {
                return .overlap(claim.holder, claim.holder, own.intersection(grant.exclusive))
            }
            own.formUnion(grant.exclusive)
        }
        let used = claim.cpus
        if !used.isDisjoint(with: exclusive) || !own.isDisjoint(with: inUse) {
            for other in claims.values where other.holder != claim.holder {
                let common = other.exclusive.intersection(used).union(other.cpus.intersection(own))
                    .union(other.exclusive.intersection(own))
                if !common.isEmpty { return .overlap(claim.holder, other.holder, common) }
            }
        }
        var keys = Set<[Int]>()
        for pages in claim.reservations {
            guard (1...PageReservation.maximumCount).contains(pages.count), pages.node >= 0, pages.sizeKB > 0,
                keys.insert([pages.node, pages.sizeKB]).inserted
            else { return .badReservation(claim.holder, pages) }
        }
        return nil
    }

    /// All CPUs that any claim has, exclusive or shared.
    var inUse: CPUSet {
        sharing.reduce(into: exclusive) { $0.formUnion(claims[$1]?.shared ?? CPUSet()) }
    }

    /// Takes the claim's CPUs out of the unions, and the claim out of the table; its place in the order stays.
    private mutating func take(_ holder: Holder) {
        guard let old = claims.removeValue(forKey: holder) else { return }
        exclusive.subtract(old.exclusive)
        unpreemptible.subtract(old.exclusive.subtracting(old.preemptible))
        sharing.remove(holder)
    }

    private mutating func put(_ claim: Claim) {
        let place = place(of: claim.holder)
        if place == order.count || order[place] != claim.holder { order.insert(claim.holder, at: place) }
        claims[claim.holder] = claim
        let own = claim.exclusive
        exclusive.formUnion(own)
        unpreemptible.formUnion(own.subtracting(claim.preemptible))
        if !claim.shared.isEmpty { sharing.insert(claim.holder) }
        if claim.reservations.isEmpty, claim.predecessor.claim?.reservations.isEmpty ?? true {
            pagesSince[claim.holder] = nil
        } else if pagesSince[claim.holder] == nil {
            pagesSince[claim.holder] = steps
        }
    }

    private mutating func remove(_ holder: Holder) {
        take(holder)
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
