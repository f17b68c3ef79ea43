import EPAClient
import Machine

/// Machines and holders for the pictures.
enum Example {
    static func cpus(_ list: String) throws -> CPUSet { try CPUSet(list: list) }

    static func machine(_ shape: CapturedFiles.Shape) throws -> Machine {
        try MachineReader(files: CapturedFiles(shape)).read()
    }

    static var simulated: Machine { get throws { try MachineReader(files: CapturedFiles.simulated).read() } }

    /// 8 CPUs, no isolated ones, no huge pages.
    static var laptop: Machine {
        get throws { try machine(CapturedFiles.Shape(name: "laptop", packages: 1, coresPerNode: 4, threadsPerCore: 2)) }
    }

    /// 512 CPUs in 2 packages, 8 nodes, 4 caches in each node.
    static var large: Machine {
        get throws {
            var large = CapturedFiles.Shape(
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
            var wide = CapturedFiles.Shape(
                name: "wide", packages: 128, coresPerNode: 4, isolated: try cpus("4-511"),
                hugePages: [HugePagePool(sizeKB: 2048, total: 512, free: 512)])
            wide.hugePagesByNode = [7: [HugePagePool(sizeKB: 2048, total: 1024, free: 100)]]
            return try machine(wide)
        }
    }

    /// Two kinds of core, clusters, one CPU off, a node of memory only.
    static var hybrid: Machine {
        get throws {
            var files = [
                "\(cpu)/online": "0-10", "\(cpu)/present": "0-11", "\(cpu)/isolated": "2-3,8-11",
                "devices/cpu_core/cpus": "0-3", "devices/cpu_atom/cpus": "4-10", "\(node)/node0/cpulist": "0-11",
                "\(node)/node0/meminfo": "Node 0 MemTotal: 16777216 kB", "\(node)/node2/cpulist": "",
                "\(node)/node2/meminfo": "Node 2 MemTotal: 134217728 kB",
            ]
            for number in 0...10 {
                let topology = "\(cpu)/cpu\(number)/topology"
                files["\(topology)/thread_siblings_list"] = number < 2 ? "0-1" : number < 4 ? "2-3" : "\(number)"
                files["\(topology)/package_cpus_list"] = "0-10"
                files["\(topology)/physical_package_id"] = "0"
                if number > 3 { files["\(topology)/cluster_cpus_list"] = number < 8 ? "4-7" : "8-10" }
                files["\(cpu)/cpu\(number)/cache/index0/level"] = "3"
                files["\(cpu)/cpu\(number)/cache/index0/shared_cpu_list"] = "0-10"
            }
            return try MachineReader(files: CapturedFiles(name: "hybrid", files: files)).read()
        }
    }

    private static let cpu = "devices/system/cpu"
    private static let node = "devices/system/node"

    static func list(_ holders: [(String, String, Bool)], of available: Int) throws -> AllocationList {
        let allocations = try holders.map { Allocation(service: $0.0, cpus: try cpus($0.1), isExplicit: $0.2) }
        let held = allocations.reduce(CPUSet()) { $0.union($1.cpus) }.count
        return AllocationList(
            allocations: allocations, allocated: held, available: available, remaining: available - held)
    }

    /// The reply of a daemon that serves the simulated machine.
    static let memory = MemoryInfo(nodes: [
        MemoryInfo.Node(
            id: 0,
            pools: [
                MemoryInfo.Pool(sizeKB: 2048, total: 2048, free: 1536),
                MemoryInfo.Pool(sizeKB: 1 << 20, total: 16, free: 14),
            ],
            reservations: [MemoryInfo.Reservation(service: "ovs-dpdk", sizeKB: 2048, count: 512)]),
        MemoryInfo.Node(
            id: 1,
            pools: [
                MemoryInfo.Pool(sizeKB: 2048, total: 2048, free: 2048),
                MemoryInfo.Pool(sizeKB: 1 << 20, total: 16, free: 12),
            ],
            reservations: [MemoryInfo.Reservation(service: "db", sizeKB: 1 << 20, count: 4)]),
    ])
}
