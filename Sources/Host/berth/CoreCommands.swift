import ArgumentParser
import EPAClient
import Rendering
import WireJSON

/// `berth list`.
struct List: SocketCommand {
    static let configuration = CommandConfiguration(
        abstract: "List who holds which CPUs.",
        discussion: """
            Claims to CPUs that are not isolated any more, because the machine was started with other isolcpus, are marked. \
            With --json the document is the daemon's reply, with the member "berth_status" if the daemon is berthd.
            """)
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let list = try ask(ListAllocations())
        let status = try status()
        try output.show(json: document(list.json, status)) {
            Tables.allocations(
                list.reply, outsidePool: status?.outsidePool ?? [], machine: servedMachine(status), style: $0)
        }
    }

    /// The reply to `list_allocations`, with what the daemon says about itself.
    private func document(_ reply: [UInt8], _ status: DaemonStatus?) -> [UInt8] {
        guard let status, let members = JSONValue(scanned: reply[...]).members else { return reply }
        return JSONWriter.object(capacity: reply.count) { writer in
            for member in members { writer.member(member.name, member.value) }
            writer.member("berth_status", status.json)
        }
    }
}

/// `berth allocate`.
struct Allocate: SocketCommand {
    static let configuration = CommandConfiguration(
        abstract: "Give a service CPUs of its own.",
        discussion: """
            The new CPUs replace all CPUs that the service held before, explicit ones too. Without COUNT the service gets the \
            default share: 80 % of the CPUs of the pool that no other service holds, or all but 16 of them if they are \
            more than 100.
            """)
    @Argument(help: "The service's name.") var service: String
    @Argument(help: "How many CPUs.") var count: Int?
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        try checkName(service)
        if let count, count < 1 {
            throw ValidationError("COUNT: expected 1 or more; `berth release` gives CPUs back")
        }
    }

    func run() throws { try perform(AllocateCores(service: service, count: count), Sentences.granted) }
}

/// `berth percent`.
struct Percent: SocketCommand {
    static let configuration = CommandConfiguration(
        abstract: "Give a service a share of all isolated CPUs.",
        discussion:
            "The share is rounded up. The new CPUs replace all CPUs that the service held before, explicit ones too.")
    @Argument(help: "The service's name.") var service: String
    @Argument(help: "The share of all isolated CPUs, 1 to 100.") var percent: Int
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        try checkName(service)
        guard (1...100).contains(percent) else {
            throw ValidationError("PERCENT: expected 1 to 100; `berth release` gives CPUs back")
        }
    }

    func run() throws { try perform(AllocatePercent(service: service, percent: percent), Sentences.granted) }
}

/// `berth numa`.
struct NUMA: SocketCommand {
    static let configuration = CommandConfiguration(
        commandName: "numa",
        abstract: "Give a service explicit CPUs of one NUMA node.",
        discussion: """
            The new CPUs replace those that the service held in this node; its CPUs in other nodes stay. The daemon may take \
            CPUs that other services hold automatically. No other service's request takes explicit CPUs.
            """)
    @Argument(help: "The service's name.") var service: String
    @Argument(help: "The NUMA node's number.") var node: Int
    @Argument(help: "How many CPUs.") var count: Int
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        try checkName(service)
        guard node >= 0 else { throw ValidationError("NODE: expected 0 or more") }
        guard count >= 1 else {
            throw ValidationError("COUNT: expected 1 or more; `berth release --node` gives a node's CPUs back")
        }
    }

    func run() throws {
        try perform(AllocateNodeCores(service: service, node: node, count: count), Sentences.granted)
    }
}
