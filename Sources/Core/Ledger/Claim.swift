import Machine

/// What one holder holds on one machine.
package struct Claim: Equatable, Sendable {
    /// Who holds it.
    package let holder: Holder
    /// Who may change it, besides administrators.
    package var owner: Owner
    /// Its CPUs; protection is a matter of each part.
    package var parts: [Part]
    /// The memory nodes it is bound to; empty where it is not bound.
    package var memoryNodes: [Int]
    /// Its huge pages in the order in which they were booked; a replaced booking moves to the end.
    package var pages: [PageBooking]
    /// For how long it is held; nil for ever.
    package var lease: Lease?

    /// A claim of `holder`, empty unless told otherwise.
    package init(
        holder: Holder, owner: Owner, parts: [Part] = [], memoryNodes: [Int] = [], pages: [PageBooking] = [],
        lease: Lease? = nil
    ) {
        self.holder = holder
        self.owner = owner
        self.parts = parts
        self.memoryNodes = memoryNodes
        self.pages = pages
        self.lease = lease
    }

    /// CPUs of a claim with one kind of protection.
    package struct Part: Equatable, Sendable {
        /// The CPUs that the holder runs on.
        package var cpus: CPUSet
        /// The CPUs that nobody else may have because of it; a superset of `cpus` where siblings stay idle, empty where
        /// the holder shares.
        package var withdrawn: CPUSet
        /// Whether EPA's NUMA rule may take its CPUs.
        package var protection: Protection
        /// How much is withdrawn around each CPU.
        package var exclusiveness: Exclusiveness

        /// A part; dedicated CPUs (`withdrawn` the same as `cpus`) unless told otherwise.
        package init(
            cpus: CPUSet, withdrawn: CPUSet? = nil, protection: Protection, exclusiveness: Exclusiveness = .cpu
        ) {
            self.cpus = cpus
            self.withdrawn = withdrawn ?? cpus
            self.protection = protection
            self.exclusiveness = exclusiveness
        }

        /// Whether others may run on its CPUs.
        package var isShared: Bool { withdrawn.isEmpty }
    }

    /// Whether a part may be taken from its holder.
    package enum Protection: String, Sendable {
        /// May be taken by EPA's NUMA rule (a non-explicit allocation of the EPA specification).
        case automatic
        /// Never taken.
        case explicit
    }

    /// How much is withdrawn around each CPU (Kubernetes specification, `exclusivenessLevel`).
    package enum Exclusiveness: String, Sendable {
        /// Nothing: the CPUs are shared.
        case none
        /// The CPU itself.
        case cpu
        /// Its whole core.
        case core
        /// Its whole package.
        case socket
        /// Its whole NUMA node.
        case numa
    }

    /// Huge pages of one size on one node.
    package struct PageBooking: Equatable, Sendable {
        /// The NUMA node.
        package let node: Int
        /// The page size in kB.
        package let sizeKB: Int
        /// The number of pages, 1 to ``maximumCount``.
        package let count: Int

        /// The most pages one booking can have: 2^40, so that no sum over bookings overflows.
        package static let maximumCount = 1 << 40

        /// A booking of `count` pages.
        package init(node: Int, sizeKB: Int, count: Int) {
            self.node = node
            self.sizeKB = sizeKB
            self.count = count
        }
    }

    /// A limit in time.
    package struct Lease: Equatable, Sendable {
        /// When it ends, in milliseconds since 1970 UTC.
        package let until: Int

        /// A lease that ends at `until`, in milliseconds since 1970 UTC.
        package init(until: Int) { self.until = until }
    }
}

extension Claim {
    /// The CPUs that nobody else may have because of this claim.
    package var withdrawn: CPUSet {
        parts.reduce(into: CPUSet()) { $0.formUnion($1.withdrawn) }
    }

    /// The CPUs that the holder runs on.
    package var cpus: CPUSet {
        parts.reduce(into: CPUSet()) { $0.formUnion($1.cpus) }
    }

    /// Whether any part is explicit.
    package var hasExplicitPart: Bool { parts.contains { $0.protection == .explicit } }

    /// Whether nothing is held.
    package var isEmpty: Bool { parts.isEmpty && pages.isEmpty && memoryNodes.isEmpty }

    /// The dedicated CPUs with one protection.
    func dedicated(_ protection: Protection) -> CPUSet {
        parts.reduce(into: CPUSet()) { if $1.protection == protection { $0.formUnion($1.withdrawn) } }
    }

    /// Replaces the parts by at most two of dedicated CPUs, as the EPA socket allocates them.
    mutating func setDedicated(automatic: CPUSet, explicit: CPUSet) {
        parts = []
        if !automatic.isEmpty { parts.append(Part(cpus: automatic, protection: .automatic)) }
        if !explicit.isEmpty { parts.append(Part(cpus: explicit, protection: .explicit)) }
    }

    /// The booking of this node and size, where there is one.
    func booking(node: Int, sizeKB: Int) -> PageBooking? {
        pages.first { $0.node == node && $0.sizeKB == sizeKB }
    }
}
