import KubernetesClient

/// The machine that the agent runs on, as a NodeCPUTopology shows it.
package struct NodeMachine: Equatable, Sendable {
    /// The CPUs that run.
    package var online: [Int]
    /// The CPUs of each core, those that run.
    package var cores: [[Int]]
    /// The CPUs of each package.
    package var packages: [[Int]]
    /// The NUMA nodes by their ids; none on a kernel without NUMA.
    package var nodes: [(id: Int, cpus: [Int])]
    /// The CPUs that stay with the rest of the machine, whatever is claimed.
    package var reserved: [Int]

    package init(
        online: [Int], cores: [[Int]], packages: [[Int]], nodes: [(id: Int, cpus: [Int])], reserved: [Int] = []
    ) {
        self.online = online
        self.cores = cores
        self.packages = packages
        self.nodes = nodes
        self.reserved = reserved
    }

    package static func == (one: NodeMachine, other: NodeMachine) -> Bool {
        one.online == other.online && one.cores == other.cores && one.packages == other.packages
            && one.reserved == other.reserved && one.nodes.map(\.id) == other.nodes.map(\.id)
            && one.nodes.map(\.cpus) == other.nodes.map(\.cpus)
    }

    /// Sockets and cores are numbered in the order of their first CPUs, as lscpu does, so that a core's number is its own on
    /// the whole machine. A CPU that the kernel puts into no group is a group of its own, and belongs to the NUMA node 0
    /// where it has none.
    package var topology: NodeCPUTopology.Topology {
        let all = Set(online)
        func groups(_ groups: [[Int]]) -> [[Int]] {
            var rest = all
            var taken: [[Int]] = []
            for group in groups {
                let cpus = rest.intersection(group).sorted()
                rest.subtract(cpus)
                if !cpus.isEmpty { taken.append(cpus) }
            }
            return taken + rest.map { [$0] }
        }
        func ordered(_ groups: [[Int]]) -> [[Int]] { groups.sorted { ($0.first ?? 0) < ($1.first ?? 0) } }
        let cores = ordered(groups(self.cores))
        // A kernel that shows no packages has one.
        let sockets = ordered(groups(packages.isEmpty ? [online] : packages))
        var socketOfCPU: [Int: Int] = [:]
        for (number, cpus) in sockets.enumerated() { for cpu in cpus { socketOfCPU[cpu] = number } }
        var coresOfSocket: [Int: [NodeCPUTopology.Core]] = [:]
        for (number, cpus) in cores.enumerated() {
            let socket = cpus.first.flatMap { socketOfCPU[$0] } ?? 0
            coresOfSocket[socket, default: []].append(.init(id: number, cpus: cpus))
        }
        var numa: [Int: [Int]] = [:]
        var homeless = all
        for node in nodes {
            let cpus = homeless.intersection(node.cpus).sorted()
            homeless.subtract(cpus)
            if !cpus.isEmpty { numa[node.id] = cpus }
        }
        if !homeless.isEmpty { numa[0] = (numa[0, default: []] + homeless).sorted() }
        return NodeCPUTopology.Topology(
            sockets: sockets.indices.map { number in
                let cores = coresOfSocket[number] ?? []
                return .init(id: number, cores: cores, cpus: cores.flatMap(\.cpus).sorted())
            }, numaNodes: numa.sorted { $0.key < $1.key }.map { .init(id: $0.key, cpus: $0.value) },
            cpus: online.sorted())
    }
}
