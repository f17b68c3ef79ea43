import Machine

/// What a request comes to: the change to commit, what the reply needs, and what should be logged.
package struct Decision: Equatable, Sendable {
    /// The new state of every claim that changes; empty where nothing does.
    package var change = LedgerChange()
    /// The CPUs that were given.
    package var granted = CPUSet()
    /// The CPUs that the holder gave back.
    package var released = CPUSet()
    /// The huge pages that the holder gave back.
    package var releasedPages: [PageReservation] = []
    /// What is left of the requester's pool (`shared_cpus` of the EPA specification).
    package var remainder = CPUSet()
    /// Whether there was something to release.
    package var found = false
    /// Who lost CPUs to the request, and which.
    package var preempted: [Preempted] = []
    /// What happened, for the log.
    package var events: [LedgerEvent] = []

    /// A decision that changes nothing.
    package init() {}

    /// A holder and the CPUs that it lost.
    package struct Preempted: Equatable, Sendable {
        /// Who lost them.
        package let holder: Holder
        /// The CPUs.
        package let cpus: CPUSet

        /// A loss.
        package init(holder: Holder, cpus: CPUSet) {
            self.holder = holder
            self.cpus = cpus
        }
    }
}

/// Something that a person should be able to read in the log.
package enum LedgerEvent: Equatable, Sendable {
    /// A holder was given CPUs.
    case granted(Holder, CPUSet, isExplicit: Bool)
    /// A holder was given CPUs that are offline (EPA specification, section 7, item 24).
    case grantedOffline(Holder, CPUSet)
    /// A holder gave CPUs back.
    case released(Holder, CPUSet)
    /// A holder's automatic CPUs went to another by EPA's NUMA rule (EPA specification, section 7, item 21).
    case preempted(from: Holder, by: Holder, CPUSet)
    /// A holder gave up explicit CPUs by its own request (item 20).
    case explicitLost(Holder, CPUSet)
    /// A holder's reservation of huge pages was set; 0 where it was removed.
    case reserved(Holder, node: Int, sizeKB: Int, count: Int)
    /// Pages in use and pages reserved are together more than the pool has (item 29).
    case overcommitted(node: Int, sizeKB: Int, total: Int, used: Int, reserved: Int)
    /// Pages were reserved that the kernel has promised to mappings already.
    case beyondKernelReservations(node: Int, sizeKB: Int, free: Int, kernelReserved: Int, reserved: Int)
    /// The whole pool is given away, nothing is left to share (item 28).
    case nothingToShare(Holder)
    /// A lease was renewed.
    case renewed(Holder, Lease)
    /// CPUs of a holder went offline, and others take their place.
    case replaced(Holder, CPUSet, by: CPUSet)
    /// The kernel does again what an active claim says.
    case recovered(Holder)
    /// The containers of a holder's pod are not what they were.
    case containersChanged(Holder, [ContainerState])
    /// A lease is over, and with it the claim.
    case expired(Holder, Lease)
    /// The kernel cannot keep others off a holder's CPUs by a partition; why it cannot.
    case weaklyIsolated(Holder, Isolation, String)
    /// The kernel refused a step, or could not undo one.
    case enforcementFailed(Holder, String)
}
