import Machine
import TestSupport
import Testing

@Suite struct ShapeTests {
    @Test("the simulated machine is a server with housekeeping and isolated CPUs and free huge pages on both nodes")
    func simulated() throws {
        let machine = try MachineReader(files: CapturedFiles.simulated).read()
        #expect(machine.problems.isEmpty)
        #expect(machine.packages.map(\.cpus.list) == ["0-7,16-23", "8-15,24-31"])
        #expect(machine.cores.count == 16 && machine.core(of: 5).list == "5,21")
        #expect(machine.l3Groups.map(\.list) == ["0-7,16-23", "8-15,24-31"])
        #expect(machine.nodes.map(\.distances) == [[0: 10, 1: 21], [0: 21, 1: 10]])
        for node in machine.nodes {
            #expect(node.cpus.intersection(machine.isolated).count == 12)
            #expect(node.memoryBytes == 64 << 30)
            #expect(node.hugePages.map(\.sizeKB) == [2_048, 1_048_576])
            #expect(node.hugePages.allSatisfy { $0.free > 0 && $0.free <= $0.total })
        }
    }

    @Test("a machine of any shape reads back as specified", arguments: UInt64(0)..<40)
    func shapes(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var shape = CapturedFiles.Shape(
            packages: .random(in: 1...3, using: &random), nodesPerPackage: .random(in: 0...3, using: &random),
            coresPerNode: .random(in: 1...5, using: &random), threadsPerCore: .random(in: 1...4, using: &random))
        shape.numbering = Bool.random(using: &random) ? .spread : .adjacent
        shape.coresPerL3 = Bool.random(using: &random) ? nil : .random(in: 1...6, using: &random)
        shape.memoryOnlyNodes = .random(in: 0...2, using: &random)
        shape.offline = CPUSet(shape.cpus.filter { _ in Int.random(in: 0..<5, using: &random) == 0 })
        shape.isolated = CPUSet(shape.cpus.filter { _ in Bool.random(using: &random) })
        shape.hugePages = [HugePagePool(sizeKB: 2_048, total: 8, free: 3, surplus: 1, reserved: 2)]
        let online = shape.cpus.subtracting(shape.offline)
        guard !online.isEmpty else { return }

        let files = CapturedFiles(shape)
        let machine = try MachineReader(files: files).read()
        #expect(machine.problems.isEmpty, "seed \(seed)")
        #expect(machine.online == online && machine.present == shape.cpus, "seed \(seed)")
        #expect(machine.isolated == shape.isolated, "seed \(seed)")
        let nodeCount = shape.nodesPerPackage == 0 ? 0 : shape.packages * shape.nodesPerPackage + shape.memoryOnlyNodes
        #expect(machine.nodeIDs == Array(0..<nodeCount), "seed \(seed)")
        for node in machine.nodes {
            #expect(node.cpus == shape.cpus(ofNode: node.id).intersection(online), "seed \(seed)")
            #expect(node.hugePages == shape.hugePages && node.distances.count == nodeCount, "seed \(seed)")
        }
        let coreCount = shape.packages * max(shape.nodesPerPackage, 1) * shape.coresPerNode
        let cores = (0..<coreCount).map { shape.cpus(ofCore: $0).intersection(online) }.filter { !$0.isEmpty }
        #expect(Set(machine.cores) == Set(cores), "seed \(seed)")
        for core in cores { for cpu in core { #expect(machine.core(of: cpu) == core, "seed \(seed)") } }
        let capture = MachineCapture.capture(files, name: "again")
        #expect(try MachineReader(files: capture).read() == machine, "seed \(seed)")
    }

    @Test("512 CPUs on 128 nodes read back")
    func manyNodes() throws {
        let machine = try MachineReader(
            files: CapturedFiles(
                CapturedFiles.Shape(packages: 16, nodesPerPackage: 8, coresPerNode: 2, threadsPerCore: 2))
        ).read()
        #expect(machine.online.count == 512 && machine.nodes.count == 128 && machine.cores.count == 256)
        #expect(machine.nodes.allSatisfy { $0.cpus.count == 4 && $0.distances.count == 128 })
        #expect(machine.packages.count == 16 && machine.l3Groups.count == 16)
    }
}
