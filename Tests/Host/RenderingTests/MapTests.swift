import EPAClient
import Glibc
import Machine
import Rendering
import Terminal
import TestSupport
import Testing

@Suite("The map of a machine")
struct MapTests {
    private func plain(
        _ title: String, _ machine: Machine, _ list: AllocationList? = nil, _ memory: MemoryInfo? = nil,
        outsidePool: [Allocation] = [], width: Int = 80, detail: MachineMap.Detail = .auto
    ) -> String {
        let style = Style(usesColour: false, usesUnicode: false, width: width, isTerminal: false)
        let occupancy = list.map { Occupancy($0, memory ?? MemoryInfo(nodes: []), outsidePool: outsidePool) }
        return MachineMap(title: title, machine: machine, occupancy: occupancy, style: style, detail: detail).lines
            .rendered(style)
    }

    /// Compares with the file of this name; `BERTH_RECORD=1` writes it anew: look at it before you commit it.
    private func expect(_ text: String, isLike name: String, _ location: SourceLocation = #_sourceLocation) throws {
        let path = "/" + #filePath.split(separator: "/").dropLast().joined(separator: "/") + "/Golden/\(name).txt"
        if getenv("BERTH_RECORD") != nil { try TemporaryDirectory.write(Array(text.utf8), to: path) }
        let golden = String(decoding: TemporaryDirectory.read(path) ?? [], as: UTF8.self)
        #expect(text == golden, "\n\(text)", sourceLocation: location)
    }

    private static func simulatedHolders() throws -> AllocationList {
        try Example.list(
            [("nova-compute", "4-7,20-23", false), ("ovs-dpdk", "2-3,10-11,18-19,26-27", true)], of: 24)
    }

    @Test("The simulated machine shows nodes, siblings, holders and pages at a glance")
    func simulated() throws {
        try expect(
            plain("simulated", try Example.simulated, Self.simulatedHolders(), Example.memory), isLike: "simulated")
    }

    @Test("On a terminal with colours, each holder is a block of its colour and bars are drawn")
    func colours() throws {
        let style = Style(usesColour: true, usesUnicode: true, width: 80, isTerminal: true)
        let map = MachineMap(
            title: "simulated", machine: try Example.simulated,
            occupancy: Occupancy(try Self.simulatedHolders(), Example.memory, outsidePool: []), style: style)
        try expect(map.lines.rendered(style), isLike: "simulated-terminal")
    }

    @Test("A machine of 8 CPUs without isolated ones says that nothing can be allocated")
    func laptop() throws {
        try expect(plain("laptop", try Example.laptop, Example.list([], of: 0)), isLike: "laptop")
    }

    @Test("512 CPUs in few nodes are drawn one character a CPU, caches apart")
    func large() throws {
        let list = try Example.list(
            [("batch", "8-40,264-300", false), ("nova", "64-127,320-383", true), ("rt", "200-207,456-463", true)],
            of: 496)
        try expect(plain("large", try Example.large, list), isLike: "large")
    }

    @Test("512 CPUs in 128 nodes fit 16 rows, nodes with equal pages one line")
    func wide() throws {
        let list = try Example.list([("a", "4-99", false), ("b", "256-259,264", true)], of: 508)
        try expect(plain("wide", try Example.wide, list), isLike: "wide")
    }

    @Test("Kinds of core, clusters, offline CPUs and nodes of memory only are shown")
    func hybrid() throws {
        let list = try Example.list([("a", "2-3", true), ("b", "8,11", false)], of: 6)
        try expect(plain("hybrid", try Example.hybrid, list), isLike: "hybrid")
    }

    @Test("Without a daemon the isolated CPUs are shown as such")
    func noDaemon() throws {
        let text = plain("simulated", try Example.simulated)
        #expect(text.contains("  .   isolated      24    2-7,10-15,18-23,26-31\n"))
        #expect(!text.contains("held by"))
    }

    @Test("Of a daemon that serves another machine nothing is drawn, and it is said why")
    func otherMachine() throws {
        let other = plain("simulated", try Example.simulated, try Example.list([("a", "2-5", true)], of: 100))
        let alone = plain("simulated", try Example.simulated)
        let note = """
            note: the daemon counts 100 isolated CPUs, this machine has 24: it serves
                another machine, so its holders are not drawn (--simulate, --machine,
                --sysfs-root)

            """
        #expect(other.contains(note) && other.replacing(note, with: "") == alone, "\(other)")
        // The API tells which CPUs the machine has.
        for (isolated, present, isServed) in [
            ("2-7,10-15,18-23,26-31", "0-31", true), ("2-7,10-15,18-23,26-31", "0-63", false),
            ("2-8,11-15,18-23,26-31", "0-31", false),
        ] {
            let served = Occupancy.Served.cpus(isolated: try Example.cpus(isolated), present: try Example.cpus(present))
            let map = try Self.overAPI([("nova", "isolated", [(.explicit, "2-5")])], served: served)
            #expect(map.contains("nova") == isServed && map.contains("note: ") != isServed, "\(map)")
        }
    }

    /// The map of the simulated machine, as the API tells who has what.
    private static func overAPI(
        _ holders: [(String, String, [(protection: Occupancy.Protection, cpus: String)])],
        differences: [Occupancy.Difference] = [], served: Occupancy.Served? = nil, style: Style = .plain
    ) throws -> String {
        let machine = try Example.simulated
        let holders = try holders.map { name, pool, parts in
            Occupancy.Holder(
                name: name, isOfIsolated: pool == "isolated",
                parts: try parts.map { Occupancy.Part($0.protection, try Example.cpus($0.cpus)) }, pages: [])
        }
        let held = holders.flatMap(\.parts).reduce(CPUSet()) { $0.union($1.cpus) }
        let pools = [("isolated", machine.isolated), ("ordinary", try Example.cpus("1,8-9,17,24-25"))].map {
            Occupancy.Pool(name: $0.0, cpus: $0.1, free: $0.1.subtracting(held))
        }
        let occupancy = Occupancy(
            holders: holders, pools: pools, differences: differences, memory: Example.memory,
            served: served ?? .cpus(isolated: machine.isolated, present: machine.present))
        return MachineMap(title: "simulated", machine: machine, occupancy: occupancy, style: style).lines
            .rendered(style)
    }

    @Test(
        "Runs and pods are drawn with services: exclusive, shared and idle CPUs, whole pools, split cores, differences")
    func claims() throws {
        let holders: [(String, String, [(protection: Occupancy.Protection, cpus: String)])] = [
            ("nova", "isolated", [(.automatic, "2-7,12"), (.explicit, "18")]),
            ("run:engine", "isolated", [(.exclusive, "13"), (.idle, "29")]),
            ("run:web", "isolated", [(.shared, "14-15")]), ("pod:default/web", "isolated", [(.shared, "14")]),
            ("run:other", "isolated", [(.exclusive, "19")]), ("run:ordinary", "ordinary", [(.exclusive, "1,8")]),
        ]
        let intruder = Occupancy.Difference(
            text: "process 7 (stress) may run on CPU 13, which only run:engine may use", cpus: CPUSet([13]))
        try expect(try Self.overAPI(holders, differences: [intruder]), isLike: "claims")
    }

    @Test("A terminal with few rows gets one character for each CPU, one with more the numbers")
    func lowTerminal() throws {
        func map(height: Int) throws -> String {
            let style = Style(usesColour: false, usesUnicode: false, width: 80, height: height, isTerminal: true)
            return try Self.overAPI([("nova", "isolated", [(.automatic, "2-7")])], style: style)
        }
        let rows = try map(height: 100).split(separator: "\n", omittingEmptySubsequences: false).count - 1
        #expect(try map(height: rows + 1).contains("[ 2 18]"))
        let low = try map(height: rows)
        #expect(!low.contains("[ 2 18]") && low.contains("siblings of a core stand together"), "\(low)")
    }

    @Test("Lines fit 80 columns in a pipe, whatever is held")
    func columns() throws {
        let odd = (0..<12).map { 2 * $0 }.filter { $0 > 1 && $0 != 8 }.map(String.init).joined(separator: ",")
        let differences = [
            Occupancy.Difference(
                text: "thread 12 (a) of process 11 (a) of a.service may run on CPUs 2-3,10-11, which only nova may use",
                cpus: CPUSet([2, 3, 10, 11]))
        ]
        let map = try Self.overAPI(
            [("a-service-with-a-long-name-of-40-letters", "isolated", [(.automatic, odd)])], differences: differences)
        #expect(map.split(separator: "\n").allSatisfy { $0.utf8.count <= 80 }, "\(map)")
        let list = try Example.list(
            [("batch", (4..<128).map { "\(2 * $0 + 1)" }.joined(separator: ","), false)], of: 496)
        let large = plain("large", try Example.large, list)
        #expect(large.split(separator: "\n").allSatisfy { $0.utf8.count <= 80 }, "\(large)")
    }

    @Test("What is inconsistent is noted: CPUs offline, gone, not isolated any more")
    func notes() throws {
        let hybrid = plain("hybrid", try Example.hybrid, try Example.list([("a", "0,11,40", true)], of: 6))
        #expect(hybrid.contains("note: held, and offline: CPUs 11\n"))
        #expect(hybrid.contains("note: held, and not isolated any more: CPUs 0\n"))
        #expect(hybrid.contains("note: held, and not on this machine: CPUs 40\n"))
    }

    @Test("CPUs that only stay idle for a claim were perhaps never isolated: no note says that they are not any more")
    func idleOutsidePool() throws {
        let idle = try Self.overAPI([("run:numa", "isolated", [(.exclusive, "10"), (.idle, "8-9,11-15,24-31")])])
        #expect(!idle.contains("not isolated any more"), "\(idle)")
        let held = try Self.overAPI([("run:numa", "isolated", [(.exclusive, "8-10"), (.idle, "24-26")])])
        #expect(held.contains("note: held, and not isolated any more: CPUs 8-9\n"), "\(held)")
    }

    @Test(
        "The figures of huge pages add up, and reservations beyond the pages come last",
        arguments: [
            // Total, free and reserved pages in the reply, for the pool of which the kernel has given 256 away.
            (2048, 1536, 512, "2048 pages: 256 in use, 256 more reserved, 1536 free\n"),
            (2048, 1792, 256, "2048 pages: 256 in use, 0 more reserved, 1792 free\n"),
            (2048, 0, 2048, "2048 pages: 256 in use, 1792 more reserved, 0 free\n"),
            (2048, 0, 2050, "2048 pages: 256 in use, 1792 more reserved, 0 free; 2 reserved beyond them\n"),
            (1024, 1000, 24, "1024 pages: 0 in use, 24 reserved, 1000 free\n"),
        ])
    func pageFigures(total: Int, free: Int, reserved: Int, text: String) throws {
        let memory = MemoryInfo(nodes: [
            MemoryInfo.Node(
                id: 0, pools: [MemoryInfo.Pool(sizeKB: 2048, total: total, free: free)],
                reservations: [MemoryInfo.Reservation(service: "a", sizeKB: 2048, count: reserved)])
        ])
        let map = plain("simulated", try Example.simulated, try Example.list([], of: 24), memory)
        #expect(map.contains("  \(text)"), "\(map)")
    }

    @Test(
        "Pages that the kernel has committed are not free, and the figures add up",
        arguments: [
            // Free pages, committed ones and reservations of a pool of 1000 pages.
            (1000, 900, 500, "1000 pages: 0 in use, 900 reserved by the kernel, 0 more reserved, 100 free\n"),
            (1000, 900, 950, "1000 pages: 0 in use, 900 reserved by the kernel, 50 more reserved, 50 free\n"),
            (800, 900, 0, "1000 pages: 200 in use, 800 reserved by the kernel, 0 more reserved, 0 free\n"),
            (700, 100, 400, "1000 pages: 300 in use, 100 reserved by the kernel, 0 more reserved, 600 free\n"),
            (700, 0, 400, "1000 pages: 300 in use, 100 more reserved, 600 free\n"),
        ])
    func committedPages(free: Int, committed: Int, reserved: Int, text: String) throws {
        var files = CapturedFiles(
            CapturedFiles.Shape(
                packages: 1, coresPerNode: 2, hugePages: [HugePagePool(sizeKB: 2048, total: 1000, free: free)]))
        files["kernel/mm/hugepages/hugepages-2048kB/resv_hugepages"] = "\(committed)\n"
        let machine = try MachineReader(files: files).read()
        // As the EPA rules count.
        let memory = MemoryInfo(nodes: [
            MemoryInfo.Node(
                id: 0, pools: [MemoryInfo.Pool(sizeKB: 2048, total: 1000, free: min(free, 1000 - reserved))],
                reservations: reserved == 0 ? [] : [MemoryInfo.Reservation(service: "a", sizeKB: 2048, count: reserved)]
            )
        ])
        let map = plain("pages", machine, try Example.list([], of: 0), memory)
        #expect(map.contains("  \(text)"), "\(map)")
        #expect(map.contains("= reserved by the kernel") == (committed > 0))
    }

    @Test("Claims outside the pool are drawn and marked when isolcpus is lost")
    func outsidePool() throws {
        let outside = [Allocation(service: "nova", cpus: try Example.cpus("2-3"), isExplicit: true)]
        let map = plain("laptop", try Example.laptop, try Example.list([], of: 0), outsidePool: outside)
        #expect(map.contains("\nno isolated CPUs: no CPU can be allocated; 2 held CPUs are not isolated any more\n"))
        #expect(map.contains("  A   nova          2  explicit  2-3\n"), "\(map)")
        #expect(map.contains("  not isolated any more: 2-3\n"))
        #expect(map.contains("  note: held, and not isolated any more: CPUs 2-3\n"))
        // The CPUs of one service in and outside of the pool have one letter.
        let partly = plain(
            "simulated", try Example.simulated, try Example.list([("nova", "4-5", false)], of: 24),
            outsidePool: [Allocation(service: "nova", cpus: try Example.cpus("0-1"), isExplicit: false)])
        #expect(partly.contains("  A   nova           4  automatic  0-1,4-5\n"), "\(partly)")
    }

    @Test("Where nodes overlap, each CPU is drawn and counted once, and each node says where its CPUs are drawn")
    func overlappingNodes() throws {
        var files = CapturedFiles(
            CapturedFiles.Shape(packages: 1, nodesPerPackage: 3, coresPerNode: 2, isolated: try Example.cpus("2-4")))
        files["devices/system/node/node0/cpulist"] = "0-3"
        files["devices/system/node/node1/cpulist"] = "0-3"
        files["devices/system/node/node2/cpulist"] = "2-5"
        let machine = try MachineReader(files: files).read()
        let map = plain("overlap", machine, try Example.list([], of: 3))
        #expect(numbers(map) == Array(0...5), "\(map)")
        #expect(map.contains("\n3 isolated CPUs: 0 held by 0 services, 3 free\n"))
        #expect(map.contains("Package 0, node 0, 32 GiB, 2 of 2 free"))
        #expect(map.contains("Node 1, CPUs 0-3 shown with node 0, 32 GiB"), "\(map)")
        #expect(map.contains("Package 0, node 2, CPUs 2-3 shown with node 0, 32 GiB, 1 of 1 free"), "\(map)")
        #expect(!map.contains("memory only"))
    }

    @Test("Side by side too, nodes without CPUs of their own are named")
    func packedNodes() throws {
        var files = CapturedFiles(CapturedFiles.Shape(packages: 4, coresPerNode: 8))
        for id in 4...6 { files["devices/system/node/node\(id)/cpulist"] = "0-7" }
        files["devices/system/node/node7/meminfo"] = "Node 7 MemTotal: 0 kB"
        files["devices/system/node/node8/meminfo"] = "Node 8 MemTotal: 8 kB"
        let map = plain("packed", try MachineReader(files: files).read(), detail: .dense)
        #expect(
            map.contains("\n\nNodes 4-6, CPUs 0-7 shown with node 0\nNode 8, memory only\nNode 7, empty\n"), "\(map)")
    }

    @Test("Nodes with neither memory nor CPUs are one line that calls them empty")
    func emptyNodes() throws {
        var files = CapturedFiles(CapturedFiles.Shape(packages: 1, coresPerNode: 2))
        for id in [1, 2, 3, 7] {
            files["devices/system/node/node\(id)/cpulist"] = "\n"
            files["devices/system/node/node\(id)/meminfo"] = "Node \(id) MemTotal: \(id == 1 ? 1024 : 0) kB\n"
        }
        let machine = try MachineReader(files: files).read()
        let map = plain("empty", machine)
        #expect(map.hasPrefix("empty: 2 CPUs in 2 cores, 1 package, 5 NUMA nodes (3 empty)\n"))
        #expect(map.contains("Node 1, memory only, 1 MiB") && map.contains("Nodes 2-3,7, empty"), "\(map)")
        let tree = TopologyTree(title: "empty", machine: machine, style: .plain).lines.rendered(.plain)
        #expect(tree.contains("\nNode 1, memory only  1 MiB") && tree.hasSuffix("\nNodes 2-3,7, empty\n"), "\(tree)")
    }

    @Test("Heading and places count the same CPUs as free; offline ones are named apart")
    func offlineCPUs() throws {
        var shape = CapturedFiles.Shape(packages: 2, coresPerNode: 4, isolated: try Example.cpus("1-3,5-7"))
        shape.offline = try Example.cpus("3,6-7")
        var files = CapturedFiles(shape)
        files["devices/system/node/node0/cpulist"] = "0-3"
        files["devices/system/node/node1/cpulist"] = "4-7"
        let machine = try MachineReader(files: files).read()
        let map = plain("offline", machine, try Example.list([("a", "1,7", false)], of: 6))
        #expect(map.contains("\n6 isolated CPUs: 2 held by 1 service, 2 free, 2 offline (3,6)\n"), "\(map)")
        #expect(
            map.contains("node 0, 32 GiB, 1 of 3 free, 1 offline")
                && map.contains("node 1, 32 GiB, 1 of 3 free, 1 offline"))
        #expect(map.contains("  .   free          2             2,5\n"), "\(map)")
        #expect(plain("offline", machine).contains("\n6 isolated CPUs, 3 offline (3,6-7)\n"))
    }

    @Test("A name with line ends, escapes or direction marks cannot draw on the map")
    func names() throws {
        let list = try Example.list([("a\n  B   \u{1B}[31mroot\u{202E}", "2", true)], of: 24)
        let text = plain("sim\u{1B}[2J", try Example.simulated, list)
        #expect(text.contains(#""a\n  B   \u{1B}[31mroot\u{202E}""#))
        #expect(text.unicodeScalars.allSatisfy { $0 == "\n" || (" "..."~").contains($0) })
    }

    @Test("60 holders are all in the legend; those beyond the letters have a star")
    func manyHolders() throws {
        let holders = (0..<60).map { ("s\($0)", "\(8 + $0)", false) }
        let text = plain("large", try Example.large, try Example.list(holders, of: 496))
        for (name, cpus, _) in holders {
            #expect(text.contains(" \(name) ") && text.contains(" automatic  \(cpus)\n"), "\(name)")
        }
        #expect(text.contains("  *   s59 "))
    }

    /// The lines that name CPUs by number above their marks.
    private func numbers(_ text: String) -> [Int] {
        text.split(separator: "\n").filter { line in
            line.hasPrefix("  ") && line.allSatisfy { "0123456789 []|:".contains($0) } && line.contains { $0.isNumber }
        }.flatMap { $0.split { !$0.isNumber }.compactMap { Int($0) } }
    }

    @Test("Any machine shows each of its CPUs once, in ASCII, within the width", arguments: 0..<40)
    func random(seed: Int) throws {
        var random = SeededRandom(seed: UInt64(seed))
        var synthetic = CapturedFiles.Shape(
            packages: .random(in: 1...3, using: &random), nodesPerPackage: .random(in: 0...3, using: &random),
            coresPerNode: .random(in: 1...9, using: &random), threadsPerCore: .random(in: 1...3, using: &random))
        synthetic.numbering = Bool.random(using: &random) ? .spread : .adjacent
        synthetic.coresPerL3 = Int.random(in: 1...6, using: &random)
        let cpus = synthetic.cpus
        synthetic.isolated = CPUSet(cpus.filter { _ in Bool.random(using: &random) })
        synthetic.offline = CPUSet(cpus.filter { $0 > 0 && Int.random(in: 0..<9, using: &random) == 0 })
        let machine = try Example.machine(synthetic)
        let width = Int.random(in: 40...200, using: &random)
        let text = plain("random", machine, width: width, detail: .numbered)
        #expect(numbers(text).sorted() == Array(machine.present), "seed \(seed)\n\(text)")
        let drawing = text.split(separator: "\n").filter { !$0.contains { $0.isLetter && $0 != "x" } }
        #expect(drawing.allSatisfy { $0.utf8.count <= width }, "seed \(seed), width \(width)\n\(text)")
        #expect(text.utf8.allSatisfy { $0 == 10 || (32..<127).contains($0) })
        let dense = plain("random", machine, width: width, detail: .dense)
        #expect(dense.contains("housekeeping") || machine.online.isSubset(of: machine.isolated))
    }

    @Test(
        "Every real machine shows each of its CPUs once",
        .needsShared,
        arguments: SharedDirectory.machines)
    func real(name: String) throws {
        let path = "\(SharedDirectory.path ?? "")/topologies/\(name).json"
        let machine = try MachineReader(files: CapturedFiles(contentsOf: path)).read()
        #expect(numbers(plain(name, machine, detail: .numbered)).sorted() == Array(machine.present))
        #expect(!plain(name, machine).isEmpty)
        #expect(!TopologyTree(title: name, machine: machine, style: .plain).lines.isEmpty)
    }
}
