import Domain

/// What a ``DemoNode`` does wrong, to see what becomes of it (domain specification, section 6.1). Without any it answers as the
/// reference's node.
public struct NodeFaults: Sendable {
    /// How long it waits before it does what it is asked.
    public var delay: Duration?
    /// Whether it takes calls and neither does nor answers anything.
    public var hangs = false
    /// How many of the next Starts it refuses.
    public var refusals = 0
    /// The node that its answers to Starts name in place of itself.
    public var claimedNode: NodeID?
    /// Whether its answers to Starts have neither an id nor an error.
    public var answersNothing = false
    /// Whether it does what it is asked, and then closes the connection in place of an answer.
    public var closesAfterExecuting = false
    /// Whether it answers every call with INTERNAL, and does nothing.
    public var fails = false
    /// How far its clock is ahead, in seconds.
    public var clockSkew = 0

    /// No faults.
    public init() {}
}
