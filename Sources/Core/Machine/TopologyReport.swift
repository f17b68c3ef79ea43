import FoundationEssentials

/// A machine as `berth topology --json` prints it. CPUs are Linux list text throughout; maps are keyed by node id.
package struct TopologyReport: Encodable, Sendable {
    /// What the machine is called; nil for the machine at hand.
    package let name: String?
    /// The number of packages.
    package let packages: Int
    /// The ids of the NUMA nodes.
    package let numaNodes: [Int]
    /// The ids of the nodes with memory and without online CPUs.
    package let memoryOnlyNodes: [Int]
    /// The ids of the nodes with neither memory nor CPUs.
    package let emptyNodes: [Int]
    /// The number of cores.
    package let cores: Int
    /// CPUs that run.
    package let cpusOnline: String
    /// How many run.
    package let cpusOnlineCount: Int
    /// CPUs that are present and do not run.
    package let cpusOffline: String
    /// CPUs that are present.
    package let cpusPresent: String
    /// Isolated CPUs as the kernel lists them.
    package let cpusIsolated: String
    /// CPUs without the periodic tick.
    package let nohzFull: String
    /// The online CPUs of each node.
    package let nodeCPUs: [String: String]
    /// The online CPUs of each core.
    package let smtSiblings: [String]
    /// The online CPUs of each package.
    package let packageCPUs: [String]
    /// The online CPUs of each die.
    package let dies: [String]
    /// The online CPUs of each cluster.
    package let clusters: [String]
    /// The online CPUs sharing each L2 cache.
    package let l2Groups: [String]
    /// The online CPUs sharing each L3 cache.
    package let l3Groups: [String]
    /// The kinds of core; empty where all are alike.
    package let coreKinds: [Kind]
    /// The memory of each node where it is known, in bytes.
    package let nodeMemoryBytes: [String: Int]
    /// The pages in each pool, by node and by page size in kB.
    package let nodeNrHugepages: [String: [String: Int]]
    /// Each pool with its free, reserved and surplus pages.
    package let hugepages: [String: [Pool]]
    /// The distances between nodes; nil with fewer than two nodes or where one is unknown.
    package let nodeDistances: Distances?
    /// Files whose content could not be used.
    package let problems: [String]

    /// A kind of core.
    package struct Kind: Encodable, Sendable {
        /// The name of the kind.
        package let name: String
        /// The CPUs' capacity, where known.
        package let capacity: Int?
        /// The online CPUs.
        package let cpus: String
    }

    /// A pool of huge pages, in pages.
    package struct Pool: Encodable, Sendable {
        /// The size of a page in kB.
        package let sizeKB: Int
        /// Pages in the pool.
        package let total: Int
        /// Unused pages, reserved ones included.
        package let free: Int
        /// Free pages that the kernel has promised to mappings that have not touched them yet.
        package let reserved: Int
        /// Pages above the configured number.
        package let surplus: Int

        private enum CodingKeys: String, CodingKey {
            case sizeKB = "size_kb"
            case total, free, reserved, surplus
        }
    }

    /// Distances as a matrix.
    package struct Distances: Encodable, Sendable {
        /// The ids of rows and columns.
        package let nodes: [Int]
        /// `rows[i][j]`: from `nodes[i]` to `nodes[j]`.
        package let rows: [[Int]]
    }

    /// The report of `machine`.
    package init(_ machine: Machine, name: String? = nil) {
        func byNode<Value>(_ value: (Node) -> Value?) -> [String: Value] {
            Dictionary(machine.nodes.compactMap { node in value(node).map { (String(node.id), $0) } }) { first, _ in
                first
            }
        }
        self.name = name
        packages = machine.packages.count
        numaNodes = machine.nodeIDs
        memoryOnlyNodes = machine.memoryOnlyNodes.map(\.id)
        emptyNodes = machine.emptyNodes.map(\.id)
        cores = machine.cores.count
        cpusOnline = machine.online.list
        cpusOnlineCount = machine.online.count
        cpusOffline = machine.offline.list
        cpusPresent = machine.present.list
        cpusIsolated = machine.isolated.list
        nohzFull = machine.nohzFull.list
        nodeCPUs = byNode { $0.cpus.list }
        smtSiblings = machine.cores.map(\.list)
        packageCPUs = machine.packages.map(\.cpus.list)
        dies = machine.dies.map(\.list)
        clusters = machine.clusters.map(\.list)
        l2Groups = machine.l2Groups.map(\.list)
        l3Groups = machine.l3Groups.map(\.list)
        coreKinds = machine.coreKinds.map { Kind(name: $0.name, capacity: $0.capacity, cpus: $0.cpus.list) }
        nodeMemoryBytes = byNode(\.memoryBytes)
        nodeNrHugepages = byNode { node in
            node.hugePages.isEmpty
                ? nil : Dictionary(node.hugePages.map { (String($0.sizeKB), $0.total) }) { first, _ in first }
        }
        hugepages = byNode { node in
            node.hugePages.map {
                Pool(sizeKB: $0.sizeKB, total: $0.total, free: $0.free, reserved: $0.reserved, surplus: $0.surplus)
            }
        }
        nodeDistances = Self.distances(machine)
        problems = machine.problems.map(\.description)
    }

    private static func distances(_ machine: Machine) -> Distances? {
        let ids = machine.nodeIDs
        guard ids.count > 1 else { return nil }
        var rows: [[Int]] = []
        for node in machine.nodes {
            let row = ids.compactMap { node.distances[$0] }
            guard row.count == ids.count else { return nil }
            rows.append(row)
        }
        return Distances(nodes: ids, rows: rows)
    }

    private enum CodingKeys: String, CodingKey {
        case name, packages, cores, dies, clusters, hugepages, problems
        case numaNodes = "numa_nodes"
        case memoryOnlyNodes = "memory_only_nodes"
        case emptyNodes = "empty_nodes"
        case cpusOnline = "cpus_online"
        case cpusOnlineCount = "cpus_online_count"
        case cpusOffline = "cpus_offline"
        case cpusPresent = "cpus_present"
        case cpusIsolated = "cpus_isolated"
        case nohzFull = "nohz_full"
        case nodeCPUs = "node_cpus"
        case smtSiblings = "smt_siblings"
        case packageCPUs = "package_cpus"
        case l2Groups = "l2_groups"
        case l3Groups = "l3_groups"
        case coreKinds = "core_kinds"
        case nodeMemoryBytes = "node_memory_bytes"
        case nodeNrHugepages = "node_nr_hugepages"
        case nodeDistances = "node_distances"
    }

    /// Writes every key, `node_distances` as null where unknown; only `name` is left out where there is none.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(name, forKey: .name)
        try container.encode(packages, forKey: .packages)
        try container.encode(numaNodes, forKey: .numaNodes)
        try container.encode(memoryOnlyNodes, forKey: .memoryOnlyNodes)
        try container.encode(emptyNodes, forKey: .emptyNodes)
        try container.encode(cores, forKey: .cores)
        try container.encode(cpusOnline, forKey: .cpusOnline)
        try container.encode(cpusOnlineCount, forKey: .cpusOnlineCount)
        try container.encode(cpusOffline, forKey: .cpusOffline)
        try container.encode(cpusPresent, forKey: .cpusPresent)
        try container.encode(cpusIsolated, forKey: .cpusIsolated)
        try container.encode(nohzFull, forKey: .nohzFull)
        try container.encode(nodeCPUs, forKey: .nodeCPUs)
        try container.encode(smtSiblings, forKey: .smtSiblings)
        try container.encode(packageCPUs, forKey: .packageCPUs)
        try container.encode(dies, forKey: .dies)
        try container.encode(clusters, forKey: .clusters)
        try container.encode(l2Groups, forKey: .l2Groups)
        try container.encode(l3Groups, forKey: .l3Groups)
        try container.encode(coreKinds, forKey: .coreKinds)
        try container.encode(nodeMemoryBytes, forKey: .nodeMemoryBytes)
        try container.encode(nodeNrHugepages, forKey: .nodeNrHugepages)
        try container.encode(hugepages, forKey: .hugepages)
        // Scripts find the key on every machine: null is written out.
        try container.encode(nodeDistances, forKey: .nodeDistances)
        try container.encode(problems, forKey: .problems)
    }

    /// The JSON text, indented, keys sorted: equal machines give equal bytes.
    package func json() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(self)) + [UInt8(ascii: "\n")]
    }
}
