import Ledger
import LedgerStore

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

    /// A submission.
    package init(
        _ request: Request, by caller: Caller, action: String, parameters: [DecisionRecord.Parameter] = []
    ) {
        self.request = request
        self.caller = caller
        self.action = action
        self.parameters = parameters
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

    /// What one decision came to, for the logs: in order, after the caller was answered.
    package struct Report: Sendable {
        /// The decision; numbered where it was committed.
        package let record: DecisionRecord
        /// What happened by it.
        package let events: [LedgerEvent]
        /// Why it was not carried out; nil where it was.
        package let failure: Failure?
    }
}
