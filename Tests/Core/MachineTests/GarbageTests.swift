import Machine
import TestSupport
import Testing

/// Whatever the files hold, reading gives a consistent machine, or an error.
@Suite struct GarbageTests {
    private func check(_ files: some MachineFiles, _ note: Comment) {
        let reader = MachineReader(files: files)
        let result = Result { () throws(MachineError) in try reader.read() }
        let capture = MachineCapture.capture(files, name: "garbage")
        let replayed = Result { () throws(MachineError) in try MachineReader(files: capture).read() }
        #expect(result == replayed, note)
        _ = reader.online()
        _ = try? reader.isolated()
        for id in (reader.nodeIDs() ?? []).prefix(20) + [-1, 0, .max] {
            _ = try? reader.nodeCPUs(id)
            _ = reader.hugePages(ofNode: id)
        }
        for cpu in 0...40 { _ = reader.siblings(of: cpu) }
        guard case .success(let machine) = result else { return }

        #expect(!machine.online.isEmpty, note)
        #expect(machine.online.isSubset(of: machine.present), note)
        var cored = CPUSet()
        for core in machine.cores {
            #expect(core.isDisjoint(with: cored) && !core.isEmpty, note)
            cored.formUnion(core)
        }
        #expect(cored == machine.online, note)
        for partition in [machine.dies, machine.clusters, machine.l2Groups, machine.l3Groups] {
            let members = partition.reduce(CPUSet()) { $0.union($1) }
            #expect(members.isSubset(of: machine.online), note)
            #expect(members.count == partition.reduce(0) { $0 + $1.count }, note)
            for group in partition { for cpu in group { #expect(machine.core(of: cpu).isSubset(of: group), note) } }
        }
        let packaged = machine.packages.reduce(CPUSet()) { $0.union($1.cpus) }
        #expect(packaged.count == machine.packages.reduce(0) { $0 + $1.cpus.count }, note)
        let kinds = machine.coreKinds.reduce(CPUSet()) { $0.union($1.cpus) }
        #expect(kinds.isSubset(of: machine.online) && machine.coreKinds.count != 1, note)
        #expect(kinds.count == machine.coreKinds.reduce(0) { $0 + $1.cpus.count }, note)
        for node in machine.nodes {
            #expect(node.cpus == node.rawCPUs.intersection(machine.online), note)
            #expect(node.hugePages.allSatisfy { $0.total >= 0 && $0.free >= 0 && $0.surplus >= 0 }, note)
            #expect(node.hugePages.allSatisfy { (0...$0.free).contains($0.reserved) && $0.available >= 0 }, note)
            #expect(machine.node(node.id) != nil, note)
        }
        #expect((try? TopologyReport(machine).json()) != nil, note)
    }

    private static let base: CapturedFiles = {
        var shape = CapturedFiles.Shape(packages: 2, coresPerNode: 3, threadsPerCore: 2, isolated: CPUSet(2...9))
        shape.hugePages = [HugePagePool(sizeKB: 2_048, total: 8, free: 3)]
        return CapturedFiles(shape)
    }()

    @Test("random content in every file never traps and gives a consistent model", arguments: UInt64(0)..<25)
    func everyFile(_ seed: UInt64) {
        check(RandomFiles(seed: seed, base: Self.base, rarity: 1), "seed \(seed)")
    }

    @Test("random content in a few files never traps and gives a consistent model", arguments: UInt64(100)..<180)
    func fewFiles(_ seed: UInt64) {
        check(RandomFiles(seed: seed, base: Self.base, rarity: 2 + seed % 40), "seed \(seed)")
    }

    @Test("random text never traps the list and mask parsers, and what they accept prints and reads back")
    func parsers() throws {
        var random = SeededRandom(seed: 11)
        let alphabet = Array("0123456789,-:/ \nabcfx\0")
        for _ in 0..<20_000 {
            let text = String(
                (0..<Int.random(in: 0...12, using: &random)).compactMap { _ in alphabet.randomElement(using: &random) })
            if let set = try? CPUSet(list: text) { #expect(try CPUSet(list: set.list) == set, "seed 11") }
            if let set = try? CPUSet(mask: text) { #expect(set.isEmpty || text.contains { $0.isHexDigit }, "seed 11") }
        }
    }
}
