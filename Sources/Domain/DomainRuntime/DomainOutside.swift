import Domain

/// Who carries the calls of a domain to its nodes and its controller.
package protocol DomainOutside: Sendable {
    /// Prepares to call a node's agent; does not connect yet.
    ///
    /// - Throws: where the URL cannot be used.
    func agent(of node: NodeID, at url: String) throws -> any NodeCaller

    /// Sends the controller an update.
    func update(_ update: DomainUpdate) async -> DomainUpdateOutcome

    /// Where its calls are best made; nil for anywhere.
    var executor: (any TaskExecutor)? { get }
}

extension DomainOutside {
    /// Anywhere.
    package var executor: (any TaskExecutor)? { nil }
}

/// One node's agent, over one connection.
package protocol NodeCaller: Sendable {
    /// Makes a call that ends by the deadline at the latest, answered or not.
    func call(_ request: NodeCall.Request, within deadline: Duration) async -> CallOutcome

    /// Ends the connection, also under calls that wait.
    func close()
}

/// Who follows what becomes of a domain. Is told in order, one thing at a time but not always on the same thread, and must not
/// wait: what follows in the domain does.
package protocol DomainFollower: Sendable {
    /// These changes of one step are kept now.
    func follow(_ changes: [DomainChange])

    /// A node that the domain knows has reported.
    func follow(_ report: NodeUpdate)
}

/// Who keeps what a domain must not forget.
package protocol DomainKeeper: AnyObject {
    /// Keeps changes, all or none, before it returns.
    ///
    /// - Parameter before: all that is kept already; the authority where the store has to be made anew.
    func keep(_ changes: [DomainChange], before: DomainRecords) throws

    /// Why nothing can be kept at present, as far as is known; nil while all is well.
    var failure: String? { get }

    /// Does what can wait.
    func maintain(_ records: DomainRecords, isIdle: Bool)

    /// Ends orderly.
    func close(_ records: DomainRecords)
}

/// Keeps nothing: for trying things out, and where there is no state folder.
package final class ForgetfulKeeper: DomainKeeper {
    /// A keeper that keeps nothing.
    package init() {}

    /// Nothing fails.
    package var failure: String? { nil }

    /// Does nothing.
    package func keep(_ changes: [DomainChange], before: DomainRecords) {}

    /// Does nothing.
    package func maintain(_ records: DomainRecords, isIdle: Bool) {}

    /// Does nothing.
    package func close(_ records: DomainRecords) {}
}
