import Bindings
import Machine
import Testing

@Suite struct TopologyTests {
    @Test(
        "A level withdraws just what it says",
        arguments: [
            (ExclusivenessLevel.none, CPUSet()), (.cpu, [0, 2]), (.core, [0, 2, 4, 6]),
            (.socket, [0, 1, 2, 3, 4, 5, 6, 7]),
            (.numa, [0, 1, 2, 3, 4, 5, 6, 7]),
        ] as [(ExclusivenessLevel, CPUSet)])
    func levels(level: ExclusivenessLevel, exclusive: CPUSet) {
        #expect(Examples.t1.exclusive([0, 2], level) == exclusive)
    }

    @Test("A CPU that the node does not have contributes itself alone, and nothing at the wider levels")
    func unknownCPU() {
        #expect(Examples.t1.exclusive([99], .cpu) == [99])
        for level in [ExclusivenessLevel.core, .socket, .numa] { #expect(Examples.t1.exclusive([99], level).isEmpty) }
    }

    @Test("Cores of two sockets are two cores even if their numbers are the same")
    func coreNumbersOfASocket() {
        let topology = NodeTopology(
            sockets: [
                .init(id: 0, cores: [.init(id: 0, cpus: [0, 2])]), .init(id: 1, cores: [.init(id: 0, cpus: [1, 3])]),
            ], numaNodes: [])
        #expect(topology.exclusive([1], .core) == [1, 3])
        #expect(topology.exclusive([1], .numa) == [1])
    }

    @Test("A topology reads the same in whatever order its sockets, cores and CPUs are listed")
    func canonicalOrder() {
        #expect(Examples.t1.sockets.map(\.id) == [0, 1])
        #expect(Examples.t1.sockets[1].cores.map(\.id) == [2, 3])
        #expect(Examples.t1.memoryNodes(of: [6, 1]) == [0, 1] && Examples.t1.memoryNodes(of: [7]) == [1])
    }
}
