import Machine
import Testing

@Suite struct MachineSourceTests {
    private let cpu = "devices/system/cpu"
    private let node = "devices/system/node"

    @Test("a CPU that goes offline is noticed at the next ask")
    func offline() throws {
        var shape = SyntheticMachine(packages: 2, coresPerNode: 4, threadsPerCore: 2)
        let files = ChangingFiles(shape.files)
        let source = MachineSource(files: files)
        #expect(try source.current().core(of: 3).list == "3,11")
        #expect(source.siblings(of: 11)?.list == "3,11")
        shape.offline = CPUSet(3...3)
        files.replace(shape.files)
        let machine = try source.current()
        #expect(machine.offline.list == "3")
        #expect(machine.core(of: 11).list == "11")
        #expect(machine.node(0)?.cpus.list == "0-2,8-11")
        #expect(source.siblings(of: 11)?.list == "11")
        #expect(source.siblings(of: 3) == nil)
    }

    @Test("a change of the isolated CPUs, of nohz_full, of huge pages and of nodes is noticed at the next ask")
    func change() throws {
        let files = ChangingFiles(.simulated)
        let source = MachineSource(files: files)
        #expect(try source.current() == MachineReader(files: files).read())
        files.set("\(cpu)/isolated", "5\n")
        #expect(try source.current().isolated.list == "5")
        files.set("\(cpu)/nohz_full", "6\n")
        #expect(try source.current().nohzFull.list == "6")
        files.set("\(node)/node1/hugepages/hugepages-2048kB/free_hugepages", "1\n")
        #expect(try source.current().node(1)?.hugePages.first?.free == 1)
        files.set("\(node)/node7/cpulist", "\n")
        #expect(try source.current().nodeIDs == [0, 1, 7])
        #expect(try source.current() == MachineReader(files: files).read())
        files.set("\(cpu)/isolated", "5-\n")
        #expect(throws: MachineError.self) { try source.current() }
        files.set("\(cpu)/isolated", nil)
        #expect(try source.current().isolated.isEmpty)
    }

    @Test("an unchanged machine is not read again, only what changes without hotplug")
    func readsLittle() throws {
        let files = CountingFiles(CapturedFiles.simulated)
        let source = MachineSource(files: files)
        _ = try source.current()
        let first = files.reads
        _ = try source.current()
        #expect(first > 200)
        #expect(files.reads - first < 30)
    }

    @Test("siblings of CPUs asked for before cost one look at cpu/online")
    func siblingTable() throws {
        let files = CountingFiles(CapturedFiles.simulated)
        let source = MachineSource(files: files)
        let isolated = try source.reader.isolated()
        let table = source.siblingTable(for: isolated)
        for cpu in isolated { #expect(table[cpu] == source.reader.siblings(of: cpu)) }
        let before = files.reads
        #expect(source.siblingTable(for: isolated) == table)
        #expect(files.reads == before + 1)
        // CPUs without the file are remembered as such.
        _ = source.siblingTable(for: isolated.union(CPUSet(900...910)))
        let after = files.reads
        _ = source.siblingTable(for: CPUSet(900...910))
        #expect(files.reads == after + 1)
    }

    @Test("without cpu/online nothing is trusted from before")
    func withoutOnline() throws {
        let files = ChangingFiles(
            CapturedFiles(name: "", files: ["\(cpu)/present": "0-1", "\(cpu)/cpu1/online": "1"]))
        let source = MachineSource(files: files)
        #expect(try source.current().online.list == "0-1")
        #expect(source.siblings(of: 1) == nil)
        files.set("\(cpu)/cpu1/online", "0")
        files.set("\(cpu)/cpu1/topology/thread_siblings_list", "1")
        #expect(try source.current().online.list == "0")
        #expect(source.siblings(of: 1)?.list == "1")
    }
}
