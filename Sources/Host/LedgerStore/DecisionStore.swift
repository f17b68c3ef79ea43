import Ledger

/// Commits the decisions on a ledger. Used by one thread.
package protocol DecisionStore: AnyObject {
    /// Why no request may be carried out at all, not even one that changes nothing; nil where the state is sound.
    var corruption: CommitError? { get }

    /// Why nothing can be committed at present, as the last attempt showed; nil while all is well.
    /// ``commit(_:before:)`` without records tries again.
    var failure: String? { get }

    /// Commits decisions, all of them or none, before it returns.
    ///
    /// - Parameters:
    ///   - records: the decisions, in order.
    ///   - before: the ledger as it was, all of which is durable; the authority where the store has to be made anew.
    /// - Returns: the sequence number of the first record; the others follow without a gap.
    /// - Throws: ``CommitError`` if the decisions are not durable; they do not reappear after a restart, except as
    ///   docs/storage.md says ("What is not detected").
    func commit(_ records: [DecisionRecord], before: Ledger) throws(CommitError) -> Int64

    /// The committed decisions from `start` on, at most `limit`, oldest first. Decisions that are too old to be retained are
    /// missing.
    func decisions(from start: HistoryStart, limit: Int) throws(CommitError) -> [DecisionRecord]

    /// The number of the oldest record that is retained.
    var oldest: Int64 { get }

    /// Does what can wait: called after commits, and about every second while there are none.
    ///
    /// - Parameters:
    ///   - ledger: the ledger as it is, all of which is durable.
    ///   - isIdle: whether nobody waits.
    func maintain(_ ledger: Ledger, isIdle: Bool)

    /// Ends orderly; nothing may be committed afterwards.
    func close(_ ledger: Ledger)
}

/// Where a reading of decisions begins.
package enum HistoryStart: Equatable, Sendable {
    /// After the decision of this number, which need not be there.
    case after(Int64)
    /// With the oldest of so many of the newest decisions.
    case newest(Int)
}

/// Why decisions could not be made durable.
package enum CommitError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Writing failed; a later try may succeed.
    case failed(String)
    /// The state on the disk is corrupt; an operator must decide.
    case corrupt(String)
    /// A newer version of Berth wrote the state on the disk.
    case newer(String)
    /// The state that the store was to begin with is corrupt; an operator must mend it or decide.
    case corruptImport(String)

    /// One sentence for people, which names the file.
    package var description: String {
        switch self {
        case .failed(let text): "The change could not be stored, nothing was changed: \(text)"
        case .corrupt(let text):
            "The stored state is corrupt, allocations are refused until an operator restores it (berthd restore): \(text)"
        case .newer(let text):
            "A newer version of Berth wrote the stored state, allocations are refused until that version runs again: \(text)"
        case .corruptImport(let text):
            "The state to import is corrupt, allocations are refused until an operator repairs the file or moves it away and "
                + "starts berthd again, or decides (berthd restore --from-state FILE, berthd restore --empty): \(text)"
        }
    }
}

/// Stands in for a store whose state is corrupt: commits nothing, and so refuses every change.
package final class RefusingStore: DecisionStore, Sendable {
    private let error: CommitError

    /// A store that gives `error` for each refusal.
    package init(_ error: CommitError) { self.error = error }

    /// The reason.
    package var corruption: CommitError? { error }

    /// Never: nothing is tried.
    package var failure: String? { nil }

    /// Refuses.
    package func commit(_ records: [DecisionRecord], before: Ledger) throws(CommitError) -> Int64 { throw error }

    /// None.
    package func decisions(from start: HistoryStart, limit: Int) throws(CommitError) -> [DecisionRecord] { [] }

    /// None is retained.
    package var oldest: Int64 { 0 }

    /// Does nothing.
    package func maintain(_ ledger: Ledger, isIdle: Bool) {}

    /// Does nothing.
    package func close(_ ledger: Ledger) {}
}
