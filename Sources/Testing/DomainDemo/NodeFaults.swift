import Domain

/// The faults of a ``DemoNode`` (domain specification, section 6.1). Without faults it behaves like an EDGELESS node.
package struct NodeFaults: Sendable {
    /// The delay before it executes a call.
    package var delay: Duration?
    /// Whether it accepts calls without executing or answering them.
    package var hangs = false
    /// How many of the next Starts it refuses.
    package var refusals = 0
    /// The node id in its answers to Starts, instead of its own.
    package var claimedNode: NodeID?
    /// Whether its answers to Starts have neither an id nor an error.
    package var answersNothing = false
    /// Whether it closes the connection instead of answering, after executing the call.
    package var closesAfterExecuting = false
    /// Whether it answers every call with INTERNAL and executes nothing.
    package var fails = false
    /// Whether it answers no peer update for now.
    package var holdsPeerUpdates = false
    /// How far its clock is ahead, in seconds.
    package var clockSkew = 0

    /// No faults.
    package init() {}
}
