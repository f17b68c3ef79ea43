import Domain

/// Calls the nodes and the controller of a domain.
package protocol DomainTransport: Sendable {
    /// Creates a client for a node's agent; does not connect yet.
    ///
    /// - Throws: if the URL cannot be used.
    func client(of node: NodeID, at url: String) throws -> any NodeClient

    /// Sends the controller an update.
    func update(_ update: DomainUpdate) async -> DomainUpdateOutcome

    /// The preferred executor for its calls; nil for none.
    var executor: (any TaskExecutor)? { get }
}

extension DomainTransport {
    /// No preference.
    package var executor: (any TaskExecutor)? { nil }
}

/// A client of one node's agent, over one connection.
package protocol NodeClient: Sendable {
    /// Makes a call that ends at the deadline, answered or not.
    ///
    /// - Parameter late: called once after the outcome was `.overdue`, with the outcome.
    func call(
        _ request: NodeCall.Request, within deadline: Duration, late: (@Sendable (CallOutcome) -> Void)?
    ) async -> CallOutcome

    /// Closes the connection and ends its calls.
    func close()
}

/// Observes a domain. Notifications arrive in order and one at a time, on any thread. An observer must not block,
/// because the domain waits for it.
package protocol DomainObserver: Sendable {
    /// The changes of a step were committed.
    func observe(_ changes: [DomainChange])

    /// A known node has reported.
    func observe(_ report: NodeUpdate)
}

/// Stores the records of a domain.
package protocol DomainRecordStore: AnyObject {
    /// Commits all changes or none, durably.
    ///
    /// - Parameter before: the records committed so far; used to rebuild a damaged store.
    func commit(_ changes: [DomainChange], before: DomainRecords) throws

    /// Why nothing can be stored at present; nil if there is no known problem.
    var failure: String? { get }

    /// Performs maintenance.
    func maintain(_ records: DomainRecords, isIdle: Bool)

    /// Closes the store.
    func close(_ records: DomainRecords)
}
