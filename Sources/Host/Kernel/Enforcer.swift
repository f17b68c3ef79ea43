import Ledger

/// Makes the kernel follow claims. A plan changes nothing; the other calls may take long, so they are made on a thread of
/// their own, one at a time.
package protocol Enforcer: Sendable {
    /// The steps that make the kernel follow `claim`, each with its undo, from what the kernel does now.
    ///
    /// - Parameter ledger: the ledger with the claim in it.
    /// - Throws: ``EnforcementError`` where it cannot be enforced here as strongly as was asked for.
    func plan(_ claim: Claim, in ledger: Ledger) throws(EnforcementError) -> EnforcementPlan

    /// Takes one step. It may have been taken before.
    ///
    /// - Throws: ``EnforcementError`` with the kernel's reason.
    func apply(_ step: EnforcementStep, of holder: Holder) throws(EnforcementError)

    /// Takes one step back. It may never have been taken, or been taken back already.
    ///
    /// - Throws: ``EnforcementError`` with the kernel's reason.
    func undo(_ step: EnforcementStep, of holder: Holder) throws(EnforcementError)

    /// Reads back what the kernel does.
    ///
    /// - Throws: ``EnforcementError`` where it differs from `claim`.
    func verify(_ claim: Claim) throws(EnforcementError)

    /// Reads back what the kernel does for many claims.
    ///
    /// - Returns: how it differs, for those for which it does.
    func differences(of claims: [Claim]) -> [Holder: EnforcementError]

    /// What the kernel does with the containers of a claim's pod, in the order of the claim; none where it is of no pod.
    func containers(of claim: Claim) -> [ContainerState]

    /// Repairs what is no part of any step: what the kernel itself does to the CPUs of these claims, where something can be done.
    func settle(_ claims: [Claim])
}

extension Enforcer {
    /// Nothing to repair.
    package func settle(_ claims: [Claim]) {}

    /// None.
    package func containers(of claim: Claim) -> [ContainerState] { [] }

    /// Reads back one claim after the other.
    package func differences(of claims: [Claim]) -> [Holder: EnforcementError] {
        var differences: [Holder: EnforcementError] = [:]
        for claim in claims {
            do throws(EnforcementError) { try verify(claim) } catch { differences[claim.holder] = error }
        }
        return differences
    }

    /// Takes steps back, the last one first. A step that fails does not keep the others from being undone.
    ///
    /// - Returns: what the first failure was.
    package func undo(_ steps: [EnforcementStep], of holder: Holder) -> EnforcementError? {
        var problem: EnforcementError?
        for step in steps.reversed() {
            do throws(EnforcementError) { try undo(step, of: holder) } catch { problem = problem ?? error }
        }
        return problem
    }
}

/// How a claim is to be enforced.
package struct EnforcementPlan: Equatable, Sendable {
    /// The steps, in order; for a change of an active claim those that were taken for it before come first.
    package var steps: [EnforcementStep]
    /// How strong the isolation is once they are taken.
    package var isolation: Isolation
    /// Why the isolation is no stronger; nil where it is a partition.
    package var limit: String?
    /// The lease that the claim gets in place of the one that was asked for; nil where that one stays. A claim that moves a
    /// process into a cgroup lives while that cgroup is populated.
    package var lease: Lease?
    /// What the steps are once a change of an active claim is enforced; empty where it is no change.
    package var nextSteps: [EnforcementStep]

    /// A plan of `steps`.
    package init(
        steps: [EnforcementStep], isolation: Isolation, lease: Lease? = nil, nextSteps: [EnforcementStep] = []
    ) {
        self.nextSteps = nextSteps
        self.steps = steps
        self.isolation = isolation
        self.lease = lease
    }
}

/// What the kernel, or the plan, says against a claim.
package struct EnforcementError: Error, Equatable, Sendable, CustomStringConvertible {
    /// One sentence for people.
    package let description: String

    /// An error with this text.
    package init(_ description: String) { self.description = description }
}
