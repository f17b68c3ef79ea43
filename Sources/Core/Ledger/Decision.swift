import Machine

/// What a command comes to: the change to keep, what the reply needs, and what the people concerned should hear of.
package struct Decision: Equatable, Sendable {
    /// The new state of every claim that changes; empty where nothing does.
    package var change = LedgerChange()
    /// The CPUs that the command gave.
    package var granted = CPUSet()
    /// What is left of the requester's pool (`shared_cpus` of the EPA specification).
    package var remainder = CPUSet()
    /// Whether there was something to release.
    package var found = false
    /// What happened, for the logs.
    package var events: [LedgerEvent] = []
}

/// Something that a person should be able to read in the log.
package enum LedgerEvent: Equatable, Sendable {
    /// A holder was given CPUs.
    case granted(Holder, CPUSet, Claim.Protection)
    /// A holder gave CPUs back.
    case released(Holder, CPUSet)
    /// A holder's automatic CPUs went to another by EPA's NUMA rule (section 7, item 21).
    case taken(from: Holder, by: Holder, CPUSet)
    /// A holder gave up the protection of explicit CPUs by its own request (item 20).
    case unpinned(Holder, CPUSet)
    /// A holder's booking of huge pages was set; 0 where it was removed.
    case booked(Holder, node: Int, sizeKB: Int, count: Int)
    /// Pages in use and pages booked are together more than the pool has (item 29).
    case overcommitted(node: Int, sizeKB: Int, total: Int, used: Int, booked: Int)
    /// The whole pool is given away, nothing is left to share (item 28).
    case nothingToShare(Holder)
}
