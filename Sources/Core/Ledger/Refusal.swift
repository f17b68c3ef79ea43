import Machine

/// Why a command is not carried out, and who stands in its way.
package struct Refusal: Error, Equatable, Sendable {
    /// What kept the command from being carried out.
    package let reason: Reason
    /// Who holds what the command would have needed, by name.
    package let blockers: [Blocker]

    /// A refusal for `reason`.
    package init(_ reason: Reason, blockers: [Blocker] = []) {
        self.reason = reason
        self.blockers = blockers
    }

    /// A holder and what it has of the CPUs that were wanted.
    package struct Blocker: Equatable, Sendable {
        /// Who holds them.
        package let holder: Holder
        /// The CPUs.
        package let cpus: CPUSet
    }

    /// The limits of the ledger.
    package enum Reason: Equatable, Sendable {
        /// Another user owns the claim.
        case notOwner(Holder, Owner)
        /// A count below -1, which the command has no meaning for.
        case invalidCount(Int)
        /// There are no isolated CPUs.
        case nothingIsolated
        /// More CPUs than the requester's pool has.
        case insufficient(requested: Int, available: Int)
        /// The default share of so small a pool is no CPU at all.
        case emptyChoice(Int)
        /// The holder's explicit CPUs are more than the request (policy `keep-pins`).
        case pinsExceed(pinned: Int, requested: Int)
        /// The machine has no NUMA topology.
        case noTopology
        /// No node of this number has CPUs.
        case nodeMissing(Int)
        /// The node's CPUs are not isolated.
        case nodeHasNoIsolated(Int)
        /// More CPUs than the node has isolated ones, whoever holds them.
        case nodeTooSmall(Int, isolated: Int, requested: Int)
        /// The rest of the node is protected by others.
        case nodeProtected(Int)
        /// There is no such node for huge pages.
        case pagesNodeMissing(Int)
        /// The node has no pages of this size.
        case pagesSizeMissing(node: Int, sizeKB: Int)
        /// More pages than are free.
        case insufficientPages(node: Int, sizeKB: Int, free: Int, additional: Int)
        /// The claim would break a rule between claims.
        case conflict(LedgerViolation)
    }
}
