import Machine
import Testing

/// The virtual machines of `Tests/e2e`, whose shapes QEMU was told.
@Suite struct VirtualMachineTests {
    private func machine(_ name: String) throws -> Machine {
        let root = #filePath.split(separator: "/Tests/")[0]
        return try MachineReader(files: CapturedFiles(contentsOf: "/\(root)/Tests/e2e/machines/\(name).json")).read()
    }

    private static let kernels = ["6.1", "6.12"]

    @Test("two packages with SMT and a node each", arguments: kernels)
    func twoPackages(_ kernel: String) throws {
        let machine = try machine("two-packages-isolcpus-\(kernel)")
        #expect(machine.problems.isEmpty)
        #expect(machine.online.list == "0-15" && machine.offline.isEmpty)
        #expect(machine.isolated.list == "2-7,10-15")
        #expect(machine.packages.map(\.cpus.list) == ["0-7", "8-15"])
        #expect(machine.cores.count == 8 && machine.core(of: 5).list == "4-5")
        #expect(machine.l3Groups.map(\.list) == ["0-7", "8-15"])
        #expect(machine.nodes.map(\.cpus.list) == ["0-7", "8-15"])
        #expect(machine.nodes.map(\.distances) == [[0: 10, 1: 21], [0: 21, 1: 10]])
        for node in machine.nodes {
            #expect(node.hugePages.first { $0.sizeKB == 2_048 }?.total == 32)
        }
    }

    @Test("four nodes: the third has no memory, the fourth no CPUs", arguments: kernels)
    func fourNodes(_ kernel: String) throws {
        let machine = try machine("four-nodes-\(kernel)")
        #expect(machine.problems.isEmpty)
        #expect(machine.nodes.map(\.cpus.list) == ["0-3", "4-7", "8-11", ""])
        #expect(machine.nodes.map { $0.memoryBytes == 0 } == [false, false, true, false])
        #expect(machine.memoryOnlyNodes.map(\.id) == [3] && machine.emptyNodes.isEmpty)
        #expect(machine.node(3)?.distances == [0: 17, 1: 17, 2: 28, 3: 10])
        #expect(machine.isolated.list == "2-11")
    }

    @Test("one package without NUMA nodes of its own is one node", arguments: kernels)
    func legacy(_ kernel: String) throws {
        let machine = try machine("legacy-\(kernel)")
        #expect(machine.problems.isEmpty)
        #expect(machine.nodes.map(\.cpus.list) == ["0-7"])
        #expect(machine.packages.count == 1 && machine.cores.count == 4)
        #expect(machine.isolated.list == "2-7")
    }
}
