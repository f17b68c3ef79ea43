/// A NUMA node, as its directory `devices/system/node/node<id>` describes it.
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
    package let hugePages: [HugePagePool]

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
    /// Pages that nobody uses, reserved ones included (`free_hugepages`).
    package let free: Int
    /// Pages above the configured number (`surplus_hugepages`).
    package let surplus: Int
    /// Free pages that the kernel has promised to mappings that have not touched them yet (`resv_hugepages`). The
    /// kernel counts them for the whole machine: each node then has as many of them as it could have to give.
    package let reserved: Int
    /// Pages that the kernel can still give: the free ones that are not reserved.
    package var available: Int { max(free - reserved, 0) }

    /// A pool.
    package init(sizeKB: Int, total: Int, free: Int, surplus: Int = 0, reserved: Int = 0) {
        self.sizeKB = sizeKB
        self.total = total
        self.free = free
        self.surplus = surplus
        self.reserved = reserved
    }
}
