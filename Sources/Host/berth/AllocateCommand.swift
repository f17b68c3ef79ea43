import ArgumentParser
import EPAClient
import HostClient
import Machine
import Rendering
import Terminal

/// `berth allocate`.
struct Allocate: ServiceCommand {
    static let configuration = CommandConfiguration(
        abstract: "Give a service CPUs of its own.",
        discussion: """
            Say how many: a count, --percent or --default-share. The new CPUs replace all CPUs that the service held before, \
            explicit ones too; with --node only those that it held in this node. No other service's request takes explicit \
            CPUs; a request for explicit CPUs may take automatic ones of others.

            With --json the document is the daemon's reply to allocate_cores, allocate_cores_percent (--percent) or \
            allocate_numa_cores (--node with --explicit). --node and --explicit alone need berthd, and the document is the \
            claim, as the HTTP API has it.
            """)
    @Argument(help: "The service's name.", completion: Completion.services, transform: ServiceName.read)
    var service: String
    @Argument(help: "How many CPUs.") var count: Int?
    @Option(help: "From this NUMA node.", completion: Completion.nodes) var node: Int?
    @Flag(help: "Nobody may take the CPUs.") var explicit = false
    @Option(help: "A share of all isolated CPUs, 1 to 100, rounded up.") var percent: Int?
    @Flag(
        help: ArgumentHelp(
            "80 % of the isolated CPUs that no other service holds, or all but 16 of them if they are more than 100."))
    var defaultShare = false
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard [count != nil, percent != nil, defaultShare].filter({ $0 }).count == 1 else {
            throw ValidationError("expected one of a count, --percent and --default-share: how many CPUs")
        }
        if let count, count < 1 {
            throw ValidationError("COUNT: expected 1 or more; `berth release` gives CPUs back")
        }
        if let percent, !(1...100).contains(percent) {
            throw ValidationError("--percent: expected 1 to 100; `berth release` gives CPUs back")
        }
        if let node, node < 0 { throw ValidationError("--node: expected 0 or more") }
    }

    func run() async throws {
        switch (node, explicit, count, percent) {
        case (nil, false, let count, nil):
            try await change(AllocateCores(service: service, count: count), Sentences.granted)
        case (nil, false, _, let percent?):
            try await change(AllocatePercent(service: service, percent: percent), Sentences.granted)
        case (let node?, true, let count?, _):
            try await change(AllocateNodeCores(service: service, node: node, count: count), Sentences.granted)
        default: try await changeOverAPI()
        }
    }

    /// What the EPA protocol has no words for.
    private func changeOverAPI() async throws {
        let demand: CPURequest.Demand =
            if let count { .count(count) } else if let percent { .percent(percent) } else { .defaultShare }
        var cpus = CPURequest(demand, nodes: node.map { [$0] })
        cpus.packing = .wholeCores
        cpus.isExplicit = explicit
        cpus.preemption = explicit ? .whereNeeded : .never
        cpus.replaces = node == nil ? .everything : .nodes
        let (holder, request) = (Holder(.service, service), HostClient.ClaimRequest(cpus: cpus))
        let changed = try await daemon.fromAPI { client throws(BerthError) in
            try await client.patch(holder, request)
        }
        guard let changed else {
            throw Failure(
                "\(Printable.text(daemon.apiPath)): this daemon has no HTTP API, which this takes; a count with both --node and "
                    + "--explicit does not", status: Failure.unavailable)
        }
        let sentence = output.json ? "" : try await sentence(changed.claim)
        try output.show(json: changed.json) { _ in
            ([sentence] + EffectLines.lines(changed.effects)).map { StyledText($0) }
        }
    }

    /// As after a request over the EPA socket.
    private func sentence(_ claim: Claim) async throws -> String {
        let explicit = claim.grants.filter(\.isExplicit).reduce(CPUSet()) { $0.union(CPUSet($1.cpus)) }
        let all = CPUSet(claim.cpus)
        let kind =
            explicit.isEmpty ? "automatic" : explicit == all ? "explicit" : "explicit: \(explicit.list)"
        let pools = try await daemon.fromAPI { client throws(BerthError) in try await client.pools() }
        let free = pools?.first { $0.name == claim.pool }.map { "; \($0.free) of \($0.total) free" } ?? ""
        return "\(Printable.name(service)) holds \(Quantity.cpus(all)) (\(all.count), \(kind))\(free)"
    }
}

/// `berth percent`, which is older than the option.
struct Percent: ServiceCommand {
    static let configuration = CommandConfiguration(
        abstract: "The same as allocate SERVICE --percent PERCENT.",
        discussion: "The new CPUs replace all CPUs that the service held before, explicit ones too.")
    @Argument(help: "The service's name.", completion: Completion.services, transform: ServiceName.read)
    var service: String
    @Argument(help: "The share of all isolated CPUs, 1 to 100, rounded up.") var percent: Int
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...100).contains(percent) else {
            throw ValidationError("PERCENT: expected 1 to 100; `berth release` gives CPUs back")
        }
    }

    func run() async throws { try await change(AllocatePercent(service: service, percent: percent), Sentences.granted) }
}

/// `berth numa`, which is older than the options.
struct NUMA: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "numa", abstract: "The same as allocate SERVICE COUNT --node NODE --explicit.",
        discussion: "The new CPUs replace those that the service held in this node; its CPUs in other nodes stay.")
    @Argument(help: "The service's name.", completion: Completion.services, transform: ServiceName.read)
    var service: String
    @Argument(help: "The NUMA node's number.", completion: Completion.nodes) var node: Int
    @Argument(help: "How many CPUs.") var count: Int
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard node >= 0 else { throw ValidationError("NODE: expected 0 or more") }
        guard count >= 1 else {
            throw ValidationError("COUNT: expected 1 or more; `berth release --node` gives a node's CPUs back")
        }
    }

    func run() async throws {
        try await change(AllocateNodeCores(service: service, node: node, count: count), Sentences.granted)
    }
}
