import Machine

/// Everything that one holder has on one machine.
package struct Claim: Equatable, Sendable {
    /// Who holds it.
    package let holder: Holder
    /// Who may change it, besides administrators.
    package var owner: Owner
    /// The pool that its CPUs come from; ``Pool/isolated`` while it has none.
    package var pool = Pool.isolated
    /// Its CPUs, one grant for each container or purpose and kind of protection.
    package var grants: [Grant]
    /// The memory nodes that it is bound to, ascending; empty where it is not bound.
    package var memoryNodes: [Int]
    /// Its huge pages in the order in which they were reserved; a replaced reservation moves to the end.
    package var reservations: [PageReservation]
    /// How long it lives.
    package var lease: Lease
    /// What the kernel is to enforce and how far that is; nil for a claim that is only recorded.
    package var enforcement: Enforcement?
    /// What it was before a change that the kernel is being made to follow. Until the kernel does, or the change is undone, it
    /// holds that as well.
    package var predecessor: Predecessor

    /// A claim of `holder`, empty unless told otherwise.
    package init(
        holder: Holder, owner: Owner, pool: String = Pool.isolated, grants: [Grant] = [], memoryNodes: [Int] = [],
        reservations: [PageReservation] = [], lease: Lease = .forever, enforcement: Enforcement? = nil,
        predecessor: Predecessor = .none
    ) {
        self.holder = holder
        self.owner = owner
        self.pool = pool
        self.grants = grants
        self.memoryNodes = memoryNodes
        self.reservations = reservations
        self.lease = lease
        self.enforcement = enforcement
        self.predecessor = predecessor
    }

    /// An active claim before a change of it.
    package indirect enum Predecessor: Equatable, Sendable {
        /// No change is under way.
        case none
        /// The claim as it was.
        case claim(Claim)

        /// The claim as it was; nil where no change is under way.
        package var claim: Claim? { if case .claim(let claim) = self { claim } else { nil } }
    }
}

extension Claim {
    /// The CPUs that nobody else may use because of this claim.
    package var exclusive: CPUSet {
        grants.reduce(into: predecessor.claim?.exclusive ?? CPUSet()) { $0.formUnion($1.exclusive) }
    }

    /// The CPUs that the holder may run on.
    package var cpus: CPUSet {
        grants.reduce(into: predecessor.claim?.cpus ?? CPUSet()) { $0.formUnion($1.cpus) }
    }

    /// All its CPUs.
    package var allCPUs: CPUSet { exclusive.union(cpus) }

    /// The claim once the kernel follows the change that is under way; the claim itself where none is.
    package var changed: Claim {
        guard predecessor != .none else { return self }
        var changed = self
        changed.predecessor = .none
        changed.enforcement?.steps = enforcement?.nextSteps ?? []
        changed.enforcement?.nextSteps = []
        return changed
    }

    /// The CPUs of its shared grants.
    var shared: CPUSet {
        grants.reduce(into: predecessor.claim?.shared ?? CPUSet()) { if $1.isShared { $0.formUnion($1.cpus) } }
    }

    /// Whether any grant is explicit.
    package var hasExplicitGrant: Bool { grants.contains(where: \.isExplicit) }

    /// Whether its CPUs are protected from preemption (EPA extensions, section 2).
    package var isProtected: Bool { grants.contains(where: \.isProtected) }

    /// Whether nothing is held.
    package var isEmpty: Bool { grants.isEmpty && reservations.isEmpty && memoryNodes.isEmpty }

    /// The exclusive CPUs of its explicit grants.
    package var explicit: CPUSet {
        grants.reduce(into: CPUSet()) { if $1.isExplicit { $0.formUnion($1.exclusive) } }
    }

    /// The exclusive CPUs that EPA's NUMA rule may take: those of a service's grants that are neither explicit nor
    /// protected, as far as the kernel does not enforce the claim.
    var preemptible: CPUSet {
        guard holder.kind == .service, enforcement == nil else { return CPUSet() }
        return grants.reduce(into: CPUSet()) { if !$1.isExplicit && !$1.isProtected { $0.formUnion($1.exclusive) } }
    }

    /// Takes `cpus` out of its grants. What is left of a grant keeps its siblings, level and label; a grant that has no
    /// CPU to run on any more ends.
    mutating func remove(_ cpus: CPUSet) {
        for index in grants.indices { grants[index].remove(cpus) }
        grants.removeAll { $0.cpus.isEmpty }
        if grants.isEmpty { pool = Pool.isolated }
    }

    /// Adds a grant, to an existing one of the same kind and label where there is one.
    mutating func add(_ grant: Grant) {
        if let index = grants.firstIndex(where: { $0.isAlike(grant) }) {
            grants[index].cpus.formUnion(grant.cpus)
            grants[index].exclusive.formUnion(grant.exclusive)
        } else {
            grants.append(grant)
        }
    }

    /// The reservation of this node and size, where there is one.
    package func reservation(node: Int, sizeKB: Int) -> PageReservation? {
        reservations.first { $0.node == node && $0.sizeKB == sizeKB }
    }

    /// The huge pages that it has and `other` has not.
    func pages(beyond other: Claim) -> [PageReservation] {
        reservations.compactMap { pages in
            let count = pages.count - (other.reservation(node: pages.node, sizeKB: pages.sizeKB)?.count ?? 0)
            return count > 0 ? PageReservation(node: pages.node, sizeKB: pages.sizeKB, count: count) : nil
        }
    }

    /// How many pages of this node and size it holds.
    func pages(node: Int, sizeKB: Int) -> Int {
        max(
            reservation(node: node, sizeKB: sizeKB)?.count ?? 0,
            predecessor.claim?.reservation(node: node, sizeKB: sizeKB)?.count ?? 0)
    }
}

/// The pools of CPUs that may be allocated, by name.
package enum Pool {
    /// The CPUs that the kernel isolates, which is always there; others come from the configuration.
    package static let isolated = "isolated"
    /// The configured pool of ordinary CPUs (EPA extensions, section 3).
    package static let general = "general"
    /// Every online CPU that is neither isolated nor a housekeeping CPU; always there.
    package static let ordinary = "ordinary"
    /// Every online CPU, for pods, whose CPUs somebody else chooses; always there. Housekeeping CPUs of it can only be shared.
    package static let machine = "machine"
}

/// Huge pages of one size on one node, reserved for a holder.
package struct PageReservation: Equatable, Sendable {
    /// The NUMA node.
    package let node: Int
    /// The page size in kB.
    package let sizeKB: Int
    /// The number of pages, 1 to ``maximumCount``.
    package let count: Int

    /// The most pages that one reservation can have: 2^40, so that no sum over reservations overflows.
    package static let maximumCount = 1 << 40

    /// A reservation of `count` pages.
    package init(node: Int, sizeKB: Int, count: Int) {
        self.node = node
        self.sizeKB = sizeKB
        self.count = count
    }
}
