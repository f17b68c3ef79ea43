/// A NUMA node, as its folder `devices/system/node/node<id>` describes it.
package struct Node: Sendable, Equatable {
    /// The kernel's number. Numbers may have gaps.
    package let id: Int
    /// The CPUs that the node's `cpulist` names, offline ones included: the EPA rules count these.
    package let rawCPUs: CPUSet
    /// The node's CPUs that are online; empty for a memory-only node.
    package let cpus: CPUSet
    /// The node's memory in bytes (`MemTotal` of its `meminfo`); nil where the kernel does not say.
    package let memoryBytes: Int?
    /// The distance to each node by its id, 10 to itself (ACPI SLIT); empty where the kernel does not say.
    package let distances: [Int: Int]
    /// The pools of huge pages, ascending by size.
    package internal(set) var hugePages: [HugePagePool]

    /// A node; `cpus` is what is online of `rawCPUs`.
    package init(
        id: Int, rawCPUs: CPUSet, online: CPUSet, memoryBytes: Int? = nil, distances: [Int: Int] = [:],
        hugePages: [HugePagePool] = []
    ) {
        self.id = id
        self.rawCPUs = rawCPUs
        self.cpus = rawCPUs.intersection(online)
        self.memoryBytes = memoryBytes
        self.distances = distances
        self.hugePages = hugePages
    }
}

/// The huge pages of one size on one node
/// (kernel `Documentation/admin-guide/mm/hugetlbpage.rst`, counts in pages).
package struct HugePagePool: Sendable, Equatable {
    /// The size of a page in kB (1,024 bytes).
    package let sizeKB: Int
    /// Pages in the pool, surplus ones included (`nr_hugepages`).
    package let total: Int
    /// Pages that nobody uses (`free_hugepages`).
    package let free: Int
    /// Pages above the configured number (`surplus_hugepages`).
    package let surplus: Int

    /// A pool.
    package init(sizeKB: Int, total: Int, free: Int, surplus: Int = 0) {
        self.sizeKB = sizeKB
        self.total = total
        self.free = free
        self.surplus = surplus
    }
}
