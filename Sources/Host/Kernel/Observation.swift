import Ledger
import Machine

/// A claim as the kernel should have it: what ``Verification`` compares with.
package struct VerifiedClaim: Equatable, Sendable {
    /// A cgroup that has to be a partition.
    package struct Partition: Equatable, Sendable {
        /// Its path from the root of the hierarchy.
        package let cgroup: String
        /// The word in its `cpuset.cpus.partition`: `root` or `isolated`.
        package let word: String

        /// The partition that `cgroup` has to be.
        package init(cgroup: String, word: String) { (self.cgroup, self.word) = (cgroup, word) }
    }

    /// Who holds it.
    package var holder: Holder
    /// Where the holder may run.
    package var cpus: CPUSet
    /// The CPUs that nobody else may use.
    package var exclusive: CPUSet
    /// The memory nodes that it is bound to; empty where it is not bound.
    package var memoryNodes: [Int]
    /// How strongly others are kept off.
    package var isolation: Isolation
    /// The cgroup of the claim, from the root of the hierarchy; nil where it has none.
    package var cgroup: String?
    /// The cgroups of the containers of its pod, from the root of the hierarchy.
    package var containers: [String] = []
    /// The partitions that have to be valid for it.
    package var partitions: [Partition]
    /// The process that holds it, where it has no cgroup.
    package var process: ProcessIdentity?

    /// What `claim` asks of the kernel, with the isolation and the process of its enforcement.
    package init(_ claim: Claim, cgroup: String?, partitions: [Partition] = []) {
        holder = claim.holder
        cpus = claim.cpus
        exclusive = claim.exclusive
        memoryNodes = claim.memoryNodes
        isolation = claim.enforcement?.isolation ?? .none
        self.cgroup = cgroup
        self.partitions = partitions
        process = cgroup == nil ? claim.enforcement?.request.process : nil
    }
}

/// One thread as the kernel shows it.
package struct ObservedThread: Equatable, Sendable {
    /// The process.
    package var pid: Int
    /// The thread; the first one of a process has its id.
    package var tid: Int
    /// Its name: at most 15 bytes, which it chooses itself.
    package var name: String
    /// The CPUs that it may run on (`Cpus_allowed_list`).
    package var allowed: CPUSet
    /// Its cgroup; nil where it cannot be read.
    package var cgroup: String?
    /// Whether it belongs to the kernel.
    package var isKernelThread: Bool
    /// Whether nobody can move it (PF_NO_SETAFFINITY).
    package var isFixed: Bool
    /// The CPU that it ran on last; nil where that is not known.
    package var lastCPU: Int?

    /// A thread of a user's process, unless told otherwise.
    package init(
        pid: Int, tid: Int, name: String, allowed: CPUSet, cgroup: String?, isKernelThread: Bool = false,
        isFixed: Bool = false, lastCPU: Int? = nil
    ) {
        self.pid = pid
        self.tid = tid
        self.name = name
        self.allowed = allowed
        self.cgroup = cgroup
        self.isKernelThread = isKernelThread
        self.isFixed = isFixed
        self.lastCPU = lastCPU
    }

    /// The systemd unit of its cgroup; nil where no part of the path is named like one.
    package var unit: String? {
        let parts = (cgroup ?? "").split(separator: "/")
        return parts.last { $0.hasSuffix(".service") || $0.hasSuffix(".scope") }.map { String($0) }
            ?? parts.last { $0.hasSuffix(".slice") }.map { String($0) }
    }
}

/// One interrupt as the kernel shows it.
package struct ObservedInterrupt: Equatable, Sendable {
    /// Its number.
    package var number: Int
    /// What handles it, such as `nvme0q1`; empty where the kernel does not say.
    package var name: String
    /// Where it may be delivered (`smp_affinity_list`).
    package var allowed: CPUSet
    /// Where it is delivered; nil where the kernel does not say.
    package var effective: CPUSet?
    /// How often it came, by CPU, on the CPUs of interest.
    package var counts: [Int: Int]
    /// Whether the kernel does not let it be moved.
    package var isManaged: Bool

    /// An interrupt that can be moved, unless told otherwise.
    package init(
        number: Int, name: String, allowed: CPUSet, effective: CPUSet? = nil, counts: [Int: Int] = [:],
        isManaged: Bool = false
    ) {
        self.number = number
        self.name = name
        self.allowed = allowed
        self.effective = effective
        self.counts = counts
        self.isManaged = isManaged
    }
}

/// The cpuset files of one cgroup.
package struct ObservedCgroup: Equatable, Sendable {
    /// The CPUs that its processes can have (`cpuset.cpus.effective`); nil where there is no such file.
    package var effective: CPUSet?
    /// `cpuset.cpus.partition`; nil where there is no such file.
    package var partition: String?
    /// The memory nodes that its processes can have (`cpuset.mems.effective`); nil where there is no such file.
    package var memoryNodes: [Int]?

    /// A cgroup with these files.
    package init(effective: CPUSet? = nil, partition: String? = nil, memoryNodes: [Int]? = nil) {
        self.effective = effective
        self.partition = partition
        self.memoryNodes = memoryNodes
    }
}

/// A mask of the kernel's for work of no process.
package enum SharedMask: String, CaseIterable, Sendable {
    /// Interrupts that are set up from now on.
    case newInterrupts = "new interrupts"
    /// Unbound kernel workqueues.
    case workqueues = "unbound workqueues"
}

/// Where the memory of one process of a holder is.
package struct ObservedMemory: Equatable, Sendable {
    /// The process.
    package var pid: Int
    /// Its name.
    package var name: String
    /// Whose it is.
    package var holder: Holder
    /// Its memory in kB, by node; without that of files, which belong to nobody.
    package var kilobytes: [Int: Int]

    /// The memory of one process.
    package init(pid: Int, name: String, holder: Holder, kilobytes: [Int: Int]) {
        self.pid = pid
        self.name = name
        self.holder = holder
        self.kilobytes = kilobytes
    }
}

/// What the kernel does, as far as claims are concerned.
package struct Observation: Equatable, Sendable {
    /// The CPUs that are online; nil where the kernel does not say.
    package var online: CPUSet?
    /// The threads that may run on exclusive CPUs, and those of holders.
    package var threads: [ObservedThread] = []
    /// The processes of claims that have no cgroup, by holder.
    package var processes: [Holder: Int] = [:]
    /// The cgroups of claims, the partitions, the cgroups of ``threads``, and the root; those that are there.
    package var cgroups: [String: ObservedCgroup] = [:]
    /// The interrupts, those without a handler left out.
    package var interrupts: [ObservedInterrupt] = []
    /// The mask of interrupts to come and that of unbound workqueues, where the kernel shows them.
    package var masks: [SharedMask: CPUSet] = [:]
    /// The memory of holders that are bound to nodes, where it was looked at.
    package var memory: [ObservedMemory] = []
    /// How many threads were looked at.
    package var threadCount = 0
    /// What could not be read, one sentence each: what follows from it may be missing.
    package var failures: [String] = []

    /// Nothing seen.
    package init() {}
}
