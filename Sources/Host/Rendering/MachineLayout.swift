import Machine

/// A machine in the order in which it is drawn: places that have groups of cores.
struct MachineLayout {
    /// CPUs that are drawn together: a NUMA node, or the CPUs of a package that are in no node.
    struct Place {
        /// The node; nil on machines without NUMA and for CPUs in no node.
        let node: Node?
        /// Positions in ``Machine/packages``, ascending.
        let packages: [Int]
        /// The groups of cores; empty for a node without CPUs.
        let groups: [Group]
        /// CPUs of the node that are drawn in the places of other nodes, because nodes overlap.
        let elsewhere: CPUSet
        /// The nodes in whose places they are drawn.
        let owners: [Int]
        /// All its CPUs.
        var cpus: CPUSet { CPUSet(groups.lazy.flatMap(\.cores).joined()) }
        /// The lowest CPU.
        var first: Int? { groups.compactMap(\.cores.first?.first).min() }
    }

    /// Cores that share something that the neighbouring cores do not.
    struct Group {
        /// What separates it from the group before; nil for the first of a place.
        let boundary: Boundary?
        /// Each core's CPUs, siblings side by side.
        let cores: [[Int]]
    }

    /// What differs between two groups.
    enum Boundary: Int, Comparable, Hashable {
        case offline, cluster, kind, l3, package

        static func < (left: Boundary, right: Boundary) -> Bool { left.rawValue < right.rawValue }
    }

    /// Ascending by package, then by node; nodes without CPUs last.
    let places: [Place]
    /// The ids of the nodes with nothing to draw.
    let emptyNodes: [Int]
    /// Whether any core has more than one CPU.
    let hasSiblings: Bool

    init(_ machine: Machine) {
        hasSiblings = machine.cores.contains { $0.count > 1 }
        let keys = GroupKeys(machine)
        var left = machine.online
        var leftOffline = machine.offline
        var places: [Place] = []
        let empty = machine.emptyNodes.filter { node in !node.hugePages.contains { $0.total > 0 } }
        emptyNodes = empty.map(\.id)
        for node in machine.nodes where !empty.contains(node) {
            // Where nodes overlap, a CPU is drawn in the first.
            let online = node.cpus.intersection(left)
            let offline = node.rawCPUs.intersection(leftOffline)
            left.subtract(online)
            leftOffline.subtract(offline)
            let elsewhere = node.rawCPUs.intersection(machine.present).subtracting(online).subtracting(offline)
            let owners = places.filter { !$0.cpus.isDisjoint(with: elsewhere) }.compactMap { $0.node?.id }
            places.append(
                Self.place(
                    node, online: online, offline: offline, elsewhere: elsewhere, owners: owners, machine, keys))
        }
        for package in machine.packages where !package.cpus.isDisjoint(with: left) {
            let online = package.cpus.intersection(left)
            left.subtract(online)
            places.append(Self.place(nil, online: online, offline: CPUSet(), machine, keys))
        }
        if !left.isEmpty || !leftOffline.isEmpty {
            places.append(Self.place(nil, online: left, offline: leftOffline, machine, keys))
        }
        self.places = places.enumerated().sorted { one, other in
            let (first, second) = (one.element.order, other.element.order)
            return first == second ? one.offset < other.offset : first < second
        }.map(\.element)
    }

    private static func place(
        _ node: Node?, online: CPUSet, offline: CPUSet, elsewhere: CPUSet = CPUSet(), owners: [Int] = [],
        _ machine: Machine, _ keys: GroupKeys
    ) -> Place {
        var taken = CPUSet()
        var cores: [(key: GroupKeys.Key, cpus: [Int])] = []
        for cpu in online where !taken.contains(cpu) {
            let core = machine.core(of: cpu).intersection(online)
            taken.formUnion(core)
            cores.append((keys.key(of: cpu), Array(core)))
        }
        // Groups are ordered by their lowest CPU; their CPU numbers may interleave.
        var order: [GroupKeys.Key] = []
        var members: [GroupKeys.Key: [[Int]]] = [:]
        for core in cores {
            if members[core.key] == nil { order.append(core.key) }
            members[core.key, default: []].append(core.cpus)
        }
        order.sort { ($0.package, $0.l3) < ($1.package, $1.l3) }
        var groups: [Group] = []
        for (index, key) in order.enumerated() {
            let boundary = index == 0 ? nil : key.boundary(after: order[index - 1])
            groups.append(Group(boundary: boundary, cores: members[key] ?? []))
        }
        if !offline.isEmpty {
            groups.append(Group(boundary: groups.isEmpty ? nil : .offline, cores: offline.map { [$0] }))
        }
        return Place(
            node: node, packages: Set(order.map(\.package)).filter { $0 >= 0 }.sorted(), groups: groups,
            elsewhere: elsewhere, owners: owners)
    }
}

extension MachineLayout.Place {
    /// By package; places without online CPUs last.
    fileprivate var order: Int { packages.first ?? .max }
}

/// What each CPU shares, as positions; -1 for nothing.
private struct GroupKeys {
    struct Key: Hashable {
        let package: Int
        let l3: Int
        let kind: Int
        let cluster: Int

        func boundary(after other: Key) -> MachineLayout.Boundary {
            if package != other.package { return .package }
            if l3 != other.l3 { return .l3 }
            return kind != other.kind ? .kind : .cluster
        }
    }

    private let machine: Machine
    private let packages: CPUPartition
    private let clusters: CPUPartition

    init(_ machine: Machine) {
        self.machine = machine
        packages = CPUPartition(machine.packages.map(\.cpus))
        // A cluster of one core adds nothing to the core.
        clusters = CPUPartition(machine.clusters.filter { machine.core(of: $0.first ?? 0) != $0 })
    }

    func key(of cpu: Int) -> Key {
        Key(
            package: packages.position(of: cpu) ?? -1, l3: machine.l3Groups.position(of: cpu) ?? -1,
            kind: machine.coreKinds.firstIndex { $0.cpus.contains(cpu) } ?? -1,
            cluster: clusters.position(of: cpu) ?? -1)
    }
}
