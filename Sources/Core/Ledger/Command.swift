import Machine
import Placement

/// What a caller asks of the ledger, with the facts of the machine that the answer depends on.
///
/// The commands of the EPA socket follow the EPA specification, section 3; `isolated` is always the pool there.
package enum Command: Sendable {
    /// Gives the holder a number of isolated CPUs in place of all it holds (3.1, 3.2).
    case allocateCores(Holder, CoreCount, isolated: CPUSet, cores: CoreIndex? = nil)
    /// Takes all CPUs of the holder back (3.1, step 2).
    case releaseCores(Holder, isolated: CPUSet)
    /// Gives the holder CPUs of one NUMA node, protected, in place of those it holds there (3.3).
    case allocateNodeCores(Holder, count: Int, node: NodeFacts, isolated: CPUSet, cores: CoreIndex)
    /// Takes the holder's CPUs of one NUMA node back (3.3, N = -1).
    case releaseNodeCores(Holder, node: NodeFacts, isolated: CPUSet)
    /// Sets how many huge pages of one size the holder books on one node (3.6, N > 0).
    case bookPages(Holder, node: Int, sizeKB: Int, count: Int, capacity: PageCapacity)
    /// Removes the holder's booking of one node and size (3.6, N = -1).
    case unbookPages(Holder, node: Int, sizeKB: Int)
    /// Puts a claim of any kind in place of what its holder holds; CPUs of others are never taken.
    case put(Claim)
    /// Ends the claim of a holder of any kind.
    case end(Holder)

    /// Whose claim the command is about.
    package var holder: Holder {
        switch self {
        case .allocateCores(let holder, _, _, _), .releaseCores(let holder, _),
            .allocateNodeCores(let holder, _, _, _, _), .releaseNodeCores(let holder, _, _),
            .bookPages(let holder, _, _, _, _), .unbookPages(let holder, _, _), .end(let holder):
            holder
        case .put(let claim): claim.holder
        }
    }

    /// The pool of the command; empty for those that are not about a pool.
    package var isolated: CPUSet {
        switch self {
        case .allocateCores(_, _, let isolated, _), .releaseCores(_, let isolated),
            .allocateNodeCores(_, _, _, let isolated, _), .releaseNodeCores(_, _, let isolated):
            isolated
        case .bookPages, .unbookPages, .put, .end: CPUSet()
        }
    }
}

/// How many CPUs `allocate_cores` is to give.
package enum CoreCount: Equatable, Sendable {
    /// This many, 1 or more.
    case exactly(Int)
    /// By the size of the requester's pool: all but 16 of more than 100, else four fifths, rounded down (3.1, step 5).
    case byDefault
    /// This percentage of all isolated CPUs, 1 to 100, rounded up (3.2).
    case percent(Int)

    /// The number of CPUs.
    func resolved(pool: Int, isolated: Int) -> Int {
        switch self {
        case .exactly(let count): count
        case .byDefault: pool > 100 ? pool - 16 : pool * 4 / 5
        case .percent(let percent): (isolated * percent + 99) / 100
        }
    }
}

/// What the machine says about a NUMA node that a request names.
package enum NodeFacts: Equatable, Sendable {
    /// There is no NUMA topology, or no node has CPUs.
    case noTopology
    /// This node does not exist or has no CPUs.
    case missing(node: Int)
    /// The node's CPUs as the kernel lists them, offline ones included.
    case cpus(node: Int, CPUSet)
}

/// What the machine says about the huge pages of one size on one node.
package enum PageCapacity: Equatable, Sendable {
    /// There is no such node.
    case noSuchNode
    /// The node has no pages of this size.
    case noSuchSize
    /// The pool's pages, and how many of them nobody uses.
    case pages(total: Int, free: Int)

    /// The free pages once what is booked but not yet used is taken off (3.5, "Overlay").
    ///
    /// Pages that anybody uses count as used by those who booked, so strangers' use hides bookings (section 7, item 29).
    package static func free(total: Int, free: Int, booked: Int) -> Int {
        guard booked > 0 else { return free }
        let used = max(total - free, 0)
        return max(free - max(booked - used, 0), 0)
    }
}

/// Choices that differ from the reference's; none is made unless the operator asks (EPA specification, section 7).
package struct Policy: OptionSet, Hashable, Sendable {
    /// The bits.
    package let rawValue: Int

    /// A policy of these bits.
    package init(rawValue: Int) { self.rawValue = rawValue }

    /// `allocate_cores` keeps the holder's explicit CPUs and counts them in (item 20).
    package static let keepPins = Policy(rawValue: 1)
    /// A NUMA request takes free CPUs before those of an automatic part (item 21).
    package static let preferFree = Policy(rawValue: 2)
    /// Cores are given whole where the count allows it, lone threads before a full core breaks (item 22).
    package static let wholeCores = Policy(rawValue: 4)
    /// Only online CPUs are given (item 24).
    package static let onlineOnly = Policy(rawValue: 8)

    /// The choices by the name of their option.
    package static let names: [(name: String, policy: Policy)] = [
        ("keep-pins", .keepPins), ("prefer-free", .preferFree), ("whole-cores", .wholeCores),
        ("online-only", .onlineOnly),
    ]
}
