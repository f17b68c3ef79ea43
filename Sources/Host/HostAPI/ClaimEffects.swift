import Ledger
import Machine
import WireJSON

/// What a change did, besides what the claim is now: for the caller, and for those whose CPUs it took.
enum ClaimEffects {
    /// Writes the member `effects`.
    static func write(_ decision: Decision, of holder: Holder, to writer: inout JSONWriter) {
        writer.name("effects")
        writer.object { writer in
            writer.member("changed", !decision.change.isEmpty)
            writer.member("granted", decision.granted.list)
            writer.member("released", decision.released.list)
            writer.name("preempted")
            writer.array { array in
                for loss in decision.preempted {
                    array.object { entry in
                        entry.member("holder", loss.holder.fullName)
                        entry.member("cpus", loss.cpus.list)
                    }
                }
            }
            writer.member("no_longer_explicit", noLongerExplicit(decision).list)
            writer.member("warnings", decision.events.compactMap(\.warning))
        }
    }

    /// The caller's explicit CPUs that became automatic by its own request.
    private static func noLongerExplicit(_ decision: Decision) -> CPUSet {
        decision.events.reduce(into: CPUSet()) {
            if case .explicitLost(_, let cpus) = $1 { $0.formUnion(cpus) }
        }
    }
}

extension LedgerEvent {
    /// What a caller should know although the request was carried out; nil where there is nothing.
    fileprivate var warning: String? {
        switch self {
        case .grantedOffline(_, let cpus): "CPUs \(cpus) are offline"
        case .overcommitted(let node, let size, let total, let used, let reserved):
            "Node \(node) has \(total) huge pages of \(size) kB, of which \(used) are in use and \(reserved) reserved: what is "
                + "in use may not be what was reserved"
        case .beyondKernelReservations(let node, let size, let free, let kernelReserved, let reserved):
            "Node \(node) has \(free) free huge pages of \(size) kB, of which the kernel has promised \(kernelReserved) to "
                + "mappings; \(reserved) are reserved here"
        case .weaklyIsolated(_, let isolation, let why): "the isolation is \(isolation.rawValue), not partition: \(why)"
        default: nil
        }
    }
}
