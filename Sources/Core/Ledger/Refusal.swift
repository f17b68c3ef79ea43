import Machine

/// Why a request is not carried out, and who stands in its way.
package struct Refusal: Error, Equatable, Sendable {
    /// What kept the request from being carried out.
    package let reason: Reason
    /// Who holds what the request would have needed, by name.
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

        /// A blocker.
        package init(holder: Holder, cpus: CPUSet) {
            self.holder = holder
            self.cpus = cpus
        }
    }

    /// The limits of the ledger.
    package enum Reason: Equatable, Sendable {
        /// Another user owns the claim.
        case notOwner(Holder, Owner)
        /// There is no such claim.
        case noClaim(Holder)
        /// A count below 1 where CPUs or pages are asked for.
        case invalidCount(Int)
        /// The pool is not configured.
        case noPool(String)
        /// The pool has no CPUs.
        case emptyPool(String)
        /// The holder has CPUs in another pool.
        case otherPool(Holder, String)
        /// The pool was configured anew without CPUs that a holder has.
        case poolLacksOwned(String, Holder, CPUSet)
        /// CPUs of a list that the pool does not have.
        case notInPool(CPUSet, String)
        /// More CPUs than are free for the requester.
        case insufficient(requested: Int, available: Int)
        /// More whole cores than are free for the requester.
        case insufficientCores(requested: Int, available: Int)
        /// The count cannot be made up of whole cores that are free.
        case notWholeCores(Int)
        /// The default share of so few CPUs is none at all.
        case emptyChoice(Int)
        /// Housekeeping CPUs would be exclusive to somebody.
        case housekeeping(CPUSet)
        /// CPUs of a list that others have.
        case heldByOthers(CPUSet)
        /// The holder's explicit CPUs are more than the request, which keeps them.
        case explicitExceeds(explicit: Int, requested: Int)
        /// The machine has no NUMA topology.
        case noTopology
        /// No node of this number has CPUs.
        case nodeMissing(Int)
        /// None of the node's CPUs is in the pool of this name.
        case nodeOutsidePool(Int, String)
        /// More CPUs than the node has in the pool, whoever holds them.
        case nodeTooSmall(Int, String, inPool: Int, requested: Int)
        /// Too few CPUs of the node may be taken.
        case nodeHeld(Int)
        /// The machine does not say what the level would reach around a CPU.
        case levelUnknown(Exclusiveness, cpu: Int)
        /// No memory on these nodes.
        case memoryNodesMissing([Int])
        /// A protected claim asks for the legacy policy while it has CPUs.
        case protectedHolds(Holder)
        /// A protected claim would lose CPUs that have left the pool or gone offline.
        case ownedOutsidePool(CPUSet)
        /// There is no such node for huge pages.
        case pagesNodeMissing(Int)
        /// The node has no pages of this size.
        case pagesSizeMissing(node: Int, sizeKB: Int)
        /// More exclusive CPUs than the claims of one user may have together.
        case overLimit(limit: Int, held: Int, requested: Int)
        /// More pages than are free.
        case insufficientPages(node: Int, sizeKB: Int, free: Int, additional: Int)
        /// The lease is over already.
        case leaseOver
        /// The kernel is being changed for the claim at this moment.
        case changing(Holder)
        /// The kernel enforces the claim, which must be released before it can change.
        case enforced(Holder)
        /// The claim is recorded only, and must be released before it can be enforced.
        case recorded(Holder)
        /// The kernel refused to enforce the claim.
        case notEnforceable(Holder, String)
        /// Nothing here can enforce a claim; why, where that is known.
        case noEnforcement(String?)
        /// The claim would break a rule between claims.
        case conflict(LedgerViolation)
    }
}
