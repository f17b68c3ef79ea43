import Ledger
import LedgerStore

/// What a frontend calls those that have something.
package enum Wording: Sendable {
    /// Services, by their bare names; where the EPA specification's section 2 prescribes a text, exactly that. Some texts name
    /// the action of the request.
    case services(action: String)
    /// Claims, by the full names of their holders.
    case claims

    /// The holder's name, in quotes.
    fileprivate func quoted(_ holder: Holder) -> String {
        switch self {
        case .services: holder.displayName.debugDescription
        case .claims: holder.fullName.debugDescription
        }
    }
}

extension Host.Failure {
    /// The text that the caller gets.
    package func text(_ wording: Wording) -> String {
        switch self {
        case .refused(let refusal): refusal.text(wording)
        case .facts(let error): error.description
        case .notCommitted(let error): error.description
        case .invalid(let text): text
        case .conditionFailed(let holder):
            "The claim of \(wording.quoted(holder)) is not what the condition of the request says"
        case .overloaded: "Too many changes wait for the disk; try again later"
        case .stopping: "The service is stopping"
        }
    }
}

extension Refusal {
    /// The text that the caller gets.
    package func text(_ wording: Wording) -> String {
        func quoted(_ holder: Holder) -> String { wording.quoted(holder) }
        return switch (reason, wording) {
        case (.notOwner(let holder, let owner), .services):
            "Service \(quoted(holder)) is owned by \(owner); only its owner and administrators may change it"
        case (.notOwner(let holder, let owner), .claims):
            "The claim of \(quoted(holder)) is owned by \(owner); only its owner and administrators may change it"
        case (.noClaim(let holder), _): "\(quoted(holder)) has no claim"
        case (.invalidCount(let count), .services(let action)):
            "A count of \(count) is invalid for \(action): use -1 to release"
        case (.invalidCount(let count), .claims): "A count of \(count) is out of range"
        case (.noPool(let pool), _): "CPU pool \(pool) is not configured"
        case (.emptyPool(Pool.isolated), .services(action: "allocate_numa_cores")):
            "No Isolated CPUs available for allocation"
        case (.emptyPool, _): "No CPUs available"
        case (.otherPool(let holder, let pool), .services):
            "Service \(holder.displayName) owns CPUs in pool \(pool); release that allocation in its pool before "
                + "switching pools"
        case (.otherPool(let holder, let pool), .claims):
            "The claim of \(quoted(holder)) has CPUs in the pool \(pool); release it before it can have CPUs in another one"
        case (.poolLacksOwned(let pool, let holder, let cpus), _):
            "CPU pool \(pool) does not have CPUs \(cpus), which \(quoted(holder)) owns; release them, or add them to the "
                + "pool, before anything new is allocated there"
        case (.notInPool(let cpus, let pool), _): "CPUs \(cpus) are not in the CPU pool \(pool)"
        case (.insufficient(let requested, let available), _):
            "Insufficient CPUs available. Requested: \(requested), Available: \(available)"
        case (.insufficientCores(let requested, let available), _):
            "Insufficient whole cores available. Requested: \(requested), Available: \(available)"
        case (.notWholeCores(let count), _): "\(count) CPUs cannot be made up of whole free cores"
        case (.emptyChoice(let count), _): "Failed to allocate \(count) cores"
        case (.conflict(.overlap(let one, let other, let cpus)), _) where one == other:
            "Two grants of the claim ask for CPUs \(cpus)"
        case (.housekeeping(let cpus), _):
            "CPUs \(cpus) are housekeeping CPUs, which stay with the rest of the machine"
        case (.heldByOthers(let cpus), .services), (.conflict(.overlap(_, _, let cpus)), .services):
            "Requested CPUs \(cpus) are already allocated to other services"
        case (.heldByOthers(let cpus), .claims), (.conflict(.overlap(_, _, let cpus)), .claims):
            "Others have CPUs \(cpus)"
        case (.explicitExceeds(let explicit, let requested), .services):
            "The service holds \(explicit) explicitly allocated CPUs, which the policy keep-pins keeps; \(requested) were "
                + "requested. Release some with allocate_numa_cores -1 first"
        case (.explicitExceeds(let explicit, let requested), .claims):
            "The claim has \(explicit) explicit CPUs, which the request keeps; it asks for \(requested)"
        case (.noTopology, _): "NUMA topology not available"
        case (.nodeMissing(let node), _): "NUMA node \(node) does not exist"
        case (.nodeOutsidePool(let node, let pool), _): "No \(Self.cpus(of: pool)) available in NUMA node \(node)"
        case (.nodeTooSmall(let node, let pool, let inPool, let requested), _):
            "NUMA node \(node) only has \(inPool) \(Self.cpus(of: pool)), but \(requested) were requested"
        case (.nodeHeld(let node), .services):
            "Failed to allocate cores from NUMA node \(node). All requested cores may be explicitly allocated to other "
                + "services."
        case (.nodeHeld(let node), .claims): "Others have too many of the CPUs of NUMA node \(node)"
        case (.levelUnknown(let level, let cpu), _):
            "The machine does not say what exclusiveness at the level \(level.rawValue) means for CPU \(cpu)"
        case (.memoryNodesMissing(let nodes), _):
            "There is no memory on NUMA node \(nodes.map(String.init).joined(separator: ", "))"
        case (.protectedHolds, _): "Fully release protected claims before selecting legacy policy"
        case (.ownedOutsidePool, _):
            "Existing claims are outside the eligible CPU pool; explicitly release before replacing"
        case (.pagesNodeMissing(let node), _): "NUMA node \(node) not found"
        case (.pagesSizeMissing(let node, let size), _): "Hugepage size \(size) KB not found on node \(node)"
        case (.insufficientPages(let node, let size, let free, let additional), _):
            "NUMA node \(node) size \(size) KB only has \(free) free hugepages, requested additional \(additional)"
        case (.overLimit(let limit, let held, let requested), _):
            "Your claims may have \(limit) exclusive CPUs together (limits.cpus-per-uid); they have \(held), and "
                + "\(requested) were requested"
        case (.leaseOver, _): "The lease would be over already"
        case (.enforced(let holder), _):
            "The kernel enforces the claim of \(quoted(holder)); it must be released before it can be enforced in another way, for "
                + "another process, or not at all"
        case (.changing(let holder), _):
            "The kernel is being changed for the claim of \(quoted(holder)); try again in a moment"
        case (.recorded(let holder), _):
            "The claim of \(quoted(holder)) is recorded only: a request without enforcement changes it; to be enforced, it "
                + "must be released first"
        case (.notEnforceable(let holder, let why), _): "The claim of \(quoted(holder)) cannot be enforced: \(why)"
        case (.noEnforcement(let why), _): "Nothing here can enforce a claim" + (why.map { ": \($0)" } ?? "")
        case (.conflict(let violation), _): "Refused: \(violation)"
        }
    }

    private static func cpus(of pool: String) -> String {
        pool == Pool.isolated ? "isolated CPUs" : "CPUs of pool \(pool)"
    }
}
