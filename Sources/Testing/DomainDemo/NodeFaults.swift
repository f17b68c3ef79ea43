import Domain

/// What a ``DemoNode`` does wrong, to see what becomes of it (domain specification, section 6.1). Without any it answers as the
/// reference's node.
package struct NodeFaults: Sendable {
    /// How long it waits before it does what it is asked.
    package var delay: Duration?
    /// Whether it takes calls and neither does nor answers anything.
    package var hangs = false
    /// How many of the next Starts it refuses.
    package var refusals = 0
    /// The node that its answers to Starts name in place of itself.
    package var claimedNode: NodeID?
    /// Whether its answers to Starts have neither an id nor an error.
    package var answersNothing = false
    /// Whether it does what it is asked, and then closes the connection in place of an answer.
    package var closesAfterExecuting = false
    /// Whether it answers every call with INTERNAL, and does nothing.
    package var fails = false
    /// How far its clock is ahead, in seconds.
    package var clockSkew = 0

    /// No faults.
    package init() {}
}
