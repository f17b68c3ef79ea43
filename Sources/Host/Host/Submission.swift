import Kernel
import Ledger
import LedgerStore
import Machine

/// A request on its way to the ledger: what is asked, by whom, and how the frontend calls it.
package struct Submission: Sendable {
    /// What is asked.
    package let request: Request
    /// Who asks.
    package let caller: Caller
    /// The action as the frontend calls it: `allocate_cores`.
    package let action: String
    /// The figures of the request as the frontend calls them.
    package let parameters: [DecisionRecord.Parameter]
    /// What the holder's claim must be like, in the step that decides; nil where it does not matter. Called on the writer's
    /// thread.
    package let condition: (@Sendable (Claim?) -> Bool)?

    /// A submission.
    package init(
        _ request: Request, by caller: Caller, action: String, parameters: [DecisionRecord.Parameter] = [],
        condition: (@Sendable (Claim?) -> Bool)? = nil
    ) {
        self.request = request
        self.caller = caller
        self.action = action
        self.parameters = parameters
        self.condition = condition
    }
}

extension Submission {
    /// Checks the condition against `ledger`.
    ///
    /// - Throws: ``Host/Failure/conditionFailed(_:)``.
    func check(_ ledger: Ledger) throws(Host.Failure) {
        guard let condition, !condition(ledger[request.holder]) else { return }
        throw .conditionFailed(request.holder)
    }
}

extension Host {
    /// What a request came to.
    package struct Outcome: Sendable {
        /// What was decided; its change is durable.
        package let decision: Decision
        /// The figures of the request's pool after it.
        package let statistics: CoreStatistics
        /// The claim of the holder after it; nil where it has none.
        package let claim: Claim?
    }

    /// Decisions as they are stored.
    package struct History: Sendable {
        /// Decisions in order.
        package let decisions: [DecisionRecord]
        /// The number of the oldest record that is retained: earlier decisions cannot be read any more.
        package let oldest: Int64
    }

    /// Why a request was not carried out.
    package enum Failure: Error, Equatable, Sendable {
        /// The ledger's rules refuse it.
        case refused(Refusal)
        /// A file of the machine cannot be understood.
        case facts(FactsError)
        /// It could not be made durable.
        case notCommitted(CommitError)
        /// The frontend refuses it: the text of its reply.
        case invalid(String)
        /// The claim is not what the submission's condition asks for.
        case conditionFailed(Holder)
        /// Too many requests wait for the disk.
        case overloaded
        /// The program ends.
        case stopping
    }

    /// A ledger as it is stored, and how many times it has changed since the start.
    package struct Published: Sendable {
        /// The ledger.
        package let ledger: Ledger
        /// The number of its version; equal numbers mean equal ledgers.
        package let version: Int
    }

    /// What one decision came to, for the logs: in order.
    package struct Report: Sendable {
        /// The decision; numbered where it was committed.
        package let record: DecisionRecord
        /// What happened by it.
        package let events: [LedgerEvent]
        /// Why it was not carried out; nil where it was.
        package let failure: Failure?
    }
}

extension Host.Outcome {
    /// Applies a decision on `request` to `ledger`, and says what that came to.
    ///
    /// - Throws: ``Refusal`` where the change breaks a rule between claims.
    init(_ decision: Decision, of request: Request, on ledger: inout Ledger, _ facts: MachineFacts) throws(Refusal) {
        do { try ledger.apply(decision.change) } catch { throw Refusal(.conflict(error)) }
        self.init(
            decision: decision, statistics: ledger.statistics(of: facts.pool(of: request)),
            claim: ledger[request.holder])
    }
}

extension Ledger {
    /// Decides `request`, and plans the enforcement of what it prepares, so that the undo is committed before the first
    /// step.
    ///
    /// - Parameter last: the id of the last enforcement that was ever planned, as far as it is known; the new one's is higher.
    func decide(
        _ request: Request, facts: MachineFacts, caller: Caller, now: Int, enforcer: Result<any Enforcer, Refusal>,
        after last: Int = 0
    ) throws(Refusal) -> Decision {
        try enforceable(
            try decide(request, facts: facts, caller: caller, now: now), enforcer: enforcer, after: last)
    }

    /// Plans the enforcement of what `decision` prepares.
    ///
    /// - Parameter enforcer: what makes the kernel follow claims, or the refusal where nothing does.
    func enforceable(
        _ decision: Decision, enforcer: Result<any Enforcer, Refusal>, after last: Int
    ) throws(Refusal) -> Decision {
        var decision = decision
        for index in decision.change.claims.indices {
            let claim = decision.change.claims[index]
            guard claim.enforcement?.phase == .preparing else { continue }
            let enforcer = try enforcer.get()
            var with = self
            do { try with.apply(decision.change) } catch { throw Refusal(.conflict(error)) }
            do throws(EnforcementError) {
                let plan = try enforcer.plan(claim, in: with)
                decision.change.claims[index].enforcement?.steps = plan.steps
                decision.change.claims[index].enforcement?.isolation = plan.isolation
                decision.change.claims[index].enforcement?.nextSteps = plan.nextSteps
                if let limit = plan.limit {
                    decision.events.append(.weaklyIsolated(claim.holder, plan.isolation, limit))
                }
                if let lease = plan.lease { decision.change.claims[index].lease = lease }
            } catch {
                throw Refusal(.notEnforceable(claim.holder, error.description))
            }
            // Higher than every earlier one, so that a late answer about one of those does nothing.
            decision.change.claims[index].enforcement?.id = 1 + max(last, lastEnforcement)
        }
        return decision
    }

    /// The highest id of an enforcement.
    var lastEnforcement: Int { sortedClaims.compactMap(\.enforcement?.id).max() ?? 0 }
}

extension MachineFacts {
    /// The CPUs of the pool that `request` is about; none where it is about no CPUs.
    fileprivate func pool(of request: Request) -> CPUSet {
        guard case .claim(let claim) = request, let cpus = claim.grants.first else { return CPUSet() }
        return eligible(cpus.pool ?? Pool.isolated, onlineOnly: cpus.onlineOnly) ?? CPUSet()
    }
}
