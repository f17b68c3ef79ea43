/// The hardware as Linux shows it: CPUs, what they share, NUMA nodes with memory and huge pages.
///
/// A value: it does not change when the machine does. ``MachineReader`` reads the machine as it is now.
package struct Machine: Sendable, Equatable {
    /// CPUs that run (`cpu/online`).
    package let online: CPUSet
    /// CPUs that are present, online or not (`cpu/present`).
    package let present: CPUSet
    /// CPUs that are present and do not run. (`cpu/offline` also names those that could be plugged in.)
    package var offline: CPUSet { present.subtracting(online) }
    /// CPUs that the scheduler does not balance load onto, as set at boot (`cpu/isolated`), as the kernel lists them: offline and
    /// absent ones included.
    package let isolated: CPUSet
    /// CPUs without the periodic tick (`cpu/nohz_full`).
    package let nohzFull: CPUSet

    /// The packages (sockets), ascending by their lowest online CPU.
    package let packages: [Package]
    /// The dies, online CPUs only; empty where the kernel shows none.
    package let dies: CPUPartition
    /// The clusters (cores sharing an L2 cache or its tags), online CPUs only; empty where the kernel shows none.
    package let clusters: CPUPartition
    /// The books of s390 (packages on one book), online CPUs only; empty elsewhere.
    package let books: CPUPartition
    /// The drawers of s390 (books in one drawer), online CPUs only; empty elsewhere.
    package let drawers: CPUPartition
    /// The physical cores, each the set of its online sibling CPUs; every online CPU is in exactly one.
    package let cores: CPUPartition
    /// The online CPUs sharing an L2 cache; empty where the kernel shows none. Groups consist of whole cores.
    package let l2Groups: CPUPartition
    /// The online CPUs sharing an L3 cache; empty where the kernel shows none. Groups consist of whole cores.
    package let l3Groups: CPUPartition
    /// The kinds of core, the strongest first; empty where all cores are alike.
    package let coreKinds: [CoreKind]
    /// The NUMA nodes, ascending by id; empty on a kernel without NUMA.
    package let nodes: [Node]

    /// Files whose content could not be used, in the order of reading. The model leaves their content out.
    package let problems: [MachineProblem]

    private let packagePositions: CPUPartition

    /// A machine of the given parts. Groups are cut to online CPUs and made disjoint; online CPUs in no core become cores of
    /// their own; `present` is widened to contain `online`.
    init(
        online: CPUSet, present: CPUSet? = nil, isolated: CPUSet = CPUSet(), nohzFull: CPUSet = CPUSet(),
        cores: [CPUSet] = [], packages: [Package] = [],
        dies: [CPUSet] = [], clusters: [CPUSet] = [], books: [CPUSet] = [], drawers: [CPUSet] = [],
        l2Groups: [CPUSet] = [], l3Groups: [CPUSet] = [], coreKinds: [CoreKind] = [], nodes: [Node] = [],
        problems: [MachineProblem] = []
    ) {
        func partition(_ sets: [CPUSet]) -> CPUPartition {
            CPUPartition(sets.lazy.map { $0.intersection(online) })
        }
        self.online = online
        self.present = (present ?? online).union(online)
        self.isolated = isolated
        self.nohzFull = nohzFull
        self.dies = partition(dies)
        self.clusters = partition(clusters)
        self.books = partition(books)
        self.drawers = partition(drawers)
        let coreless = cores.reduce(online) { $0.subtracting($1) }
        let cores = partition(cores + coreless.map { CPUSet($0...$0) })
        self.cores = cores
        self.l2Groups = partition(l2Groups)
        self.l3Groups = partition(l3Groups)
        self.coreKinds = coreKinds
        self.nodes = nodes.sorted { $0.id < $1.id }
        let packagePositions = partition(packages.map(\.cpus))
        self.packages = packagePositions.map { cpus in
            Package(id: packages.first { !$0.cpus.isDisjoint(with: cpus) }?.id, cpus: cpus)
        }
        self.packagePositions = packagePositions
        self.problems = problems
    }

    /// The online siblings of `cpu`, itself included: its core. The CPU alone where the machine does not know it.
    package func core(of cpu: Int) -> CPUSet { cores.group(of: cpu) ?? CPUSet(CollectionOfOne(cpu)) }

    /// The package of `cpu`; nil where the CPU is not online or the kernel does not say.
    package func package(of cpu: Int) -> Package? { packagePositions.position(of: cpu).map { packages[$0] } }

    /// Whether the kernel shows NUMA nodes.
    package var hasNUMA: Bool { !nodes.isEmpty }

    /// The ids of all nodes, ascending, memory-only ones included.
    package var nodeIDs: [Int] { nodes.map(\.id) }

    /// The node with this id.
    package func node(_ id: Int) -> Node? {
        var low = 0
        var high = nodes.count
        while low < high {
            let middle = (low + high) / 2
            if nodes[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low < nodes.count && nodes[low].id == id ? nodes[low] : nil
    }

    /// The nodes with memory and without an online CPU.
    package var memoryOnlyNodes: [Node] { nodes.filter { $0.cpus.isEmpty && $0.memoryBytes != 0 } }

    /// The nodes with neither memory nor CPUs that are present. Firmware describes such nodes for memory that may come
    /// later: of a GPU, of a CXL device.
    package var emptyNodes: [Node] { nodes.filter { $0.memoryBytes == 0 && $0.rawCPUs.isDisjoint(with: present) } }
}

/// A package (socket).
package struct Package: Sendable, Equatable {
    /// The kernel's `physical_package_id`: any number; nil where it says -1 or nothing. Not unique on every machine.
    package let id: Int?
    /// The package's online CPUs.
    package let cpus: CPUSet

    /// A package.
    package init(id: Int?, cpus: CPUSet) {
        self.id = id
        self.cpus = cpus
    }
}

/// One kind of core on a machine that has several.
package struct CoreKind: Sendable, Equatable {
    /// `performance`, `efficiency` or `low-power` on hybrid Intel machines, `model-<implementer>-<part>` where Arm
    /// machines name the models of their cores, else `capacity-<n>`.
    package let name: String
    /// The highest `cpu_capacity` of its CPUs (the strongest CPU of the machine has 1024); nil where the kernel does not
    /// say.
    package let capacity: Int?
    /// The online CPUs of this kind.
    package let cpus: CPUSet

    /// A kind of core.
    init(name: String, capacity: Int? = nil, cpus: CPUSet) {
        self.name = name
        self.capacity = capacity
        self.cpus = cpus
    }
}

/// A file whose content could not be used.
package struct MachineProblem: Sendable, Equatable, CustomStringConvertible {
    /// The path under `/sys`.
    package let path: String
    /// What is wrong with the content.
    package let reason: String

    /// A problem.
    package init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }

    /// `/sys/path: reason`.
    package var description: String { "/sys/\(path): \(reason)" }
}

/// Why no machine could be read.
package enum MachineError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The highest CPU number of a machine that is read: twice what any kernel can be built for today. A model grows
    /// with the square of it.
    package static let highestCPU = 16_383

    /// No file names a CPU that runs.
    case noCPUs
    /// A CPU that runs has a number above ``highestCPU``.
    case tooHigh(Int)
    /// A file that the whole model depends on has a malformed list: its path under `/sys` and what is wrong.
    case malformed(path: String, CPUListError)

    /// The sentence for people.
    package var description: String {
        switch self {
        case .noCPUs: "No CPU found: /sys/\(SysPath.cpus)/online is absent or empty (is sysfs mounted and readable?)"
        case .tooHigh(let cpu): "/sys/\(SysPath.cpus)/online: CPU \(cpu) is above \(Self.highestCPU)"
        case .malformed(let path, let error): "/sys/\(path): \(error)"
        }
    }
}
