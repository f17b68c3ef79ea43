import Ledger
import LedgerStore

extension Host.Failure {
    /// The text that the caller gets, whatever the frontend.
    package func text(action: String) -> String {
        switch self {
        case .refused(let refusal): refusal.text(action: action)
        case .facts(let error): error.description
        case .notCommitted(let error): error.description
        case .invalid(let text): text
        case .conditionFailed(let holder):
            "The claim of \(holder.displayName.debugDescription) is not what the condition of the request says"
        case .overloaded: "Too many changes wait for the disk; try again later"
        case .stopping: "The service is stopping"
        }
    }
}

extension Refusal {
    /// The text that the caller gets; where the EPA specification's section 2 prescribes one, exactly that.
    ///
    /// - Parameter action: the action of the request, for the texts that depend on it.
    package func text(action: String) -> String {
        switch reason {
        case .notOwner(let holder, let owner):
            "Service \(quoted(holder)) is owned by \(owner); only its owner and administrators may change it"
        case .noClaim(let holder): "\(quoted(holder)) has no claim"
        case .invalidCount(let count): "A count of \(count) is invalid for \(action): use -1 to release"
        case .noPool(let pool): "CPU pool \(pool) is not configured"
        case .emptyPool(Pool.isolated) where action == "allocate_numa_cores":
            "No Isolated CPUs available for allocation"
        case .emptyPool: "No CPUs available"
        case .otherPool(let holder, let pool):
            "Service \(holder.displayName) owns CPUs in pool \(pool); release that allocation in its pool before "
                + "switching pools"
        case .poolLacksOwned(let pool, let holder, let cpus):
            "CPU pool \(pool) does not have CPUs \(cpus), which \(quoted(holder)) owns; release them, or add them to the "
                + "pool, before anything new is allocated there"
        case .notInPool(let cpus, let pool): "CPUs \(cpus) are not in the CPU pool \(pool)"
        case .insufficient(let requested, let available):
            "Insufficient CPUs available. Requested: \(requested), Available: \(available)"
        case .insufficientCores(let requested, let available):
            "Insufficient whole cores available. Requested: \(requested), Available: \(available)"
        case .notWholeCores(let count): "\(count) CPUs cannot be made up of whole free cores"
        case .emptyChoice(let count): "Failed to allocate \(count) cores"
        case .conflict(.overlap(let one, let other, let cpus)) where one == other:
            "Two grants of the claim ask for CPUs \(cpus)"
        case .heldByOthers(let cpus), .conflict(.overlap(_, _, let cpus)):
            "Requested CPUs \(cpus) are already allocated to other services"
        case .explicitExceeds(let explicit, let requested):
            "The service holds \(explicit) explicitly allocated CPUs, which the policy keep-pins keeps; \(requested) were "
                + "requested. Release some with allocate_numa_cores -1 first"
        case .noTopology: "NUMA topology not available"
        case .nodeMissing(let node): "NUMA node \(node) does not exist"
        case .nodeOutsidePool(let node, let pool): "No \(Self.cpus(of: pool)) available in NUMA node \(node)"
        case .nodeTooSmall(let node, let pool, let inPool, let requested):
            "NUMA node \(node) only has \(inPool) \(Self.cpus(of: pool)), but \(requested) were requested"
        case .nodeHeld(let node):
            "Failed to allocate cores from NUMA node \(node). All requested cores may be explicitly allocated to other "
                + "services."
        case .levelUnknown(let level, let cpu):
            "The machine does not say what exclusiveness at the level \(level.rawValue) means for CPU \(cpu)"
        case .memoryNodesMissing(let nodes):
            "There is no memory on NUMA node \(nodes.map(String.init).joined(separator: ", "))"
        case .protectedHolds: "Fully release protected claims before selecting legacy policy"
        case .ownedOutsidePool:
            "Existing claims are outside the eligible CPU pool; explicitly release before replacing"
        case .pagesNodeMissing(let node): "NUMA node \(node) not found"
        case .pagesSizeMissing(let node, let size): "Hugepage size \(size) KB not found on node \(node)"
        case .insufficientPages(let node, let size, let free, let additional):
            "NUMA node \(node) size \(size) KB only has \(free) free hugepages, requested additional \(additional)"
        case .overLimit(let limit, let held, let requested):
            "Your claims may have \(limit) exclusive CPUs together (limits.cpus-per-uid); they have \(held), and "
                + "\(requested) were requested"
        case .leaseOver: "The lease would be over already"
        case .enforced(let holder):
            "The kernel enforces the claim of \(quoted(holder)); it must be released before it can be enforced in another way, for "
                + "another process, or not at all"
        case .changing(let holder):
            "The kernel is being changed for the claim of \(quoted(holder)); try again in a moment"
        case .recorded(let holder):
            "The claim of \(quoted(holder)) is recorded only, and must be released before it can be enforced"
        case .notEnforceable(let holder, let why): "The claim of \(quoted(holder)) cannot be enforced: \(why)"
        case .noEnforcement: "Nothing here can enforce a claim"
        case .conflict(let violation): "Refused: \(violation)"
        }
    }

    private static func cpus(of pool: String) -> String {
        pool == Pool.isolated ? "isolated CPUs" : "CPUs of pool \(pool)"
    }

    private func quoted(_ holder: Holder) -> String { holder.displayName.debugDescription }
}
