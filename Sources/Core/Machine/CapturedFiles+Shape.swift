extension CapturedFiles {
    /// A regular machine in a few numbers: the files that a kernel would show for it make a capture.
    ///
    /// For `--simulate`, tests and benchmarks: `CapturedFiles(Shape(packages: 2, coresPerNode: 8))` reads like a server's
    /// `/sys`.
    package struct Shape: Sendable {
        /// How the kernel numbered the threads of a core.
        package enum Numbering: Sendable {
            /// Threads far apart: first one thread of each core, then the next of each (n and n + cores).
            case spread
            /// Threads side by side (2n and 2n + 1).
            case adjacent
        }

        /// What the machine is called.
        package var name = "synthetic"
        /// Packages, at least 1.
        package var packages = 1
        /// NUMA nodes in each package; 0 for a kernel without NUMA.
        package var nodesPerPackage = 1
        /// Cores in each node, or in each package without NUMA; at least 1.
        package var coresPerNode = 4
        /// Threads in each core, at least 1.
        package var threadsPerCore = 1
        /// How threads are numbered.
        package var numbering = Numbering.spread
        /// Cores sharing an L3 cache; nil for one L3 in each package.
        package var coresPerL3: Int?
        /// Nodes with memory and without CPUs, after the others.
        package var memoryOnlyNodes = 0
        /// The isolated CPUs; they need not exist.
        package var isolated = CPUSet()
        /// CPUs that are present and do not run.
        package var offline = CPUSet()
        /// The memory of each node in kB.
        package var memoryKB = 32 << 20
        /// The pools of huge pages of each node.
        package var hugePages: [HugePagePool] = []
        /// Pools of single nodes by id, instead of `hugePages`.
        package var hugePagesByNode: [Int: [HugePagePool]] = [:]

        /// A machine of the given shape; one package with one node of four cores by default.
        package init(
            name: String = "synthetic", packages: Int = 1, nodesPerPackage: Int = 1, coresPerNode: Int = 4,
            threadsPerCore: Int = 1, isolated: CPUSet = CPUSet(), hugePages: [HugePagePool] = []
        ) {
            self.name = name
            self.packages = packages
            self.nodesPerPackage = nodesPerPackage
            self.coresPerNode = coresPerNode
            self.threadsPerCore = threadsPerCore
            self.isolated = isolated
            self.hugePages = hugePages
        }
    }
}

extension CapturedFiles.Shape {
    private var coresPerPackage: Int { max(nodesPerPackage, 1) * max(coresPerNode, 1) }
    private var coreCount: Int { max(packages, 1) * coresPerPackage }

    /// All CPUs, offline ones included; at most ``CPUSet/maximumCPU`` + 1.
    package var cpus: CPUSet { CPUSet(0...(coreCount * max(threadsPerCore, 1) - 1)) }

    /// The CPUs of a core, counted from 0 through all packages, offline ones included.
    package func cpus(ofCore core: Int) -> CPUSet {
        let threads = 0..<max(threadsPerCore, 1)
        return switch numbering {
        case .spread: CPUSet(threads.lazy.map { core + $0 * coreCount })
        case .adjacent: CPUSet(threads.lazy.map { core * threads.count + $0 })
        }
    }

    private func cpus(ofCores cores: Range<Int>) -> CPUSet {
        cores.reduce(into: CPUSet()) { $0.formUnion(cpus(ofCore: $1)) }
    }

    /// The CPUs of a node, offline ones included; empty for a memory-only node.
    package func cpus(ofNode node: Int) -> CPUSet {
        let size = max(coresPerNode, 1)
        guard node >= 0, node < max(packages, 1) * nodesPerPackage else { return CPUSet() }
        return cpus(ofCores: node * size..<(node + 1) * size)
    }

    /// The files of the machine, by path.
    fileprivate var files: [String: String] {
        var files: [String: String] = [:]
        func put(_ path: String, _ content: String) { files[path] = content + "\n" }
        func put(_ path: String, _ cpus: CPUSet) { put(path, cpus.list) }

        let online = cpus.subtracting(offline)
        put("\(SysPath.cpus)/online", online)
        put("\(SysPath.cpus)/offline", cpus.intersection(offline))
        put("\(SysPath.cpus)/present", cpus)
        put("\(SysPath.cpus)/possible", cpus)
        put("\(SysPath.cpus)/isolated", isolated)
        put("\(SysPath.cpus)/nohz_full", CPUSet())
        put("\(SysPath.cpus)/kernel_max", "8191")
        for cpu in cpus where cpu > 0 { put("\(SysPath.cpu(cpu))/online", online.contains(cpu) ? "1" : "0") }

        let coresPerL3 = min(max(self.coresPerL3 ?? coresPerPackage, 1), coresPerPackage)
        for package in 0..<max(packages, 1) {
            let first = package * coresPerPackage
            let packageList = cpus(ofCores: first..<first + coresPerPackage).intersection(online).list
            for l3 in stride(from: first, to: first + coresPerPackage, by: coresPerL3) {
                let l3Cores = l3..<min(l3 + coresPerL3, first + coresPerPackage)
                let l3List = cpus(ofCores: l3Cores).intersection(online).list
                for core in l3Cores {
                    let threads = cpus(ofCore: core).intersection(online)
                    for cpu in threads {
                        put(SysPath.topology(of: cpu, "physical_package_id"), "\(package)")
                        put(SysPath.topology(of: cpu, "core_id"), "\(core - first)")
                        put(SysPath.topology(of: cpu, "core_siblings_list"), packageList)
                        put(SysPath.topology(of: cpu, "package_cpus_list"), packageList)
                        put(SysPath.topology(of: cpu, "thread_siblings_list"), threads)
                        put(SysPath.topology(of: cpu, "core_cpus_list"), threads)
                        let caches = [
                            ("1", "Data", threads.list), ("2", "Unified", threads.list), ("3", "Unified", l3List),
                        ]
                        for (index, (level, type, shared)) in caches.enumerated() {
                            put(SysPath.cache(of: cpu, index, "level"), level)
                            put(SysPath.cache(of: cpu, index, "type"), type)
                            put(SysPath.cache(of: cpu, index, "shared_cpu_list"), shared)
                        }
                    }
                }
            }
        }
        nodeFiles(online: online) { put($0, $1) }
        return files
    }

    private func nodeFiles(online: CPUSet, put: (String, String) -> Void) {
        guard nodesPerPackage > 0 else { return }
        let count = max(packages, 1) * nodesPerPackage + max(memoryOnlyNodes, 0)
        let ids = CPUSet(0...count - 1)
        let withCPUs = CPUSet(ids.filter { !cpus(ofNode: $0).isDisjoint(with: online) })
        put("\(SysPath.nodes)/online", ids.list)
        put("\(SysPath.nodes)/possible", ids.list)
        put("\(SysPath.nodes)/has_cpu", withCPUs.list)
        put("\(SysPath.nodes)/has_memory", ids.list)
        for node in 0..<count {
            let directory = SysPath.node(node)
            put("\(directory)/cpulist", cpus(ofNode: node).intersection(online).list)
            put(
                "\(directory)/meminfo",
                "Node \(node) MemTotal:       \(memoryKB) kB\nNode \(node) MemFree:        \(memoryKB / 2) kB")
            put(
                "\(directory)/distance", (0..<count).map { String(distance(from: node, to: $0)) }.joined(separator: " ")
            )
            for pool in hugePagesByNode[node] ?? hugePages {
                let pages = "\(directory)/hugepages/hugepages-\(pool.sizeKB)kB"
                put("\(pages)/nr_hugepages", "\(pool.total)")
                put("\(pages)/free_hugepages", "\(pool.free)")
                put("\(pages)/surplus_hugepages", "\(pool.surplus)")
                if pool.reserved > 0 { put("\(pages)/resv_hugepages", "\(pool.reserved)") }
            }
        }
    }

    /// 10 to itself, 12 within a package, 21 to another, 28 to and from memory-only nodes.
    private func distance(from: Int, to: Int) -> Int {
        if from == to { return 10 }
        let withCPUs = max(packages, 1) * nodesPerPackage
        if from >= withCPUs || to >= withCPUs { return 28 }
        return from / nodesPerPackage == to / nodesPerPackage ? 12 : 21
    }
}

extension CapturedFiles {
    /// The files of a machine of this shape.
    package init(_ shape: Shape) { self.init(name: shape.name, files: shape.files) }

    /// The built-in machine of `berthd --simulate`: 2 packages of 8 cores with 2 threads (siblings n and n + 16), 2
    /// NUMA nodes, and on each of them 12 isolated CPUs, 4 for housekeeping, huge pages of 2 MB and 1 GB.
    package static let simulated: CapturedFiles = {
        var shape = Shape(
            name: "simulated", packages: 2, coresPerNode: 8, threadsPerCore: 2,
            isolated: [2...7, 10...15, 18...23, 26...31].reduce(into: CPUSet()) { $0.insert(contentsOf: $1) })
        shape.hugePagesByNode = [
            0: [
                HugePagePool(sizeKB: 2_048, total: 2_048, free: 1_792),
                HugePagePool(sizeKB: 1_048_576, total: 16, free: 14),
            ],
            1: [
                HugePagePool(sizeKB: 2_048, total: 2_048, free: 2_048),
                HugePagePool(sizeKB: 1_048_576, total: 16, free: 16),
            ],
        ]
        shape.memoryKB = 64 << 20
        return CapturedFiles(shape)
    }()
}
