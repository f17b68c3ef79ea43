import Machine
import TestSupport
import Testing

/// Machines of public bug reports against programs that read them, and more of each kind.
@Suite struct ReportedMachineTests {
    private let cpu = "devices/system/cpu"
    private let node = "devices/system/node"

    private func machine(_ files: [String: String]) throws -> Machine {
        try MachineReader(files: CapturedFiles(name: "reported", files: files)).read()
    }

    private func kinds(_ capacities: [Int], models: [String] = []) throws -> [CoreKind] {
        var files = ["\(cpu)/online": "0-\(capacities.count - 1)"]
        for (number, capacity) in capacities.enumerated() {
            files["\(cpu)/cpu\(number)/cpu_capacity"] = "\(capacity)\n"
        }
        for (number, model) in models.enumerated() {
            files["\(cpu)/cpu\(number)/regs/identification/midr_el1"] = "\(model)\n"
        }
        return try machine(files).coreKinds
    }

    @Test("machines of public bug reports read as their owners know them", .needsShared)
    func reported() throws {
        #expect(try Shared.reported("grace-one-kind").coreKinds.isEmpty)
        let overlapping = try Shared.reported("fake-numa-overlap")
        #expect(overlapping.nodes.map(\.cpus.list) == Array(repeating: "0-3", count: 8))
        #expect(overlapping.online.count == 4 && overlapping.emptyNodes.isEmpty && overlapping.memoryOnlyNodes.isEmpty)
        let hopper = try Shared.reported("gh200-empty-nodes")
        #expect(hopper.memoryOnlyNodes.map(\.id) == [1])
        #expect(hopper.emptyNodes.map(\.id) == [2, 3, 4, 5, 6, 7, 8])
        let container = try Shared.reported("lxcfs-virtual-online")
        #expect(container.online.list == "0-1" && container.isolated.intersection(container.online).isEmpty)
        let cut = try Shared.reported("cpu0-offline-l3-cuts-core")
        #expect(cut.cores.count == 8 && cut.l3Groups.isEmpty && cut.l2Groups.count == 8)
        #expect(cut.problems.map(\.reason).allSatisfy { $0.hasSuffix("has part of a core only") })
        #expect(cut.problems.count == 2)
    }

    @Test(
        "capacities within 5 % of their neighbours are one kind of core",
        arguments: [
            ([1024, 996, 1005, 1013, 1019], []), ([1024, 980, 940, 905], []), ([0, 0], []), ([512, 512], []),
            ([1024, 960], [1024, 960]), ([280, 855, 1024, 860], [1024, 860, 280]), ([0, 1024], [1024, 0]),
        ])
    func capacities(_ capacities: [Int], _ expected: [Int]) throws {
        #expect(try kinds(capacities).map(\.capacity) == expected)
        #expect(try kinds(capacities).map(\.name) == expected.map { "capacity-\($0)" })
    }

    @Test("where Arm cores name their models, the models are the kinds, whatever the capacities")
    func models() throws {
        let grace = "0x00000000410fd4f0"
        #expect(try kinds([1024, 700], models: [grace, grace]).isEmpty)
        // Another variant and revision of the same part.
        #expect(try kinds([1024, 1024], models: [grace, "0x00000000411fd4f1"]).isEmpty)
        let found = try kinds(
            [400, 1000, 410, 1024], models: ["0x410fd460", "0x410fd4d0", "0x410fd460", "0x410fd4d0"])
        #expect(found.map(\.name) == ["model-0x41-0xd4d", "model-0x41-0xd46"])
        #expect(found.map(\.cpus.list) == ["1,3", "0,2"])
        #expect(found.map(\.capacity) == [1024, 410])
        // A model that is known for some CPUs only, or is no number, decides nothing.
        #expect(try kinds([1024, 1020], models: [grace]).isEmpty)
        #expect(try kinds([1024, 500], models: [grace]).map(\.capacity) == [1024, 500])
        #expect(try kinds([1024, 500], models: [grace, "0x+1"]).map(\.capacity) == [1024, 500])
    }

    @Test("on Intel the counters' CPUs are the kinds, each CPU in one of them, before capacities")
    func hybrid() throws {
        var files = [
            "\(cpu)/online": "0-9", "devices/cpu_core/cpus": "0-3\n", "devices/cpu_atom/cpus": "3-7,12\n",
            "devices/cpu_lowpower/cpus": "8-9\n",
        ]
        for number in 0...9 { files["\(cpu)/cpu\(number)/cpu_capacity"] = "\(1024 - 100 * number)" }
        let kinds = try machine(files).coreKinds
        #expect(kinds.map(\.name) == ["performance", "efficiency", "low-power"])
        #expect(kinds.map(\.cpus.list) == ["0-3", "4-7", "8-9"])
        files["devices/cpu_atom/cpus"] = nil
        files["devices/cpu_lowpower/cpus"] = nil
        #expect(try machine(files).coreKinds.isEmpty)
    }

    private func packages(_ lists: [String], ids: [Int?]) throws -> Machine {
        var files = ["\(cpu)/online": "0-\(lists.count - 1)"]
        for (number, (list, id)) in zip(lists, ids).enumerated() {
            files["\(cpu)/cpu\(number)/topology/package_cpus_list"] = list
            files["\(cpu)/cpu\(number)/topology/physical_package_id"] = id.map(String.init)
        }
        return try machine(files)
    }

    @Test("the package id decides where the CPU lists of packages contradict each other")
    func contradictoryPackages() throws {
        let hotplug = try packages(
            ["0-3", "0-3", "0-3", "0-3", "0-5", "0-5", "6-7", "6-7"], ids: [0, 0, 0, 0, 0, 0, 1, 1])
        #expect(hotplug.packages == [Package(id: 0, cpus: CPUSet(0...5)), Package(id: 1, cpus: CPUSet(6...7))])
        #expect(hotplug.problems.map(\.path) == ["\(cpu)/cpu0/topology"])
        // The wider list comes first.
        #expect(
            try packages(["0-3", "0-3", "2-3", "2-3"], ids: [4, 4, 5, 5]).packages.map(\.cpus.list) == ["0-1", "2-3"])
        // Without ids nothing else decides, and every CPU still has one package.
        #expect(try packages(["0-1", "0-1", "0-3", "0-3"], ids: [nil, nil, -1, nil]).packages.count == 2)
        // Lists that agree count, though the ids repeat.
        let agreeing = try packages(["0-1", "0-1", "2-3", "2-3"], ids: [7, 7, 7, 7])
        #expect(agreeing.packages.map(\.cpus.list) == ["0-1", "2-3"] && agreeing.problems.isEmpty)
    }

    @Test("a cache that has part of a core is left out, and named; the others stay")
    func cutCores() throws {
        var files = ["\(cpu)/online": "0-7"]
        for number in 0...7 {
            files["\(cpu)/cpu\(number)/topology/thread_siblings_list"] = "\(number % 4),\(number % 4 + 4)"
            files["\(cpu)/cpu\(number)/cache/index0/level"] = "3"
            files["\(cpu)/cpu\(number)/cache/index0/shared_cpu_list"] = ["0,4", "1-2,5", "1-2,5", "3,6-7"][number % 4]
        }
        files["\(cpu)/cpu6/cache/index0/shared_cpu_list"] = "3,6-7"
        let machine = try machine(files)
        #expect(machine.l3Groups.map(\.list) == ["0,4"])
        #expect(machine.problems.map(\.path) == ["\(cpu)/cpu1/cache", "\(cpu)/cpu3/cache"])
        #expect(machine.problems.first?.reason == "the L3 cache of CPUs 1-2,5 has part of a core only")
    }

    @Test("pages that the kernel has promised are not available, whether it counts them by node or for the machine")
    func reservedPages() throws {
        let pages = "\(node)/node0/hugepages/hugepages-2048kB"
        let global = "kernel/mm/hugepages/hugepages-2048kB/resv_hugepages"
        var files = CapturedFiles(
            name: "reserved",
            files: [
                "\(cpu)/online": "0", "\(node)/node0/cpulist": "0", "\(pages)/nr_hugepages": "1000\n",
                "\(pages)/free_hugepages": "1000\n", "\(pages)/surplus_hugepages": "0\n",
            ])
        func pool() throws -> HugePagePool {
            let reader = MachineReader(files: files)
            let capture = MachineCapture.capture(files, name: "again")
            #expect(capture[global] == files[global])
            #expect(MachineReader(files: capture).hugePages(ofNode: 0) == reader.hugePages(ofNode: 0))
            return try #require(reader.hugePages(ofNode: 0)?.first)
        }
        #expect(try pool() == HugePagePool(sizeKB: 2048, total: 1000, free: 1000))
        files[global] = "900\n"
        #expect(try pool() == HugePagePool(sizeKB: 2048, total: 1000, free: 1000, reserved: 900))
        #expect(try pool().available == 100)
        files["\(pages)/resv_hugepages"] = "400\n"
        #expect(try pool().available == 600)
        files["\(pages)/resv_hugepages"] = "5000\n"
        #expect(try pool().available == 0 && pool().reserved == 1000)
        files["\(pages)/resv_hugepages"] = "-3\n"
        #expect(try pool().available == 1000)
    }

    @Test("a capture has the models of the cores")
    func capturedModels() throws {
        let files = CapturedFiles(
            name: "models",
            files: [
                "\(cpu)/online": "0-1", "\(cpu)/cpu0/topology/core_id": "0", "\(cpu)/cpu1/topology/core_id": "1",
                "\(cpu)/cpu0/regs/identification/midr_el1": "0x410fd460",
                "\(cpu)/cpu1/regs/identification/midr_el1": "0x410fd4d0",
            ])
        let capture = MachineCapture.capture(files, name: "again")
        #expect(capture["\(cpu)/cpu1/regs/identification/midr_el1"] == "0x410fd4d0")
        #expect(try MachineReader(files: capture).read().coreKinds.count == 2)
        // Also where the reader stops at a CPU without one.
        var partial = files
        partial["\(cpu)/cpu0/regs/identification/midr_el1"] = nil
        let path = "\(cpu)/cpu1/regs/identification/midr_el1"
        #expect(MachineCapture.capture(partial, name: "again")[path] == "0x410fd4d0")
    }

    @Test("nodes with neither memory nor CPUs are empty, those of which the memory is unknown are not")
    func emptyNodes() throws {
        let machine = try machine([
            "\(cpu)/online": "0", "\(cpu)/present": "0-1", "\(node)/node0/cpulist": "0",
            "\(node)/node0/meminfo": "Node 0 MemTotal: 0 kB", "\(node)/node1/cpulist": "1",
            "\(node)/node1/meminfo": "Node 1 MemTotal: 0 kB", "\(node)/node2/cpulist": "2",
            "\(node)/node2/meminfo": "Node 2 MemTotal: 0 kB", "\(node)/node3/cpulist": "",
            "\(node)/node4/cpulist": "", "\(node)/node4/meminfo": "Node 4 MemTotal: 4 kB",
        ])
        #expect(machine.emptyNodes.map(\.id) == [2])
        #expect(machine.memoryOnlyNodes.map(\.id) == [3, 4])
    }
}
