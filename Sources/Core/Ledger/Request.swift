import Machine

/// What a caller asks of the ledger, whatever the frontend.
package enum Request: Equatable, Sendable {
    /// Makes or changes a claim.
    case claim(ClaimRequest)
    /// Ends a claim: everything that its holder has.
    case release(Holder)
    /// Sets how long a claim lives from now on.
    case renew(Holder, Lease)

    /// Whose claim the request is about.
    package var holder: Holder {
        switch self {
        case .claim(let request): request.holder
        case .release(let holder), .renew(let holder, _): holder
        }
    }
}

/// A claim to make or to change. What is nil or empty stays as it is, unless the request is complete.
package struct ClaimRequest: Equatable, Sendable {
    /// Whose claim it is.
    package var holder: Holder
    /// The CPUs: one request for each grant. Several are decided together, so they belong to a complete request, and differ
    /// in their label or in whether they are shared.
    package var grants: [CPURequest]
    /// The memory nodes to bind to; an empty list unbinds.
    package var memoryNodes: [Int]?
    /// The huge pages; each sets the reservation of its node and size.
    package var reservations: [ReservationRequest]
    /// How long the claim is to live; a new claim lives forever unless told otherwise.
    package var lease: Lease?
    /// What the kernel is to enforce; nil where the claim is only to be recorded.
    package var enforcement: EnforcementRequest?
    /// Whether the claim is to have nothing else: what is nil or empty is given up, and the lease lasts forever.
    package var isComplete: Bool
    /// Whether CPUs that are what is asked for stay, so that a request which is sent again moves nothing. EPA's rules choose
    /// anew each time.
    package var keepsCPUs: Bool

    /// A request of `holder`.
    package init(
        holder: Holder, cpus: CPURequest? = nil, memoryNodes: [Int]? = nil, reservations: [ReservationRequest] = [],
        lease: Lease? = nil, enforcement: EnforcementRequest? = nil, isComplete: Bool = false
    ) {
        self.holder = holder
        grants = cpus.map { [$0] } ?? []
        self.memoryNodes = memoryNodes
        self.reservations = reservations
        self.lease = lease
        self.enforcement = enforcement
        self.isComplete = isComplete
        keepsCPUs = isComplete
    }
}

/// Which CPUs a holder wants, and at whose expense. The ledger chooses them in the step that commits them.
package struct CPURequest: Equatable, Sendable {
    /// How many, or which.
    package enum Demand: Equatable, Sendable {
        /// None: what the request replaces is released.
        case nothing
        /// This many CPUs, 1 or more.
        case count(Int)
        /// This percentage of the pool, 1 to 100, rounded up (EPA specification 3.2).
        case percent(Int)
        /// By the number of candidates: all but 16 of more than 100, else four fifths, rounded down (EPA
        /// specification 3.1, step 5).
        case defaultShare
        /// This many physical cores of which every CPU in the pool is free, 1 or more.
        case wholeCores(Int)
        /// Exactly these.
        case list(CPUSet)
    }

    /// Which CPUs of a core are chosen together.
    package enum Packing: Equatable, Sendable {
        /// The lowest numbers (EPA specification 3.1, step 6).
        case lowest
        /// Pairs of siblings first, then single CPUs (EPA specification 3.3).
        case siblingPairs
        /// Whole cores first; an odd remainder from the core that loses least by it.
        case wholeCores
    }

    /// What the CPUs are spread over, as evenly as the free ones allow.
    package enum Spread: Equatable, Sendable {
        /// The NUMA nodes.
        case nodes
        /// The groups of CPUs that share an L3 cache.
        case caches
    }

    /// What the holder does with the CPUs of a core.
    package enum SMTPolicy: Equatable, Sendable {
        /// Any CPUs, as the packing says.
        case any
        /// All CPUs of each core.
        case whole
        /// One CPU of each core; its siblings stay idle.
        case one
    }

    /// What of the holder's present CPUs is given up for the new ones.
    package enum Replacement: Equatable, Sendable {
        /// All of them.
        case everything
        /// All but the explicit ones, which count towards the demand.
        case allButExplicit
        /// Those of the request's nodes.
        case nodes
        /// Those of the grants with the request's label that are shared as it is.
        case grant
    }

    /// Whose CPUs may be taken.
    package enum Preemption: Equatable, Sendable {
        /// Nobody's.
        case never
        /// Those of services that are neither explicit nor protected; they count as free (EPA specification 3.3).
        case allowed
        /// The same ones, but only where the free CPUs are too few.
        case whereNeeded
    }

    /// How many, or which.
    package var demand: Demand
    /// The pool that they come from; nil for the isolated CPUs, and, to release, for whatever pool the holder's CPUs are
    /// in.
    package var pool: String?
    /// The NUMA nodes that they come from; nil for any.
    package var nodes: [Int]?
    /// Which CPUs of a core are chosen together.
    package var packing: Packing
    /// What the holder does with the CPUs of a core.
    package var smt: SMTPolicy
    /// What the CPUs are spread over; nil where they are packed.
    package var spread: Spread?
    /// Whether only online CPUs are given. In pools other than ``Pool/isolated`` it is always so.
    package var onlineOnly: Bool
    /// What is given up for them.
    package var replaces: Replacement
    /// Whose CPUs may be taken.
    package var preemption: Preemption
    /// Whether the claim is to be protected from preemption; nil keeps what it is.
    package var isProtected: Bool?
    /// Whether the grant is explicit.
    package var isExplicit: Bool
    /// How far exclusiveness reaches.
    package var level: Exclusiveness
    /// The container or purpose that the CPUs are for.
    package var label: String

    /// A demand for exclusive CPUs of the isolated pool, in place of all that the holder has, at nobody's expense.
    package init(
        _ demand: Demand, pool: String? = nil, nodes: [Int]? = nil, packing: Packing = .lowest,
        smt: SMTPolicy = .any, spread: Spread? = nil, onlineOnly: Bool = false, replaces: Replacement = .everything,
        preemption: Preemption = .never, isProtected: Bool? = nil, isExplicit: Bool = false,
        level: Exclusiveness = .cpu, label: String = ""
    ) {
        self.demand = demand
        self.pool = pool
        self.nodes = nodes
        self.packing = packing
        self.smt = smt
        self.spread = spread
        self.onlineOnly = onlineOnly
        self.replaces = replaces
        self.preemption = preemption
        self.isProtected = isProtected
        self.isExplicit = isExplicit
        self.level = level
        self.label = label
    }
}

/// Huge pages of one size on one node.
package struct ReservationRequest: Equatable, Sendable {
    /// The NUMA node.
    package let node: Int
    /// The page size in kB.
    package let sizeKB: Int
    /// The number of pages in place of the present one; 0 removes the reservation.
    package let count: Int

    /// A reservation of `count` pages.
    package init(node: Int, sizeKB: Int, count: Int) {
        self.node = node
        self.sizeKB = sizeKB
        self.count = count
    }
}
