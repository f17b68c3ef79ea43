/// The new state of the claims that one decision changes: what is committed, and what a restart applies again.
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
        claims.removeAll { $0.holder == claim.holder }
        if claim.isEmpty { removed.append(claim.holder) } else { claims.append(claim) }
    }
}
