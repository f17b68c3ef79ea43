import FoundationEssentials
import Glibc
import Machine
import TestSupport
import Testing

/// What real kernels and dumps contain and made-up data rarely does, one case at a time.
@Suite struct TrapTests {
    private let cpu = "devices/system/cpu"
    private let node = "devices/system/node"

    private func machine(_ files: [String: String]) throws -> Machine {
        try MachineReader(files: CapturedFiles(name: "trap", files: files)).read()
    }

    @Test(
        "an isolated list that says nothing is empty",
        arguments: [nil, "", "\n", "\0\n", "\n\0", "(null)\n", "          (null)\n", "   \n"])
    func nothingIsolated(_ text: String?) throws {
        var files = CapturedFiles(name: "trap", files: ["\(cpu)/online": "0-3\n"])
        files["\(cpu)/isolated"] = text
        files["\(cpu)/nohz_full"] = text
        let reader = MachineReader(files: files)
        #expect(try reader.isolated() == CPUSet())
        #expect(try reader.read().nohzFull == CPUSet())
        #expect(try reader.read().problems.isEmpty)
    }

    @Test("a malformed isolated or online list is an error that names file and part")
    func malformedLists() throws {
        let isolated = ["\(cpu)/online": "0-3", "\(cpu)/isolated": "1,5-2\n"]
        let error = #expect(throws: MachineError.self) { try machine(isolated) }
        #expect(error?.description == "/sys/\(cpu)/isolated: Invalid CPU range: 5-2 (start > end)")
        #expect(throws: CPUListError.self) {
            try MachineReader(files: CapturedFiles(name: "", files: isolated)).isolated()
        }
        let online = #expect(throws: MachineError.self) { try machine(["\(cpu)/online": "0-x"]) }
        #expect(online?.description.contains("/sys/\(cpu)/online: Invalid CPU number: 0-x") == true)
        #expect(throws: MachineError.noCPUs) { try machine([:]) }
        #expect(throws: MachineError.tooHigh(65_535)) { try machine(["\(cpu)/online": "0-3,65535"]) }
    }

    @Test("lists that end in NUL, and strides, read as the CPUs they name")
    func nulAndStrides() throws {
        let machine = try machine([
            "\(cpu)/online": "0-7\n\0", "\(cpu)/isolated": "0-7:1/2\n",
            "\(cpu)/cpu0/topology/thread_siblings_list": "0,4\n\0", "\(node)/node0/cpulist": "0-6:2/4\0\n",
        ])
        #expect(machine.online.list == "0-7")
        #expect(machine.isolated.list == "0,2,4,6")
        #expect(machine.core(of: 4).list == "0,4")
        #expect(machine.node(0)?.cpus.list == "0-1,4-5")
    }

    @Test("siblings are cut to online CPUs for cores and stay whole for the EPA rules")
    func rawAndOnlineSiblings() throws {
        let reader = MachineReader(
            files: CapturedFiles(
                name: "trap",
                files: [
                    "\(cpu)/online": "0-1", "\(cpu)/present": "0-3", "\(cpu)/isolated": "1-3",
                    "\(cpu)/cpu0/topology/thread_siblings_list": "0,2",
                    "\(cpu)/cpu1/topology/thread_siblings_list": "1,3",
                    "\(cpu)/cpu3/topology/thread_siblings_list": "1,3",
                ]))
        let machine = try reader.read()
        #expect(machine.cores.map(\.list) == ["0", "1"])
        #expect(reader.siblings(of: 0)?.list == "0,2")
        #expect(reader.siblings(of: 3)?.list == "1,3")
        #expect(reader.siblings(of: 2) == nil)
        #expect(machine.core(of: 77).list == "77")
        #expect(machine.offline.list == "2-3")
    }

    @Test("cores come from sibling lists where core ids repeat within a package")
    func repeatedCoreIDs() throws {
        var files = ["\(cpu)/online": "0-7"]
        for number in 0..<8 {
            files["\(cpu)/cpu\(number)/topology/core_id"] = "\(number % 4)"
            files["\(cpu)/cpu\(number)/topology/physical_package_id"] = "0"
            files["\(cpu)/cpu\(number)/topology/thread_siblings_list"] = "\(number)"
        }
        let machine = try machine(files)
        #expect(machine.cores.count == 8)
        #expect(machine.packages.map(\.cpus.list) == ["0-7"])
    }

    @Test("packages with id -1 come from their CPU lists, those without lists from their ids")
    func packages() throws {
        var files = ["\(cpu)/online": "0-5"]
        for (number, list) in ["0-1", "0-1", "2-3,9", "2-3,9"].enumerated() {
            files["\(cpu)/cpu\(number)/topology/physical_package_id"] = "-1\n"
            files["\(cpu)/cpu\(number)/topology/core_siblings_list"] = list
        }
        files["\(cpu)/cpu4/topology/physical_package_id"] = "8442"
        files["\(cpu)/cpu5/topology/physical_package_id"] = "8442"
        let machine = try machine(files)
        #expect(machine.packages.map(\.cpus.list) == ["0-1", "2-3", "4-5"])
        #expect(machine.packages.map(\.id) == [nil, nil, 8_442])
        #expect(machine.package(of: 3)?.cpus.list == "2-3")
        #expect(try self.machine(["\(cpu)/online": "0-1"]).packages == [Package(id: nil, cpus: CPUSet(0...1))])
    }

    @Test("masks stand in for lists that an old kernel lacks")
    func masks() throws {
        let machine = try machine([
            "\(cpu)/present": "0-127", "\(cpu)/cpu0/online": "1",
            "\(cpu)/cpu1/topology/thread_siblings": "00000000,00000002,00000000,00000002\n",
            "\(cpu)/cpu2/topology/core_siblings": "4\n", "\(cpu)/cpu0/cache/index0/level": "3",
            "\(cpu)/cpu0/cache/index0/shared_cpu_map": "2,00000000,000000ff",
            "\(node)/node0/cpumap": "00000000,003f0000,0000003f\n",
        ])
        #expect(machine.core(of: 1).list == "1,65")
        #expect(machine.package(of: 2)?.cpus.list == "2")
        #expect(machine.l3Groups.map(\.list) == ["0-7,65"])
        #expect(machine.node(0)?.cpus.list == "0-5,48-53")
    }

    @Test(
        "a bad mask names the offending word",
        arguments: [("0000000g", "0000000g"), ("1,,1", ""), ("123456789,0", "123456789"), ("0x3", "0x3")])
    func badMasks(_ text: String, _ part: String) {
        let error = #expect(throws: CPUListError.self) { try CPUSet(mask: text) }
        #expect(error?.part == part)
        #expect(error?.reason == .badMask)
    }

    @Test("a mask reads as the CPUs of its bits")
    func masksRead() throws {
        #expect(try CPUSet(mask: "") == CPUSet())
        #expect(try CPUSet(mask: "00000000") == CPUSet())
        #expect(try CPUSet(mask: "80000000,00000001").list == "0,63")
        #expect(try CPUSet(mask: "F000000000000000000000000").list == "96-99")
        let long = "1" + String(repeating: ",00000000", count: 2_048)
        #expect(throws: CPUListError(part: "65536", reason: .tooLarge)) { try CPUSet(mask: long) }
        var random = SeededRandom(seed: 7)
        for _ in 0..<200 {
            let set = CPUSet(
                (0..<Int.random(in: 0...40, using: &random)).map { _ in Int.random(in: 0...700, using: &random) })
            let words = (0..<22).reversed().map { word in
                let value = (0..<32).reduce(UInt32(0)) { set.contains(word * 32 + $1) ? $0 | 1 << UInt32($1) : $0 }
                let digits = String(value, radix: 16)
                return String(repeating: "0", count: 8 - digits.utf8.count) + digits
            }
            #expect(try CPUSet(mask: words.joined(separator: ",")) == set, "seed 7")
        }
    }

    @Test("without cpu/online, what runs follows from present, possible, node lists or the CPUs' own files")
    func derivedOnline() throws {
        let present = try machine(["\(cpu)/present": "0-3", "\(cpu)/cpu1/online": "0\n", "\(cpu)/cpu2/online": "1"])
        #expect(present.online.list == "0,2-3")
        #expect(present.present.list == "0-3")
        let possible = try machine([
            "\(cpu)/possible": "0-8191", "\(cpu)/cpu0/topology/core_id": "0", "\(cpu)/cpu9/online": "1",
        ])
        #expect(possible.online.list == "0,9")
        let nodes = try machine(["\(node)/node0/cpulist": "0-1", "\(cpu)/cpu0/online": "1", "\(cpu)/cpu1/online": "0"])
        #expect(nodes.online.list == "0")
        let probed = try machine([
            "\(cpu)/cpu0/topology/thread_siblings_list": "0", "\(cpu)/cpu300/online": "1", "\(cpu)/cpu301/online": "0",
        ])
        #expect(probed.online.list == "0,300")
    }

    @Test("a huge possible range beyond present costs no reads")
    func hugePossible() throws {
        let files = CountingFiles(
            CapturedFiles(
                name: "trap", files: ["\(cpu)/online": "0-3", "\(cpu)/present": "0-3", "\(cpu)/possible": "0-8191"]))
        #expect(try MachineReader(files: files).read().present.list == "0-3")
        #expect(files.reads < 100)
    }

    @Test("the directory of CPUs is never listed, because snapd forbids it")
    func cpuDirectoryIsNotListed() throws {
        let files = CountingFiles(CapturedFiles.simulated)
        _ = try MachineReader(files: files).read()
        _ = MachineCapture.capture(files, name: "")
        #expect(!files.listed.isEmpty)
        #expect(files.listed.allSatisfy { $0.hasPrefix(node) })
        #expect(files.paths.allSatisfy { !$0.hasPrefix("/") })
    }

    @Test("nodes may have gaps in their ids and overlap, and count distance columns by online nodes")
    func nodes() throws {
        let machine = try machine([
            "\(cpu)/online": "0-7", "\(node)/online": "0,8,250", "\(node)/node0/cpulist": "0-5\n",
            "\(node)/node8/cpulist": "4-7,99\n", "\(node)/node250/cpulist": "\n",
            "\(node)/node0/distance": "10 40 80\n",
            "\(node)/node8/distance": "40 10 80\n", "\(node)/node250/distance": "80 80 10\n",
            "\(node)/node250/meminfo": "Node 250 MemTotal:  1024 kB\n", "\(node)/node8/meminfo": "nothing",
            "\(node)/has_cpu": "0", "\(node)/node007/cpulist": "1", "\(node)/nodeX/cpulist": "1",
        ])
        #expect(machine.nodeIDs == [0, 8, 250])
        #expect(machine.node(8)?.rawCPUs.list == "4-7,99")
        #expect(machine.node(8)?.cpus.list == "4-7")
        #expect(machine.nodes.filter { $0.cpus.contains(5) }.map(\.id) == [0, 8])
        #expect(machine.memoryOnlyNodes.map(\.id) == [250])
        #expect(machine.node(250)?.memoryBytes == 1_048_576)
        #expect(machine.node(8)?.memoryBytes == nil)
        #expect(machine.node(250)?.distances == [0: 80, 8: 80, 250: 10])
        #expect(machine.node(1) == nil && machine.node(-1) == nil && machine.node(.max) == nil)
        #expect(machine.problems.map(\.path) == ["\(node)/node8/meminfo"])
    }

    @Test("distances that fit neither the online nodes nor the directories are left out and reported")
    func oddDistances() throws {
        let machine = try machine([
            "\(cpu)/online": "0", "\(node)/online": "0-1", "\(node)/node0/distance": "10 20 30",
            "\(node)/node1/distance": "10 x",
        ])
        #expect(machine.nodes.map(\.distances) == [[:], [:]])
        #expect(machine.problems.count == 2)
    }

    @Test("a node whose directory has cpu entries and no list has those CPUs; a capture has them")
    func nodeWithEntriesOnly() throws {
        let files = CapturedFiles(
            name: "trap",
            files: [
                "\(cpu)/online": "0-15", "\(node)/node1/cpu3/": "", "\(node)/node1/cpu12/": "", "\(node)/node5/": "",
            ])
        let machine = try MachineReader(files: files).read()
        #expect(machine.node(1)?.cpus.list == "3,12")
        #expect(machine.nodeIDs == [1, 5])
        #expect(try MachineReader(files: MachineCapture.capture(files, name: "")).read() == machine)
        let directory = try TemporaryDirectory()
        try directory.write(files.files)
        #expect(try MachineReader(files: DirectoryFiles(root: directory.path)).read() == machine)
    }

    @Test("a malformed node list is an error for the EPA rules and a problem of the model, which takes the mask")
    func malformedNodeList() throws {
        let files = CapturedFiles(
            name: "trap",
            files: ["\(cpu)/online": "0-7", "\(node)/node0/cpulist": "3-1", "\(node)/node0/cpumap": "f"])
        let reader = MachineReader(files: files)
        #expect(throws: CPUListError(part: "3-1", reason: .reversed)) { try reader.nodeCPUs(0) }
        #expect(try reader.nodeCPUs(1) == nil)
        let machine = try reader.read()
        #expect(machine.node(0)?.cpus.list == "0-3")
        #expect(
            machine.problems.map(\.description) == [
                "/sys/devices/system/node/node0/cpulist: Invalid CPU range: 3-1 (start > end)"
            ])
    }

    @Test("pools count only sizes that have nr_hugepages, in order of size, with 0 for what is no number")
    func hugePages() throws {
        let pages = "\(node)/node0/hugepages"
        let reader = MachineReader(
            files: CapturedFiles(
                name: "trap",
                files: [
                    "\(pages)/hugepages-1048576kB/nr_hugepages": "2\n",
                    "\(pages)/hugepages-1048576kB/free_hugepages": "x",
                    "\(pages)/hugepages-2048kB/nr_hugepages": "none", "\(pages)/hugepages-2048kB/free_hugepages": "7",
                    "\(pages)/hugepages-2048kB/surplus_hugepages": " 3\n",
                    "\(pages)/hugepages-64kB/free_hugepages": "1",
                    "\(pages)/hugepages-kB/nr_hugepages": "1", "\(pages)/hugepages-16MB/nr_hugepages": "1",
                    "\(pages)/hugepages--4kB/nr_hugepages": "1",
                    "\(pages)/hugepages-99999999999999999999kB/nr_hugepages": "1",
                    "\(pages)/hugepages-16384kB/nr_hugepages": "99999999999999999999", "\(node)/node1/cpulist": "",
                ]))
        #expect(
            reader.hugePages(ofNode: 0) == [
                HugePagePool(sizeKB: 2_048, total: 0, free: 7, surplus: 3),
                HugePagePool(sizeKB: 16_384, total: 0, free: 0), HugePagePool(sizeKB: 1_048_576, total: 2, free: 0),
            ])
        #expect(reader.hugePages(ofNode: 1) == [])
        #expect(reader.hugePages(ofNode: 2) == nil)
        #expect(MachineReader(files: CapturedFiles(name: "", files: [:])).hugePages(ofNode: 0) == nil)
        #expect(MachineReader(files: CapturedFiles(name: "", files: [:])).nodeIDs() == nil)
    }

    @Test("caches left behind by offline CPUs are not seen, and groups are cut to online CPUs")
    func leftoverCaches() throws {
        var files = ["\(cpu)/online": "2-3", "\(cpu)/present": "0-3"]
        for number in 0...3 {
            files["\(cpu)/cpu\(number)/cache/index0/level"] = "1"
            files["\(cpu)/cpu\(number)/cache/index1/level"] = "2"
            files["\(cpu)/cpu\(number)/cache/index1/type"] = "Instruction"
            files["\(cpu)/cpu\(number)/cache/index1/shared_cpu_list"] = "0-3"
            files["\(cpu)/cpu\(number)/cache/index2/level"] = "2"
            files["\(cpu)/cpu\(number)/cache/index2/type"] = "Unified"
            files["\(cpu)/cpu\(number)/cache/index2/shared_cpu_list"] = ""
            files["\(cpu)/cpu\(number)/cache/index3/level"] = "3"
            files["\(cpu)/cpu\(number)/cache/index3/shared_cpu_list"] = number < 2 ? "0-1" : "0-3"
            // Beyond a gap nothing is looked for.
            files["\(cpu)/cpu\(number)/cache/index5/level"] = "3"
        }
        let machine = try machine(files)
        #expect(machine.l3Groups.map(\.list) == ["2-3"])
        #expect(machine.l2Groups.map(\.list) == ["2", "3"])
        #expect(machine.l3Groups.group(of: 0) == nil)
    }

    @Test("dies and clusters that the kernel numbers -1 or 65535 are none; s390 books and drawers are read")
    func dieAndClusterIDs() throws {
        var files = ["\(cpu)/online": "0-3"]
        for number in 0...3 {
            let topology = "\(cpu)/cpu\(number)/topology"
            files["\(topology)/die_cpus_list"] = "\(number)"
            files["\(topology)/die_id"] = "-1"
            files["\(topology)/cluster_cpus_list"] = number < 2 ? "0-1" : "2-3"
            files["\(topology)/cluster_id"] = number < 2 ? "65535" : "7"
            files["\(topology)/book_siblings_list"] = number < 2 ? "0-1" : "2-3"
            files["\(topology)/drawer_siblings_list"] = "0-3"
        }
        let machine = try machine(files)
        #expect(machine.dies.isEmpty)
        #expect(machine.clusters.map(\.list) == ["2-3"])
        #expect(machine.books.map(\.list) == ["0-1", "2-3"])
        #expect(machine.drawers.map(\.list) == ["0-3"])
    }

    @Test("lists of CPUs that contradict each other still give every CPU exactly one core")
    func contradictions() throws {
        let machine = try machine([
            "\(cpu)/online": "0-3", "\(cpu)/cpu0/topology/thread_siblings_list": "0-1",
            "\(cpu)/cpu1/topology/thread_siblings_list": "1-2", "\(cpu)/cpu2/topology/thread_siblings_list": "3",
            "\(cpu)/cpu3/topology/thread_siblings_list": "x",
        ])
        #expect(machine.cores.map(\.list) == ["0-1", "2-3"])
        let malformed = try self.machine(["\(cpu)/online": "0-1", "\(cpu)/cpu1/topology/thread_siblings_list": "x"])
        #expect(malformed.cores.map(\.list) == ["0", "1"])
        #expect(malformed.problems.map(\.path) == ["\(cpu)/cpu1/topology/thread_siblings_list"])
    }

    @Test("a capture fills in derived files, ignores other keys, and says what is wrong with other text")
    func captureForm() throws {
        let files = try CapturedFiles(
            json: Array(
                #"{"name":"m","source":"s","files":{"a/b":"1"},"derived":{"a/b":"2","a/c10":"3","a/c9":""}}"#.utf8))
        #expect(files.files == ["a/b": "1", "a/c10": "3", "a/c9": ""])
        #expect(files.entries(of: "a") == ["b", "c9", "c10"])
        #expect(files.entries(of: "a/b") == nil)
        #expect(throws: CaptureError.self) { try CapturedFiles(json: Array("{}".utf8)) }
        #expect(throws: CaptureError.self) { try CapturedFiles(json: [0xFF]) }
        #expect(throws: CaptureError.self) { try CapturedFiles(contentsOf: "/nonexistent/capture.json") }
        let directory = try TemporaryDirectory()
        try files.write(to: "\(directory.path)/capture.json")
        #expect(try CapturedFiles(contentsOf: "\(directory.path)/capture.json") == files)
    }

    @Test(
        "a directory gives what may be read and nil for what is too long, absent or a directory; a pipe does not hang it"
    )
    func directoryFiles() throws {
        let directory = try TemporaryDirectory()
        try directory.write(["a/node10": "x"])
        try directory.write(["a/node9": String(repeating: "7", count: 9_000)])
        try directory.write(["a/long": String(repeating: "7", count: 1 << 20) + "7"])
        try directory.write(["a/limit": String(repeating: "7", count: 1 << 20)])
        let files = DirectoryFiles(root: directory.path)
        #expect(files.entries(of: "a") == ["limit", "long", "node9", "node10"])
        #expect(files.entries(of: "b") == nil)
        #expect(files.entries(of: "a/long") == nil)
        #expect(files.read("a/node10") == [0x78])
        #expect(files.read("a/node9")?.count == 9_000)
        #expect(files.read("a/long") == nil)
        #expect(files.read("a/limit")?.count == 1 << 20)
        #expect(files.read("a/none") == nil)
        #expect(mkfifo("\(directory.path)/a/pipe", 0o600) == 0)
        #expect(files.read("a/pipe") == [])
        try FileManager.default.removeItem(atPath: "\(directory.path)/a/pipe")
        #expect(files.read("a") == nil)
    }
}
