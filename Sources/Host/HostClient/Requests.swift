internal import WireJSON

/// What a claim is to have.
public struct ClaimRequest: Equatable, Sendable {
    /// The CPUs.
    public var cpus: CPURequest?
    /// Several grants of CPUs in place of `cpus`, for ``BerthClient/put(_:_:ifVersion:)``. They come from one pool, and
    /// differ in their label or in whether they are shared.
    public var grants: [CPURequest] = []
    /// The memory nodes to bind to.
    public var memoryNodes: [Int]?
    /// The huge pages.
    public var hugePages: [HugePages]?
    /// How long the claim lives; for ever unless given.
    public var lease: LeaseRequest?
    /// What the kernel is to enforce; nil for a claim that is only recorded.
    public var enforcement: EnforcementRequest?

    /// A request.
    public init(
        cpus: CPURequest? = nil, memoryNodes: [Int]? = nil, hugePages: [HugePages]? = nil, lease: LeaseRequest? = nil,
        enforcement: EnforcementRequest? = nil
    ) {
        self.cpus = cpus
        self.memoryNodes = memoryNodes
        self.hugePages = hugePages
        self.lease = lease
        self.enforcement = enforcement
    }

    func write(to writer: inout JSONWriter) {
        if let cpus {
            writer.name("cpus")
            cpus.write(to: &writer)
        }
        if !grants.isEmpty {
            writer.name("grants")
            writer.array { array in for grant in grants { grant.write(to: &array) } }
        }
        if let memoryNodes { writer.member("memory_nodes", numbers: memoryNodes) }
        if let hugePages {
            writer.name("huge_pages")
            writer.array { array in
                for pages in hugePages {
                    array.object { entry in
                        entry.member("node", pages.node)
                        entry.member("size_kb", pages.sizeKB)
                        entry.member("count", pages.count)
                    }
                }
            }
        }
        if let lease { lease.write(to: &writer) }
        if let enforcement { enforcement.write(to: &writer) }
    }
}

/// Which CPUs a claim is to have.
public struct CPURequest: Equatable, Sendable {
    /// How many, or which.
    public enum Demand: Equatable, Sendable {
        /// This many CPUs.
        case count(Int)
        /// This percentage of the pool, rounded up.
        case percent(Int)
        /// This many physical cores, all of whose CPUs in the pool are free.
        case cores(Int)
        /// Exactly these.
        case list(CPUList)
        /// All but 16 of more than 100 free CPUs, else four fifths.
        case defaultShare
        /// None; in ``BerthClient/patch(_:_:ifVersion:)`` only: what it replaces is released.
        case none
    }

    /// What the holder does with the CPUs of a core.
    public enum SMT: String, Sendable {
        /// Any CPUs.
        case any
        /// All CPUs of each core.
        case whole
        /// One CPU of each core; its siblings stay idle.
        case one
    }

    /// Which free CPUs are chosen.
    public enum Packing: String, Sendable {
        /// Those with the lowest numbers.
        case lowest
        /// Pairs of siblings first.
        case siblingPairs = "sibling_pairs"
        /// Whole cores first.
        case wholeCores = "whole_cores"
    }

    /// What the CPUs are spread over, as evenly as the free ones allow.
    public enum Spread: String, Sendable {
        /// The NUMA nodes.
        case nodes
        /// The groups of CPUs that share an L3 cache.
        case caches
    }

    /// How far exclusiveness reaches around each CPU.
    public enum Level: String, Sendable {
        /// Not at all: others may share the CPUs.
        case none
        /// The CPU itself.
        case cpu
        /// Its core.
        case core
        /// Its package.
        case socket
        /// Its NUMA node.
        case numa
    }

    /// Whether automatic CPUs of services may be taken.
    public enum Preemption: String, Sendable {
        /// No.
        case never
        /// Yes: they count as free.
        case allowed
        /// Where the free ones are too few.
        case whereNeeded = "where_needed"
    }

    /// Which CPUs of the claim the new ones replace; in ``BerthClient/patch(_:_:ifVersion:)`` only.
    public enum Replacement: String, Sendable {
        /// All.
        case everything
        /// All but the explicit ones, which count towards the demand.
        case allButExplicit = "all_but_explicit"
        /// Those of the request's nodes.
        case nodes
        /// Those of the same label.
        case label
    }

    /// How many, or which.
    public var demand: Demand
    /// The pool; the isolated CPUs unless given.
    public var pool: String?
    /// The NUMA nodes that they come from; any unless given.
    public var nodes: [Int]?
    /// What the holder does with the CPUs of a core.
    public var smt = SMT.any
    /// Which free CPUs are chosen.
    public var packing = Packing.lowest
    /// What the CPUs are spread over; nil where they are packed.
    public var spread: Spread?
    /// How far exclusiveness reaches.
    public var level = Level.cpu
    /// The container or purpose of the CPUs.
    public var label = ""
    /// Whether automatic CPUs of services may be taken.
    public var preemption = Preemption.never
    /// Whether the CPUs are explicit, which nobody may take.
    public var isExplicit = false
    /// Whether nobody may take the CPUs although they are not explicit; nil keeps what it is.
    public var isProtected: Bool?
    /// Which CPUs of the claim the new ones replace; nil for all of them.
    public var replaces: Replacement?

    /// A demand for exclusive CPUs.
    public init(_ demand: Demand, pool: String? = nil, nodes: [Int]? = nil) {
        self.demand = demand
        self.pool = pool
        self.nodes = nodes
    }

    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            switch demand {
            case .count(let count): writer.member("count", count)
            case .percent(let percent): writer.member("percent", percent)
            case .cores(let count): writer.member("cores", count)
            case .list(let list): writer.member("list", list.description)
            case .defaultShare: writer.member("default_share", true)
            case .none: writer.member("none", true)
            }
            if let pool { writer.member("pool", pool) }
            if let nodes { writer.member("nodes", numbers: nodes) }
            if smt != .any { writer.member("smt", smt.rawValue) }
            if packing != .lowest { writer.member("packing", packing.rawValue) }
            if let spread { writer.member("spread", spread.rawValue) }
            if level != .cpu { writer.member("level", level.rawValue) }
            if !label.isEmpty { writer.member("label", label) }
            if preemption != .never { writer.member("preemption", preemption.rawValue) }
            if isExplicit { writer.member("explicit", true) }
            if let isProtected { writer.member("protected", isProtected) }
            if let replaces { writer.member("replaces", replaces.rawValue) }
        }
    }
}

/// Huge pages of one size on one node.
public struct HugePages: Hashable, Sendable {
    /// The NUMA node.
    public let node: Int
    /// The page size in kB.
    public let sizeKB: Int
    /// The number of pages.
    public let count: Int

    /// `count` pages.
    public init(node: Int, sizeKB: Int, count: Int) {
        self.node = node
        self.sizeKB = sizeKB
        self.count = count
    }
}

/// A process that a request names.
public enum ProcessReference: Equatable, Sendable {
    /// The one that asks.
    case caller
    /// The one of this id, which must be the caller's own unless the caller is an administrator.
    case id(Int)
}

/// How long a claim is to live.
public enum LeaseRequest: Equatable, Sendable {
    /// Until it is released.
    case forever
    /// For so long from now, unless it is renewed.
    case seconds(Int)
    /// Until a time in milliseconds since 1970 UTC, unless it is renewed.
    case until(Int)
    /// While a process lives.
    case process(ProcessReference)

    func write(to writer: inout JSONWriter) {
        writer.name("lease")
        writer.object { writer in
            switch self {
            case .forever: writer.member("forever", true)
            case .seconds(let seconds): writer.member("seconds", seconds)
            case .until(let end): writer.member("until", end)
            case .process(let process): process.write(to: &writer)
            }
        }
    }
}

/// What the kernel is to enforce for a claim.
public struct EnforcementRequest: Equatable, Sendable {
    /// The weakest isolation that will do.
    public var minimum: Isolation
    /// Whether the kernel balances load among the claim's CPUs.
    public var isBalanced: Bool
    /// The process to move onto the claim's CPUs; nil where the holder moves itself.
    public var process: ProcessReference?
    /// The pod whose containers are kept on the claim's CPUs, of a claim of a pod; for administrators.
    public var pod: PodReference?

    /// A request; any isolation unless told otherwise.
    public init(
        minimum: Isolation = .none, isBalanced: Bool = true, process: ProcessReference? = nil, pod: PodReference? = nil
    ) {
        self.pod = pod
        self.minimum = minimum
        self.isBalanced = isBalanced
        self.process = process
    }

    func write(to writer: inout JSONWriter) {
        writer.name("enforcement")
        writer.object { writer in
            writer.member("minimum", minimum.rawValue)
            if !isBalanced { writer.member("balanced", false) }
            if let process { process.write(to: &writer) }
            if let pod { pod.write(to: &writer) }
        }
    }
}

/// A pod.
public struct PodReference: Equatable, Sendable {
    /// Its uid: a UUID, or the 32 hexadecimal digits of a static pod (`kubernetes.io/config.hash`).
    public var uid: String
    /// Its containers.
    public var containers: [ContainerReference]

    /// A pod.
    public init(uid: String, containers: [ContainerReference]) {
        self.uid = uid
        self.containers = containers
    }

    func write(to writer: inout JSONWriter) {
        writer.name("pod")
        writer.object { writer in
            writer.member("uid", uid)
            writer.name("containers")
            writer.array { array in
                for container in containers {
                    array.object { entry in
                        entry.member("name", container.name)
                        entry.member("id", container.id)
                    }
                }
            }
        }
    }
}

/// A container of a pod.
public struct ContainerReference: Hashable, Sendable {
    /// Its name in the pod.
    public var name: String
    /// Its id, as the pod's status has it: `containerd://` and 64 hexadecimal digits.
    public var id: String

    /// A container.
    public init(name: String, id: String) {
        self.name = name
        self.id = id
    }
}

/// How strongly the kernel keeps others off the CPUs of a claim, from the weakest.
public enum Isolation: String, CaseIterable, Sendable {
    /// Not at all.
    case none
    /// Affinity masks keep the holder on its CPUs.
    case affinity
    /// Cpusets keep the holder on its CPUs, and others off where Berth may write theirs.
    case cpuset
    /// A partition takes the CPUs away from everybody else.
    case partition
}

extension ProcessReference {
    fileprivate func write(to writer: inout JSONWriter) {
        switch self {
        case .caller: writer.member("process", "self")
        case .id(let id): writer.member("process", id)
        }
    }
}

extension JSONWriter {
    fileprivate mutating func member(_ name: String, numbers: [Int]) {
        self.name(name)
        array { array in for number in numbers { array.integer(number) } }
    }
}
