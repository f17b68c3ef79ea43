import EPAClient
import Machine
import Rendering
import Terminal
import TestSupport
import Testing

@Suite("Text for people")
struct TextTests {
    @Test(
        "A name from outside stays one word on one line",
        arguments: [
            ("ovs-dpdk", "ovs-dpdk"), ("größe", "größe"), ("数据", "数据"), ("", "\"\""), ("a b", "\"a b\""),
            ("a\"b", #""a\"b""#), ("a\\b", #"a\\b"#), ("a\nb\tc\r", #"a\nb\tc\r"#), ("\u{1B}[31m", #"\u{1B}[31m"#),
            ("\u{9B}2J", #"\u{9B}2J"#), ("\u{7F}", #"\u{7F}"#), ("a\u{202E}b\u{2066}", #"a\u{202E}b\u{2066}"#),
            ("a\u{200B}\u{FEFF}", #"a\u{200B}\u{FEFF}"#), ("a\u{A0}b\u{3000}", #"a\u{A0}b\u{3000}"#),
            ("\u{2028}\u{2029}\u{85}", #"\u{2028}\u{2029}\u{85}"#),
            ("\u{301}a\u{301}\u{301}", "\\u{301}a\u{301}\\u{301}"),
            ("\u{E0041}", #"\u{E0041}"#), ("\u{3164}\u{2800}", #"\u{3164}\u{2800}"#),
        ])
    func escaping(name: String, shown: String) {
        #expect(Printable.name(name).unicodeScalars.elementsEqual(shown.unicodeScalars), "\(Printable.name(name))")
    }

    @Test("The table of allocations is aligned, plain in a pipe, with a summary on a terminal")
    func allocations() throws {
        let list = try Example.list([("nova", "2-7", false), ("数据 x", "10", true)], of: 24)
        #expect(
            Tables.allocations(list, style: .plain).rendered(.plain) == """
                SERVICE   COUNT  PROTECTION  CPUS
                nova          6  automatic   2-7
                "数据 x"      1  explicit    10

                """)
        var terminal = Style.plain
        terminal.isTerminal = true
        #expect(
            Tables.allocations(list, style: terminal).rendered(terminal).hasSuffix(
                "\n\n24 isolated CPUs: 7 held by 2 services, 17 free\n"))
    }

    @Test(
        "Claims to CPUs that are not isolated any more have rows of their own, marked, and are counted in the summary")
    func outsidePool() throws {
        var terminal = Style.plain
        terminal.isTerminal = true
        let outside = [
            Allocation(service: "db", cpus: try Example.cpus("8"), isExplicit: true),
            Allocation(service: "nova", cpus: try Example.cpus("4-5"), isExplicit: false),
        ]
        // Some daemons list all CPUs of a service whose CPUs are partly isolated.
        let list = AllocationList(
            allocations: [Allocation(service: "nova", cpus: try Example.cpus("2-5"), isExplicit: false)], allocated: 2,
            available: 2, remaining: 0)
        #expect(
            Tables.allocations(list, outsidePool: outside, style: terminal).rendered(terminal) == """
                SERVICE  COUNT  PROTECTION  CPUS  NOTE
                nova         2  automatic   2-3
                db           1  explicit    8     not isolated any more
                nova         2  automatic   4-5   not isolated any more

                2 isolated CPUs: 2 held by 1 service, 0 free; 3 held CPUs are not isolated any more

                """)
        let lost = try Example.list([], of: 0)
        #expect(
            Tables.allocations(lost, outsidePool: outside, style: terminal).rendered(terminal).hasSuffix(
                "\n\nno isolated CPUs: no CPU can be allocated; 3 held CPUs are not isolated any more\n"))
    }

    @Test("Free is what could be given now: offline CPUs are counted apart, and the figures add up")
    func offlineCPUs() throws {
        var terminal = Style.plain
        terminal.isTerminal = true
        let list = try Example.list([("a", "2-3,9", true)], of: 8)
        let machine = ServedMachine(isolated: try Example.cpus("2-9"), online: try Example.cpus("0-5,9"))
        #expect(
            Tables.allocations(list, machine: machine, style: terminal).rendered(terminal).hasSuffix(
                "\n8 isolated CPUs: 3 held by 1 service, 2 free, 3 offline (6-8)\n"))
        // The CPUs of another machine say nothing.
        let other = ServedMachine(isolated: try Example.cpus("2-5"), online: try Example.cpus("0-5"))
        #expect(
            Tables.allocations(list, machine: other, style: terminal).rendered(terminal).hasSuffix(
                "\n8 isolated CPUs: 3 held by 1 service, 5 free\n"))
    }

    @Test("status counts pages as the map does, and its figures add up, also where the machine is not known")
    func statusPages() throws {
        let memory = MemoryInfo(nodes: [
            MemoryInfo.Node(
                id: 1, pools: [MemoryInfo.Pool(sizeKB: 2048, total: 1000, free: 600)],
                reservations: [MemoryInfo.Reservation(service: "a", sizeKB: 2048, count: 400)])
        ])
        func pages(_ machine: ServedMachine?) throws -> String {
            let list = try Example.list([("a", "2-3", true)], of: 4)
            let lines = Tables.status(
                socket: "s", status: nil, list: list, memory: memory, machine: machine, style: .plain)
            return lines.rendered(.plain).split(separator: "\n").last.map(String.init) ?? ""
        }
        let pool = HugePagePool(sizeKB: 2048, total: 1000, free: 700, reserved: 150)
        let machine = ServedMachine(isolated: CPUSet(2...5), online: CPUSet(0...5), hugePages: [1: [pool]])
        #expect(
            try pages(machine)
                == "pages    node 1, 2M: 1000 pages: 300 in use, 150 reserved by the kernel, 0 more reserved, 550 free"
        )
        let unknown = "pages    node 1, 2M: 1000 pages: 0 in use, 400 reserved, 600 free"
        #expect(try pages(nil) == unknown)
        #expect(
            try pages(ServedMachine(isolated: CPUSet(2...6), online: CPUSet(0...6), hugePages: [1: [pool]])) == unknown)
    }

    @Test("The labels of an edge node count each CPU once, and huge pages that the kernel can still give")
    func labels() throws {
        var files = CapturedFiles(
            CapturedFiles.Shape(packages: 2, coresPerNode: 4, isolated: try Example.cpus("2-5,7")))
        files["devices/system/node/node0/cpulist"] = "0-5"
        files["devices/system/cpu/online"] = "0-6"
        for (name, count) in [("nr", 10), ("free", 8), ("resv", 5)] {
            files["devices/system/node/node1/hugepages/hugepages-2048kB/\(name)_hugepages"] = "\(count)"
        }
        #expect(
            try MachineReader(files: files).read().edgeNodeLabels == [
                "berth-numa-0-cpus=4", "berth-numa-1-hugepages-2M=3",
            ])
        files["devices/system/node/node1/hugepages/hugepages-2048kB/resv_hugepages"] = "8"
        #expect(try MachineReader(files: files).read().edgeNodeLabels == ["berth-numa-0-cpus=4"])
    }

    @Test("A long name is cut on a terminal and whole in a pipe")
    func longName() throws {
        let name = String(repeating: "n", count: 100)
        let list = try Example.list([(name, "2", false)], of: 24)
        var terminal = Style.plain
        terminal.isTerminal = true
        #expect(Tables.allocations(list, style: .plain).rendered(.plain).contains(name))
        #expect(!Tables.allocations(list, style: terminal).rendered(terminal).contains(name))
    }

    @Test("The table of huge pages names who reserved, sizes without a pool too")
    func memory() {
        let memory = MemoryInfo(nodes: [
            MemoryInfo.Node(
                id: 3, pools: [MemoryInfo.Pool(sizeKB: 2048, total: 8, free: 3)],
                reservations: [
                    MemoryInfo.Reservation(service: "a", sizeKB: 2048, count: 4),
                    MemoryInfo.Reservation(service: "b c", sizeKB: 2048, count: 1),
                    MemoryInfo.Reservation(service: "a", sizeKB: 64, count: 2),
                ])
        ])
        #expect(
            Tables.memory(memory, style: .plain).rendered(.plain) == """
                NODE  SIZE  TOTAL  IN USE  RESERVED  FREE  CLAIMED BY
                   3   64K      -       -         2     -  a=2
                   3    2M      8       0         5     3  a=4 "b c"=1

                """)
    }

    @Test("The tree shows what contains what")
    func tree() throws {
        let text = TopologyTree(title: "hybrid", machine: try Example.hybrid, style: .plain).lines.rendered(.plain)
        #expect(
            text == """
                hybrid: 11 CPUs in 9 cores, 1 package, 2 NUMA nodes
                  online       0-10
                  offline      11
                  isolated     2-3,8-11
                  nohz_full    -
                  performance  0-3
                  efficiency   4-10

                Package 0, Node 0, L3  0-10  16 GiB
                |- Cluster  4-7  4 cores
                |- Cluster  8-10  3 cores
                `- 2 cores  0-1  2-3
                Node 2, memory only  128 GiB

                """)
    }

    /// The CPUs that the lines of a tree list as cores, and the number of cores that they count.
    private func cores(_ machine: Machine) -> (lines: [String], count: Int) {
        let lines = TopologyTree(title: "t", machine: machine, style: .plain).lines.rendered(.plain).split(
            separator: "\n"
        )
        .map(String.init)
        let words = lines.dropFirst().flatMap { $0.split(separator: " ").map(String.init) }
        let counts = zip(words, words.dropFirst()).filter { $0.1 == "core" || $0.1 == "cores" }.compactMap { Int($0.0) }
        return (lines, counts.reduce(0, +))
    }

    @Test("A tree shows each core once and each node, also where nodes overlap or caches have part of a core")
    func overlaps() throws {
        let cpu = "devices/system/cpu"
        let node = "devices/system/node"
        var files = CapturedFiles(CapturedFiles.Shape(packages: 2, coresPerNode: 3, threadsPerCore: 2))
        // Nodes that overlap in a core, one that has half a core, and one of all CPUs.
        files["\(node)/node0/cpulist"] = "0-3,6-9"
        files["\(node)/node2/cpulist"] = "5"
        files["\(node)/node3/cpulist"] = "0-11"
        files["\(node)/node4/cpulist"] = "3-5,9-11"
        for number in [0, 1, 2, 6, 7, 8] { files["\(cpu)/cpu\(number)/cache/index2/shared_cpu_list"] = "0-1,6" }
        let machine = try MachineReader(files: files).read()
        let found = cores(machine)
        #expect(found.count == 6, "\(found.lines)")
        for id in 0...4 {
            #expect(found.lines.filter { $0.contains("Node \(id),") || $0.contains("Node \(id) ") }.count == 1)
        }
        #expect(!found.lines.contains { $0.contains("L3  0-1,6") })
    }

    @Test("Machines of public bug reports show each core once", .needsShared)
    func reported() throws {
        for name in [
            "grace-one-kind", "fake-numa-overlap", "gh200-empty-nodes", "lxcfs-virtual-online",
            "cpu0-offline-l3-cuts-core",
        ] {
            let path = "\(try #require(SharedDirectory.path))/cases/machines/\(name).json"
            let machine = try MachineReader(files: CapturedFiles(contentsOf: path)).read()
            let found = cores(machine)
            #expect(found.count == machine.cores.count, "\(name): \(found.lines)")
            let labels = machine.edgeNodeLabels.filter { $0.contains("-cpus=") }.compactMap { label in
                label.split(separator: "=").last.flatMap { Int($0) }
            }
            #expect(labels.reduce(0, +) == machine.isolated.intersection(machine.online).count, "\(name)")
        }
    }
}
