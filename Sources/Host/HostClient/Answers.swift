/// A claim: everything that one holder has on the machine.
public struct Claim: Equatable, Sendable {
    /// Who holds it, `KIND:NAME`.
    public let holder: String
    /// Who may change it besides administrators; nil for nobody.
    public let owner: Owner?
    /// The pool of its CPUs.
    public let pool: String
    /// The CPUs that the holder may run on.
    public let cpus: CPUList
    /// The CPUs that nobody else may use because of it.
    public let exclusive: CPUList
    /// Its CPUs by label and kind of protection.
    public let grants: [Grant]
    /// The memory nodes that it is bound to.
    public let memoryNodes: [Int]
    /// Its huge pages.
    public let hugePages: [HugePages]
    /// How long it lives.
    public let lease: Lease
    /// What the kernel enforces; nil for a claim that is only recorded.
    public let enforcement: Enforcement?
    /// Another one for each state of the claim, for conditions.
    public let version: String
}

/// Who may change a claim.
public struct Owner: Equatable, Sendable {
    /// The user.
    public let uid: Int
    /// The security label, where there is one.
    public let label: String?
}

/// One set of CPUs in a claim.
public struct Grant: Equatable, Sendable {
    /// The container or purpose that it is for; empty where the claim has only one.
    public let label: String
    /// Where the holder may run.
    public let cpus: CPUList
    /// The CPUs that nobody else may use because of it; empty where it is shared.
    public let exclusive: CPUList
    /// How far exclusiveness reaches: `none`, `cpu`, `core`, `socket`, `numa`.
    public let level: String
    /// Whether it is explicit.
    public let isExplicit: Bool
    /// Whether it is protected although it is not explicit.
    public let isProtected: Bool
}

/// How long a claim lives.
public enum Lease: Equatable, Sendable {
    /// Until it is released.
    case forever
    /// Until a time in milliseconds since 1970 UTC, unless it is renewed.
    case until(Int)
    /// While this process lives.
    case process(pid: Int)
    /// While any process is in this cgroup.
    case cgroup(String)
    /// A kind of lease that this version of the library does not know.
    case unknown
}

/// How far the kernel follows a claim.
public struct Enforcement: Equatable, Sendable {
    /// `preparing`, `active` or `releasing`.
    public let phase: String
    /// How strong the isolation is: `none`, `affinity`, `cpuset`, `partition`.
    public let isolation: String
    /// How the kernel differs from the claim; nil where it follows.
    public let failure: String?
    /// The pod of the claim, and how far its containers are confined; nil where it is of no pod.
    public let pod: Pod?

    /// The pod of a claim.
    public struct Pod: Equatable, Sendable {
        /// Its uid.
        public let uid: String
        /// Its containers, in the order of the request.
        public let containers: [Container]
    }

    /// A container of a claim's pod.
    public struct Container: Equatable, Sendable {
        /// Its name and id, as the request had them.
        public let reference: ContainerReference
        /// Its cgroup, from the root of the hierarchy; nil where it has none.
        public let cgroup: String?
        /// `confined`, `unconfined`, or `missing` where it has no cgroup: not started yet, or ended.
        public let state: String
    }
}

/// A claim after a change, and what the change did.
public struct ChangedClaim: Equatable, Sendable {
    /// The claim; after a release, the claim as it was.
    public let claim: Claim
    /// Whether the change made it.
    public let isNew: Bool
    /// What the change did besides.
    public let effects: Effects
    /// All of this as it came: a JSON object.
    public let json: [UInt8]
}

/// What a change did.
public struct Effects: Equatable, Sendable {
    /// Whether anything changed.
    public let changed: Bool
    /// The CPUs that were given.
    public let granted: CPUList
    /// The CPUs that were given back.
    public let released: CPUList
    /// Who lost CPUs to the request.
    public let preempted: [Holding]
    /// Explicit CPUs that became automatic.
    public let noLongerExplicit: CPUList
    /// What the caller should know although the request was carried out.
    public let warnings: [String]
}

/// The machine.
public struct MachineSummary: Equatable, Sendable {
    /// A package (socket).
    public struct Package: Equatable, Sendable {
        /// The kernel's number; nil where it gives none.
        public let id: Int?
        /// Its online CPUs.
        public let cpus: CPUList
    }

    /// A NUMA node.
    public struct Node: Equatable, Sendable {
        /// Its number.
        public let id: Int
        /// Its online CPUs.
        public let cpus: CPUList
        /// Its memory in kB; nil where the kernel does not say.
        public let memoryKB: Int?
        /// Its huge pages.
        public let hugePages: [PageFigures]
    }

    /// The huge pages of one size on a node: ``inUse`` + ``kernelReserved`` + ``reserved`` + ``free`` = ``total``.
    public struct PageFigures: Equatable, Sendable {
        /// The page size in kB.
        public let sizeKB: Int
        /// All pages.
        public let total: Int
        /// Pages that programs use.
        public let inUse: Int
        /// Free pages that the kernel has promised to mappings that have not touched them yet.
        public let kernelReserved: Int
        /// Pages that claims have beyond those in use and those promised.
        public let reserved: Int
        /// The rest.
        public let free: Int
        /// Pages that claims have, used or not.
        public let claimed: Int
    }

    /// The CPUs that run.
    public let online: CPUList
    /// The CPUs that are there and do not run.
    public let offline: CPUList
    /// The CPUs that the kernel isolates.
    public let isolated: CPUList
    /// The CPUs that stay with the rest of the machine, whatever is claimed.
    public let housekeeping: CPUList
    /// The number of physical cores.
    public let cores: Int
    /// The online CPUs of each core, in the order of their first ones.
    public let coreCPUs: [CPUList]
    /// The packages.
    public let packages: [Package]
    /// The NUMA nodes.
    public let nodes: [Node]
    /// What of the machine's description could not be understood.
    public let problems: [String]
}

/// A pool of CPUs: ``exclusive`` + ``shared`` + `freeCPUs` are all of them.
public struct Pool: Equatable, Sendable {
    /// Its name.
    public let name: String
    /// Its CPUs that are online.
    public let cpus: CPUList
    /// Those that nobody has.
    public let freeCPUs: CPUList
    /// How many CPUs there are.
    public let total: Int
    /// How many of them one claim has alone.
    public let exclusive: Int
    /// How many of them claims share.
    public let shared: Int
    /// How many of them nobody has.
    public let free: Int
    /// How many claims have CPUs of it.
    public let claims: Int
}

/// What serves, and who asks.
public struct DaemonSummary: Equatable, Sendable {
    /// The version of the daemon.
    public let version: String
    /// Where the machine comes from: `real`, `simulated`, `captured`, `sysfs-root`.
    public let machine: String
    /// Why changes are refused; nil while they are accepted.
    public let refusal: String?
    /// The caller's user.
    public let uid: Int
    /// Whether the caller may change everything.
    public let isAdministrator: Bool
}

/// Something that happened to claims.
public enum HostEvent: Equatable, Sendable {
    /// A decision.
    case decision(HostDecision)
    /// Decisions between two numbers are not retained any more; what is known of the claims should be read anew.
    case gap(after: Int, oldest: Int)
    /// CPUs went offline or came back: the machine should be read anew.
    case machine
}

/// A decision that was committed.
public struct HostDecision: Equatable, Sendable {
    /// Its number; a stream can be resumed after it.
    public let sequence: Int
    /// When it was decided, in milliseconds since 1970 UTC.
    public let time: Int
    /// What was asked: `put`, `allocate_cores`, `expire`.
    public let action: String
    /// Whose claim it is about, `KIND:NAME`.
    public let holder: String
    /// What it came to: `granted`, `preparing`, `renewed`, `releasing`, `released`, `expired`, `failed`, `recovered`, `observed`.
    public let outcome: String
    /// The user who asked; nil for what the daemon decided by itself.
    public let uid: Int?
    /// The process that asked; nil for what the daemon decided by itself.
    public let pid: Int?
    /// How it was asked: `epa`, `http`; nil for what the daemon decided by itself.
    public let frontend: String?
    /// The CPUs that were given.
    public let granted: CPUList
    /// The CPUs that were given back.
    public let released: CPUList
    /// The huge pages that were given back.
    public let releasedPages: [HugePages]
    /// Who lost CPUs to the request.
    public let preempted: [Holding]
    /// The new state of the claims that changed.
    public let claims: [Claim]
    /// The holders that have nothing any more.
    public let removed: [String]
    /// All of this as it came: a JSON object on one line.
    public let json: [UInt8]
}
