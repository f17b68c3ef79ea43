import EPAClient
import Machine

/// Machines and holders for the pictures.
enum Example {
    static func cpus(_ list: String) throws -> CPUSet { try CPUSet(list: list) }

    static func machine(_ synthetic: SyntheticMachine) throws -> Machine {
        try MachineReader(files: synthetic.files).read()
    }

    static var simulated: Machine { get throws { try MachineReader(files: CapturedFiles.simulated).read() } }

    /// 8 CPUs, no isolated ones, no huge pages.
    static var laptop: Machine {
        get throws { try machine(SyntheticMachine(name: "laptop", packages: 1, coresPerNode: 4, threadsPerCore: 2)) }
    }

    /// 512 CPUs in 2 packages, 8 nodes, 4 caches in each node.
    static var large: Machine {
        get throws {
            var large = SyntheticMachine(
                name: "large", packages: 2, nodesPerPackage: 4, coresPerNode: 32, threadsPerCore: 2,
                isolated: try cpus("8-255,264-511"),
                hugePages: [HugePagePool(sizeKB: 1 << 20, total: 64, free: 60)])
            large.coresPerL3 = 8
            return try machine(large)
        }
    }

    /// 512 CPUs in 128 packages and nodes.
    static var wide: Machine {
        get throws {
            var wide = SyntheticMachine(
                name: "wide", packages: 128, coresPerNode: 4, isolated: try cpus("4-511"),
                hugePages: [HugePagePool(sizeKB: 2048, total: 512, free: 512)])
            wide.hugePagesByNode = [7: [HugePagePool(sizeKB: 2048, total: 1024, free: 100)]]
            return try machine(wide)
        }
    }

    /// Two kinds of core, clusters, one CPU off, a node of memory only.
    static var hybrid: Machine {
        get throws {
            let online = try cpus("0-10")
            return Machine(
                online: online, present: try cpus("0-11"), isolated: try cpus("2-3,8-11"),
                cores: [try cpus("0-1"), try cpus("2-3")], packages: [Package(id: 0, cpus: online)],
                clusters: [try cpus("4-7"), try cpus("8-10")], l3Groups: [online],
                coreKinds: [
                    CoreKind(name: "performance", cpus: try cpus("0-3")),
                    CoreKind(name: "efficiency", cpus: try cpus("4-10")),
                ],
                nodes: [
                    Node(id: 0, rawCPUs: try cpus("0-11"), online: online, memoryBytes: 16 << 30),
                    Node(id: 2, rawCPUs: CPUSet(), online: online, memoryBytes: 128 << 30),
                ])
        }
    }

    static func list(_ holders: [(String, String, Bool)], of available: Int) throws -> AllocationList {
        let allocations = try holders.map { Allocation(service: $0.0, cpus: try cpus($0.1), isExplicit: $0.2) }
        let held = allocations.reduce(CPUSet()) { $0.union($1.cpus) }.count
        return AllocationList(
            allocations: allocations, allocated: held, available: available, remaining: available - held)
    }

    /// As the daemon tells it of the simulated machine.
    static let memory = MemoryInfo(nodes: [
        MemoryInfo.Node(
            id: 0,
            pools: [
                MemoryInfo.Pool(sizeKB: 2048, total: 2048, free: 1536),
                MemoryInfo.Pool(sizeKB: 1 << 20, total: 16, free: 14),
            ],
            bookings: [MemoryInfo.Booking(service: "ovs-dpdk", sizeKB: 2048, count: 512)]),
        MemoryInfo.Node(
            id: 1,
            pools: [
                MemoryInfo.Pool(sizeKB: 2048, total: 2048, free: 2048),
                MemoryInfo.Pool(sizeKB: 1 << 20, total: 16, free: 12),
            ],
            bookings: [MemoryInfo.Booking(service: "db", sizeKB: 1 << 20, count: 4)]),
    ])
}
