import FoundationEssentials
import Machine
import TestSupport
import Testing

@Suite(.needsShared) struct RealMachineTests {
    private func report(_ files: any MachineFiles) throws -> Shared.Expected {
        let machine = try MachineReader(files: files).read()
        // The dump xeon-offline-cpu0-node0 was edited and has a distance column for the node that is gone.
        #expect(
            machine.problems.allSatisfy {
                $0.path == "devices/system/node/node1/distance" && !machine.online.contains(0)
            })
        return try JSONDecoder().decode(Shared.Expected.self, from: Data(TopologyReport(machine).json()))
    }

    @Test("a real machine reads as hwloc and lscpu read it", arguments: SharedDirectory.machines)
    func readsAsExpected(_ name: String) throws {
        var report = try report(Shared.machine(name))
        if name == "kunpeng920-2s-128c" {
            // hwloc takes 64 kB for the base page; this kernel has pools of that size, and the report shows them.
            for node in report.nodeNrHugepages.keys {
                #expect(report.nodeNrHugepages[node]?.removeValue(forKey: "64") == 0)
            }
        }
        #expect(try report == Shared.expected(name))
    }

    @Test(
        "a real machine reads from a directory as from its capture",
        arguments: ["s390-lpar-offline-nonuma", "xeon-offline-cpu0-node0", "hybrid-i7-1270p"])
    func readsFromADirectory(_ name: String) throws {
        let files = try Shared.machine(name)
        let directory = try TemporaryDirectory()
        try directory.write(files.files)
        let tree = DirectoryFiles(root: directory.path + "/")
        #expect(try report(tree) == Shared.expected(name))
        #expect(try MachineReader(files: tree).read() == MachineReader(files: files).read())
    }

    @Test("a replayed capture gives the same machine", arguments: SharedDirectory.machines)
    func captureReplays(_ name: String) throws {
        let files = try Shared.machine(name)
        let capture = MachineCapture.capture(files, name: name)
        #expect(try MachineReader(files: capture).read() == MachineReader(files: files).read())
        let stored = try CapturedFiles(json: capture.json())
        #expect(stored == capture)
        #expect(capture.name == name)
    }

    @Test("the machines of the recordings load", arguments: SharedDirectory.recordedMachines)
    func goldenMachinesLoad(_ name: String) throws {
        let files = try Shared.goldenMachine(name)
        let reader = MachineReader(files: files)
        let machine = try reader.read()
        #expect(machine.problems.isEmpty)
        #expect(machine.online == reader.online())
        #expect(try machine.isolated == reader.isolated())
        #expect(machine.nodeIDs == reader.nodeIDs() ?? [])
        for node in machine.nodes {
            #expect(try node.rawCPUs == reader.nodeCPUs(node.id))
            #expect(node.hugePages == reader.hugePages(ofNode: node.id))
        }
        let capture = MachineCapture.capture(files, name: name)
        for cpu in machine.present {
            let siblings = reader.siblings(of: cpu)
            if machine.online.contains(cpu), let siblings {
                #expect(machine.core(of: cpu) == siblings.intersection(machine.online))
            }
            #expect(MachineReader(files: capture).siblings(of: cpu) == siblings)
        }
        #expect(try MachineReader(files: capture).read() == machine)
    }

    @Test("the odd machine of the recordings has offline CPUs, absent CPUs and gaps")
    func odd() throws {
        let machine = try MachineReader(files: Shared.goldenMachine("odd")).read()
        #expect(machine.isolated.list == "1-2,4-8,11-13,16-19,21")
        #expect(machine.offline.list == "5")
        #expect(machine.nodeIDs == [0, 2, 3])
        #expect(machine.memoryOnlyNodes.map(\.id) == [3])
        #expect(machine.node(2)?.distances == [0: 20, 2: 10, 3: 20])
        #expect(machine.node(2)?.hugePages == [])
        #expect(machine.node(0)?.hugePages.map(\.sizeKB) == [64, 2_048, 1_048_576])
        #expect(machine.node(0)?.hugePages[1] == HugePagePool(sizeKB: 2_048, total: 100, free: 40, surplus: 5))
        #expect(machine.core(of: 18).list == "16-19")
        #expect(machine.core(of: 5).list == "5")
    }

    @Test("hybrid and capacity kinds, clusters, books and isolated CPUs of real machines are read")
    func furtherFacts() throws {
        let hybrid = try MachineReader(files: Shared.machine("hybrid-i7-1270p")).read()
        #expect(hybrid.coreKinds.map(\.name) == ["performance", "efficiency"])
        #expect(hybrid.coreKinds.map(\.cpus.list) == ["0-7", "8-15"])
        #expect(hybrid.l2Groups.map(\.list) == ["0-1", "2-3", "4-5", "6-7", "8-11", "12-15"])
        let phone = try MachineReader(files: Shared.machine("phone-arm-3clusters-nonuma")).read()
        #expect(phone.coreKinds.map(\.capacity) == [1_024, 855, 280])
        #expect(phone.dies.isEmpty && !phone.hasNUMA)
        let kunpeng = try MachineReader(files: Shared.machine("kunpeng920-2s-128c")).read()
        #expect(kunpeng.clusters.count == 32 && kunpeng.clusters.allSatisfy { $0.count == 4 })
        #expect(kunpeng.packages.map(\.id) == [36, 8_442])
        #expect(kunpeng.dies.isEmpty && kunpeng.coreKinds.isEmpty)
        let s390 = try MachineReader(files: Shared.machine("s390-lpar-offline-nonuma")).read()
        #expect(s390.packages.allSatisfy { $0.id == nil })
        #expect(!s390.books.isEmpty)
        #expect(s390.offline.list == "0,6-7")
        let xeon = try MachineReader(files: Shared.machine("xeon-snc2-8node-isolcpus")).read()
        #expect(xeon.isolated.list == "4-7,60-63")
        #expect(xeon.nohzFull.isEmpty)
        let offline = try MachineReader(files: Shared.machine("xeon-offline-cpu0-node0")).read()
        #expect(offline.node(1)?.rawCPUs.list == "1,3,5,7,9,11,13,15,17,19,21,23")
    }
}
