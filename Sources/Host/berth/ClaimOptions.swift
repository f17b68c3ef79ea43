import ArgumentParser
import Glibc
import HostClient
import Machine

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
    @Option(help: "This many CPUs that other claims may share, beside those that nobody else may use.")
    var shared: Int?
    @Option(
        name: [.customLong("node"), .customLong("numa")],
        help: ArgumentHelp(
            "The NUMA nodes that the CPUs come from, a list such as 0,1. The memory comes from them too, unless "
                + "--mem-nodes says otherwise."), completion: Completion.nodes)
    var node: String?
    @Option(help: "The NUMA nodes that the memory comes from.", completion: Completion.nodes)
    var memNodes: String?
    @Option(help: ArgumentHelp("CPUs and memory of the NUMA node near this PCI device.", valueName: "address"))
    var near: String?
    @Option(
        help: ArgumentHelp(
            "Huge pages: 2M:64 on the first node that is named, or node 0; 1G:2@1 on node 1. May be repeated.",
            valueName: "size:count"))
    var hugepages: [String] = []
    @Option(
        help: ArgumentHelp(
            "Which CPUs of a core: whole (all), one (the others stay idle), any. With --cores whole unless given, else "
                + "any."))
    var smt: SMTChoice?
    @Option(
        help: ArgumentHelp(
            "Spread the CPUs as evenly as the free ones allow over: nodes, caches (CPUs with a common L3 cache).",
            valueName: "over"))
    var spread: SpreadChoice?
    @Option(help: "How far exclusiveness reaches around each CPU: cpu, core, socket, numa.")
    var level: LevelChoice?
    @Option(
        help: ArgumentHelp(
            "The pool: isolated, ordinary, or a configured one. Unless given, the isolated CPUs if the kernel isolates any, "
                + "else the ordinary ones."))
    var pool: String?
    @Option(
        help: "The weakest isolation that will do: partition, cpuset, affinity, none. A weaker one is refused.")
    var minIsolation: IsolationChoice?
    @Flag(inversion: .prefixedNo, help: "Whether the kernel balances load among the CPUs.")
    var balance = true

    enum SMTChoice: String, ExpressibleByArgument, CaseIterable { case whole, one, any }
    enum SpreadChoice: String, ExpressibleByArgument, CaseIterable { case nodes, caches }
    enum LevelChoice: String, ExpressibleByArgument, CaseIterable { case cpu, core, socket, numa }
    enum IsolationChoice: String, ExpressibleByArgument, CaseIterable { case partition, cpuset, affinity, none }

    func validate() throws {
        let demands = [cores != nil, cpus != nil, percent != nil, list != nil].filter { $0 }.count
        guard demands == 1 || (demands == 0 && shared != nil) else {
            throw ValidationError(
                "expected how many CPUs, or which: one of --cores, --cpus, --percent and --list, or --shared, or both")
        }
        for (name, count) in [("--cores", cores), ("--cpus", cpus), ("--shared", shared)] {
            if let count, count < 1 { throw ValidationError("\(name): expected 1 or more") }
        }
        if let percent, !(1...100).contains(percent) { throw ValidationError("--percent: expected 1 to 100") }
        for (name, text) in [("--list", list), ("--node", node), ("--mem-nodes", memNodes)] {
            if let text { _ = try Self.numbers(text, name) }
        }
        if near != nil, node != nil { throw ValidationError("--near and --node exclude each other") }
        for text in hugepages { _ = try Self.pages(text, on: 0) }
    }

    // MARK: - The request

    /// What is asked of the daemon.
    ///
    /// - Parameters:
    ///   - process: the process to move onto the CPUs, by which the claim lives; nil for none.
    ///   - files: the machine, for `--near`.
    func request(
        process: ProcessReference?, files: any MachineFiles = DirectoryFiles()
    ) throws -> HostClient.ClaimRequest {
        let nodes = try nodes(files)
        let memory = try memNodes.map { Array(try Self.numbers($0, "--mem-nodes")) } ?? nodes
        let pages = try hugepages.map { try Self.pages($0, on: nodes?.first ?? 0) }
        var request = ClaimRequest(
            memoryNodes: memory, hugePages: pages.isEmpty ? nil : pages,
            lease: process.map { .process($0) },
            enforcement: EnforcementRequest(
                minimum: minIsolation.flatMap { Isolation(rawValue: $0.rawValue) } ?? .none, isBalanced: balance,
                process: process))
        if let demand = try demand() {
            var own = CPURequest(demand, pool: pool, nodes: nodes)
            own.smt = CPURequest.SMT(rawValue: (smt ?? (cores == nil ? .any : .whole)).rawValue) ?? .any
            own.spread = spread.flatMap { CPURequest.Spread(rawValue: $0.rawValue) }
            own.level = level.flatMap { CPURequest.Level(rawValue: $0.rawValue) } ?? .cpu
            request.grants.append(own)
        }
        if let shared {
            var others = CPURequest(.count(shared), pool: pool, nodes: nodes)
            others.level = .none
            request.grants.append(others)
        }
        return request
    }

    /// The CPUs that nobody else may use; nil for none.
    private func demand() throws -> CPURequest.Demand? {
        if let cores { return .cores(cores) }
        if let cpus { return .count(cpus) }
        if let percent { return .percent(percent) }
        return try list.map { .list(CPUList(try Self.numbers($0, "--list").list)) }
    }

    private static func numbers(_ text: String, _ name: String) throws -> CPUSet {
        do {
            let set = try CPUSet(list: text)
            guard !set.isEmpty else { throw ValidationError("\(name): expected a list such as 0,2-3") }
            return set
        } catch let error as CPUListError { throw ValidationError("\(name): \(error)") }
    }

    /// The pages of `SIZE:COUNT[@NODE]`.
    private static func pages(_ text: String, on node: Int) throws -> HostClient.HugePages {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let places = (parts.last ?? "").split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, let size = PageSize(argument: String(parts[0])),
            let count = places.first.flatMap({ Int($0) }), count > 0, places.count <= 2,
            let node = places.count == 2 ? Int(places[1]) : node, node >= 0
        else {
            throw ValidationError("--hugepages: expected SIZE:COUNT or SIZE:COUNT@NODE, such as 2M:64@0, not \(text)")
        }
        return HostClient.HugePages(node: node, sizeKB: size.kilobytes, count: count)
    }

    private func nodes(_ files: any MachineFiles) throws -> [Int]? {
        if let node { return Array(try Self.numbers(node, "--node")) }
        guard let near else { return nil }
        let isPlain = near.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
                UInt8(ascii: "A")...UInt8(ascii: "F"), UInt8(ascii: ":"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        let address = near.utf8.count { $0 == UInt8(ascii: ":") } == 1 ? "0000:\(near)" : near
        guard isPlain, let text = files.read("bus/pci/devices/\(address)/numa_node") else {
            throw Failure("there is no PCI device \(near)", status: Failure.noInput)
        }
        guard let node = Int(String(decoding: text, as: UTF8.self).prefix { $0 != "\n" }), node >= 0 else {
            throw Failure(
                "the kernel does not say which NUMA node the PCI device \(near) is near", status: Failure.noInput)
        }
        return [node]
    }
}
