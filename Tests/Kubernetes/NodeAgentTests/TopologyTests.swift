import KubernetesClient
import NodeAgent
import Testing

/// The machine as a NodeCPUTopology.
@Suite struct TopologyTests {
    @Test("cores have numbers of their own on the whole machine, and everything is in ascending order")
    func numbers() {
        let machine = NodeMachine(
            online: [0, 1, 2, 3, 4, 5, 6, 7], cores: [[3, 7], [0, 4], [2, 6], [1, 5]],
            packages: [[2, 3, 6, 7], [0, 1, 4, 5]], nodes: [(1, [2, 3, 6, 7]), (0, [0, 1, 4, 5])])
        let topology = machine.topology
        #expect(topology.sockets.map(\.id) == [0, 1])
        #expect(topology.sockets.map { $0.cores.map(\.id) } == [[0, 1], [2, 3]])
        #expect(topology.sockets.map { $0.cores.map(\.cpus) } == [[[0, 4], [1, 5]], [[2, 6], [3, 7]]])
        #expect(topology.sockets.map(\.cpus) == [[0, 1, 4, 5], [2, 3, 6, 7]])
        #expect(topology.numaNodes == [.init(id: 0, cpus: [0, 1, 4, 5]), .init(id: 1, cpus: [2, 3, 6, 7])])
        #expect(topology.cpus == Array(0..<8))
    }

    @Test(
        "W33: a machine without NUMA has the node 0; CPUs that are offline, and what nothing is known of, break nothing"
    )
    func bare() {
        let bare = NodeMachine(online: [0, 2], cores: [[0, 1]], packages: [], nodes: []).topology
        #expect(bare.numaNodes == [.init(id: 0, cpus: [0, 2])])
        #expect(
            bare.sockets == [.init(id: 0, cores: [.init(id: 0, cpus: [0]), .init(id: 1, cpus: [2])], cpus: [0, 2])])
        let partly = NodeMachine(online: [0, 1], cores: [], packages: [[0]], nodes: [(1, [1])]).topology
        #expect(partly.numaNodes == [.init(id: 0, cpus: [0]), .init(id: 1, cpus: [1])])
        #expect(partly.sockets.map(\.cpus) == [[0], [1]])
        let memoryOnly = NodeMachine(online: [0], cores: [[0]], packages: [[0]], nodes: [(0, [0]), (1, [])]).topology
        #expect(memoryOnly.numaNodes.map(\.id) == [0])
    }
}
