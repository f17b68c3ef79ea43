/// The number of a call to a node, to match its answer.
package typealias CallID = UInt64
/// The number of a request that waits for a reply.
package typealias RequestID = UInt64

/// What a node's agent is asked to do.
package struct NodeCall: Hashable, Sendable {
    /// What it is asked.
    package enum Request: Hashable, Sendable {
        /// To stop all that it runs.
        case reset
        /// To know a peer (anew).
        case addPeer(NodeID, invocationURL: String)
        /// To forget a peer.
        case removePeer(NodeID)
        /// To start a function or resource.
        case start(Specification)
        /// To stop one.
        case stop(ComponentID, ComponentKind)
        /// To lead the outputs of one to these.
        case patch(ComponentID, ComponentKind, [String: PhysicalID])
    }

    /// Its number.
    package let id: CallID
    /// Which node.
    package let node: NodeID
    /// Where its agent listens.
    package let agentURL: String
    /// What it is asked.
    package let request: Request
}

/// How a call to a node ended.
package enum CallOutcome: Hashable, Sendable {
    /// It did what it was asked.
    case done
    /// It started a component, on the node that it says.
    case started(PhysicalID)
    /// It refuses to start it.
    case refused(DomainRefusal)
    /// It answered with a status that is an error.
    case failed(String)
    /// The call never reached it.
    case unreachable(String)
    /// The call may have reached it, and may have been carried out.
    case unknown(String)

    /// Why it did not do what it was asked; nil where it did.
    var problem: String? {
        switch self {
        case .done, .started: nil
        case .refused(let refusal): refusal.sentence
        case .failed(let reason), .unreachable(let reason), .unknown(let reason): reason
        }
    }
}
