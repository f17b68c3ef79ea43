import Ledger

extension Refusal {
    /// The text on the wire; where the specification's section 2 prescribes one, exactly that.
    ///
    /// - Parameter action: the action of the request, for counts that it has no meaning for.
    func text(action: String) -> String {
        switch reason {
        case .notOwner(let holder, let owner):
            "Service \(holder.displayName.debugDescription) is owned by \(owner); only its owner and administrators may "
                + "change it"
        case .invalidCount(let count): "A count of \(count) is invalid for \(action): use -1 to release"
        case .nothingIsolated where action == "allocate_numa_cores": "No Isolated CPUs available for allocation"
        case .nothingIsolated: "No CPUs available"
        case .insufficient(let requested, let available):
            "Insufficient CPUs available. Requested: \(requested), Available: \(available)"
        case .emptyChoice(let count): "Failed to allocate \(count) cores"
        case .pinsExceed(let pinned, let requested):
            "The service holds \(pinned) explicitly allocated CPUs, which the policy keep-pins keeps; \(requested) were "
                + "requested. Release some with allocate_numa_cores -1 first"
        case .noTopology: "NUMA topology not available"
        case .nodeMissing(let node): "NUMA node \(node) does not exist"
        case .nodeHasNoIsolated(let node): "No isolated CPUs available in NUMA node \(node)"
        case .nodeTooSmall(let node, let isolated, let requested):
            "NUMA node \(node) only has \(isolated) isolated CPUs, but \(requested) were requested"
        case .nodeProtected(let node):
            "Failed to allocate cores from NUMA node \(node). All requested cores may be explicitly allocated to other "
                + "services."
        case .pagesNodeMissing(let node): "NUMA node \(node) not found"
        case .pagesSizeMissing(let node, let size): "Hugepage size \(size) KB not found on node \(node)"
        case .insufficientPages(let node, let size, let free, let additional):
            "NUMA node \(node) size \(size) KB only has \(free) free hugepages, requested additional \(additional)"
        case .conflict(.overlap(_, _, let cpus)): "Requested CPUs \(cpus) are already allocated to other services"
        case .conflict(let violation): "Refused: \(violation)"
        }
    }
}
