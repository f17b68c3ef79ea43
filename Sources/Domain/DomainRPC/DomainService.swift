import Domain

/// The domain behind a ``DomainServer``.
///
/// If a method throws, the caller receives INTERNAL and the error is logged. ``CallerIdentity/current`` identifies the
/// caller.
package protocol DomainService: Sendable {
    /// Starts a function or resource; returns when a node has answered.
    func start(_ specification: Specification) async throws -> Result<LogicalID, DomainRefusal>

    /// Accepts a request to stop an instance. Its outcome is not reported.
    ///
    /// - Parameter kind: the kind according to the controller, which may be wrong.
    func stop(_ id: LogicalID, kind: ComponentKind) async throws

    /// Accepts new wiring for an instance. Its outcome is not reported.
    ///
    /// - Parameter kind: the kind of the origin according to the controller, which may be wrong.
    func patch(_ origin: LogicalID, mapping: [String: LogicalID], kind: ComponentKind) async throws

    /// Handles a node's registration or refresh.
    ///
    /// - Parameter problem: what is wrong with its URLs. If set, the node is refused with it regardless of the result.
    /// - Returns: the reason for a refusal; nil if it is accepted.
    func update(_ update: NodeUpdate, problem: DomainRefusal?) async throws -> DomainRefusal?
}
