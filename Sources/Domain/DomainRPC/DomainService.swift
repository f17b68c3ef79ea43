import Domain

/// What a ``DomainServer`` serves: the domain, seen from its controller and its nodes.
///
/// A thrown error means that the domain could not even take the request; the caller is told INTERNAL, and the error is logged.
/// Who calls is ``PeerIdentity/current``.
package protocol DomainService: Sendable {
    /// Starts a function or resource, and answers once a node has answered.
    func start(_ specification: Specification) async throws -> Result<LogicalID, DomainRefusal>

    /// Takes the wish to stop one. Nothing is told of what comes of it.
    ///
    /// - Parameter kind: what the controller holds it for, which may be wrong.
    func stop(_ id: LogicalID, kind: ComponentKind) async throws

    /// Takes the wish to lead the outputs of one to others. Nothing is told of what comes of it.
    ///
    /// - Parameter kind: what the controller holds the origin for, which may be wrong.
    func patch(_ origin: LogicalID, mapping: [String: LogicalID], kind: ComponentKind) async throws

    /// Takes what a node says of itself.
    ///
    /// - Parameter problem: what is wrong with its URLs. The node is refused with it, whatever is returned.
    /// - Returns: why the node is refused; nil where it is accepted.
    func update(_ update: NodeUpdate, problem: DomainRefusal?) async throws -> DomainRefusal?
}
