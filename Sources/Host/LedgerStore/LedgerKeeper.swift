import Ledger

/// Keeps the changes of a ledger durably. Used by one thread.
package protocol LedgerKeeper: AnyObject {
    /// Why no command may be carried out at all, not even one that changes nothing; nil where all is well.
    var untrusted: KeepingError? { get }

    /// Why nothing can be kept at present, as the last attempt showed; nil while all is well. ``keep(_:before:)`` without
    /// changes tries again.
    var failure: String? { get }

    /// Keeps changes, all of them or none, before it returns.
    ///
    /// - Parameters:
    ///   - changes: what changed, in order.
    ///   - before: the ledger as it was, all of which is durable; the authority where the store has to be made anew.
    /// - Throws: ``KeepingError`` where the changes are not durable; they will not reappear after a restart.
    func keep(_ changes: [LedgerChange], before: Ledger) throws(KeepingError)

    /// Does what can wait: called after changes, and about every second while there are none.
    ///
    /// - Parameters:
    ///   - ledger: the ledger as it is, all of which is durable.
    ///   - isIdle: whether nobody waits.
    func maintain(_ ledger: Ledger, isIdle: Bool)

    /// Ends orderly; nothing may be kept afterwards.
    func close(_ ledger: Ledger)
}

/// Why changes could not be made durable.
package enum KeepingError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Writing failed; a later try may succeed.
    case failed(String)
    /// What is on the disk cannot be trusted; an operator must decide.
    case untrusted(String)
    /// The state that the store was to begin with cannot be trusted; an operator must mend it or decide.
    case untrustedImport(String)

    /// One sentence for people, which names the file.
    package var description: String {
        switch self {
        case .failed(let text): "The change could not be stored, nothing was changed: \(text)"
        case .untrusted(let text):
            "The stored state is corrupt, allocations are refused until an operator restores it (berthd restore): \(text)"
        case .untrustedImport(let text):
            "The state to import is corrupt, allocations are refused until an operator mends the file or moves it away and "
                + "starts berthd again, or decides (berthd restore --from-state FILE, berthd restore --empty): \(text)"
        }
    }
}
