import ArgumentParser
import Glibc
import Machine
import WireJSON

/// What a program is to have: the options of `run`, `adopt` and `plan`.
struct ClaimOptions: ParsableArguments {
    @Option(help: "This many physical cores, with all their CPUs unless --smt says otherwise.")
    var cores: Int?
    @Option(help: "This many CPUs (logical processors).")
    var cpus: Int?
    @Option(help: "This percentage of the pool's CPUs, 1 to 100.")
    var percent: Int?
    @Option(help: "Exactly these CPUs, a list such as 4-7,12.")
    var list: String?
    @Flag(help: "Shared CPUs: other claims may share them. Without it, nobody else may use them.")
    var shared = false
    @Option(
        name: [.customLong("node"), .customLong("numa")],
        help: "The NUMA nodes that the CPUs come from, a list such as 0,1; the memory too, unless --mem-nodes says otherwise.")
    var node: String?
    @Option(help: "The NUMA nodes that the memory comes from.")
    var memNodes: String?
    @Option(
        help: ArgumentHelp(
            "Near a PCI device: CPUs and memory of its NUMA node.", valueName: "address"))
    var near: String?
    @Option(help: ArgumentHelp("Huge pages, such as 2M:64 or 1G:2@1 (on node 1). May be repeated.", valueName: "size:count"))
    var hugepages: [String] = []
    @Option(help: "Which CPUs of a core: whole (all of them), one (the others stay idle), any. With --cores whole, else any.")
    var smt: SMTChoice?
    @Option(help: "How far exclusiveness reaches around each CPU: cpu, core, socket, numa.")
    var level: LevelChoice?
    @Option(help: "The pool: isolated, ordinary or a configured one. The isolated CPUs if the kernel isolates any, else the ordinary ones.")
    var pool: String?
    @Option(help: "The weakest isolation that will do: partition, cpuset, affinity, none. What is weaker is refused.")
    var minIsolation: IsolationChoice?
    @Flag(inversion: .prefixedNo, help: "Let the kernel balance load among the CPUs.")
    var balance = true

    enum SMTChoice: String, ExpressibleByArgument, CaseIterable { case whole, one, any }
    enum LevelChoice: String, ExpressibleByArgument, CaseIterable { case cpu, core, socket, numa }
    enum IsolationChoice: String, ExpressibleByArgument, CaseIterable { case partition, cpuset, affinity, none }

    func validate() throws {
        let demands = [cores != nil, cpus != nil, percent != nil, list != nil].filter { $0 }.count
        guard demands == 1 else {
            throw ValidationError("expected one of --cores, --cpus, --percent and --list: how many CPUs, or which")
        }
        for (name, count) in [("--cores", cores), ("--cpus", cpus)] {
            if let count, count < 1 { throw ValidationError("\(name): expected 1 or more") }
        }
        if let percent, !(1...100).contains(percent) { throw ValidationError("--percent: expected 1 to 100") }
        for (name, text) in [("--list", list), ("--node", node), ("--mem-nodes", memNodes)] {
            if let text { _ = try Self.numbers(text, name) }
        }
        if near != nil, node != nil { throw ValidationError("--near and --node exclude each other") }
        for text in hugepages { _ = try HugePages(text, defaultNode: 0) }
    }

    private static func numbers(_ text: String, _ name: String) throws -> CPUSet {
        do {
            let set = try CPUSet(list: text)
            guard !set.isEmpty else { throw ValidationError("\(name): expected a list such as 0,2-3") }
            return set
        } catch let error as CPUListError { throw ValidationError("\(name): \(error)") }
    }

    // MARK: - The request

    /// The members of a claim's body.
    ///
    /// - Parameters:
    ///   - process: the process to move onto the CPUs, `self` for this one; nil for none.
    ///   - files: the machine, for `--near`.
    func write(to writer: inout JSONWriter, process: JSONValue?, files: any MachineFiles = DirectoryFiles()) throws {
        let nodes = try nodes(files)
        writer.name("cpus")
        try writer.object { writer in
            if let cores { writer.member("cores", cores) }
            if let cpus { writer.member("count", cpus) }
            if let percent { writer.member("percent", percent) }
            if let list { writer.member("list", try Self.numbers(list, "--list").list) }
            if let nodes { Self.write(nodes, "nodes", &writer) }
            if let smt = smt ?? (cores == nil ? nil : .whole) { writer.member("smt", smt.rawValue) }
            if shared { writer.member("shared", true) }
            if let level { writer.member("level", level.rawValue) }
            if let pool { writer.member("pool", pool) }
        }
        if let memory = try memNodes.map({ Array(try Self.numbers($0, "--mem-nodes")) }) ?? nodes {
            Self.write(memory, "memory_nodes", &writer)
        }
        if !hugepages.isEmpty {
            writer.name("huge_pages")
            try writer.array { array in
                for text in hugepages {
                    let pages = try HugePages(text, defaultNode: nodes?.first ?? 0)
                    array.object { writer in
                        writer.member("node", pages.node)
                        writer.member("size_kb", pages.sizeKB)
                        writer.member("count", pages.count)
                    }
                }
            }
        }
        guard let process else { return }
        writer.name("lease")
        writer.object { $0.member("process", process == .string("self") ? .boolean(true) : process) }
        writer.name("enforcement")
        writer.object { writer in
            writer.member("process", process)
            if let minIsolation { writer.member("minimum", minIsolation.rawValue) }
            if !balance { writer.member("balanced", false) }
        }
    }

    private static func write(_ numbers: [Int], _ name: String, _ writer: inout JSONWriter) {
        writer.name(name)
        writer.array { array in for number in numbers { array.integer(number) } }
    }

    private func nodes(_ files: any MachineFiles) throws -> [Int]? {
        if let node { return Array(try Self.numbers(node, "--node")) }
        guard let near else { return nil }
        let isPlain = near.utf8.allSatisfy { $0.isHexDigit || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") }
        let address = near.utf8.count { $0 == UInt8(ascii: ":") } == 1 ? "0000:\(near)" : near
        guard isPlain, let text = files.read("bus/pci/devices/\(address)/numa_node") else {
            throw Failure("there is no PCI device \(near)", status: Failure.noInput)
        }
        let number = Int(String(decoding: text, as: UTF8.self).filter { $0.isNumber || $0 == "-" }) ?? -1
        guard number >= 0 else {
            throw Failure("the kernel does not say which NUMA node the PCI device \(near) is near", status: Failure.noInput)
        }
        return [number]
    }
}

extension UInt8 {
    fileprivate var isHexDigit: Bool {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }
}
