/// The number of a call to a node; matches its answer.
package typealias CallID = UInt64
/// The number of a request that waits for a reply.
package typealias RequestID = UInt64

/// A call to the agent of a node.
package struct NodeCall: Hashable, Sendable {
    /// What the agent is asked to do.
    package enum Request: Hashable, Sendable {
        /// Stop everything that it runs.
        case reset
        /// Add or replace a peer.
        case addPeer(NodeID, invocationURL: String)
        /// Forget a peer.
        case removePeer(NodeID)
        /// Start a function or resource.
        case start(Specification)
        /// Stop a component.
        case stop(ComponentID, ComponentKind)
        /// Replace the wiring of a component.
        case patch(ComponentID, ComponentKind, [String: PhysicalID])
    }

    /// Its number.
    package let id: CallID
    /// Which node.
    package let node: NodeID
    /// Where its agent listens.
    package let agentURL: String
    /// The request.
    package let request: Request
}

/// The outcome of a call to a node.
package enum CallOutcome: Hashable, Sendable {
    /// The node did what it was asked.
    case done
    /// The node started a component, on the node named in its answer.
    case started(PhysicalID)
    /// The node refuses to start it.
    case refused(DomainRefusal)
    /// The node returned an error status.
    case failed(String)
    /// The call never reached the node.
    case unreachable(String)
    /// The call may have reached the node, and may have been carried out.
    case unknown(String)
    /// A Start has no answer in time, and may be carried out. Another outcome of the same call follows.
    case overdue(String)
    /// The call was not made, because nobody needs it any more.
    case dropped

    /// Why the node did not do what it was asked; nil if it did.
    var problem: String? {
        switch self {
        case .done, .started: nil
        case .refused(let refusal): refusal.sentence
        case .failed(let reason), .unreachable(let reason), .unknown(let reason), .overdue(let reason): reason
        case .dropped: "nobody needed it any more"
        }
    }
}
