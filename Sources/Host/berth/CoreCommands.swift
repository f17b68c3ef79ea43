import ArgumentParser
import EPAClient
import Rendering

/// `berth list`.
struct List: SocketCommand {
    static let configuration = CommandConfiguration(abstract: "List who holds which CPUs.")
    @OptionGroup var daemon: SocketOptions
    @OptionGroup var output: OutputOptions

    func run() throws { try perform(ListAllocations()) { Tables.allocations($0, style: $1) } }
}

/// `berth allocate`.
struct Allocate: SocketCommand {
    static let configuration = CommandConfiguration(
        abstract: "Give a service CPUs of its own.",
        discussion: """
            Replaces all that the service held before, also CPUs that were protected. Without COUNT the daemon's default \
            policy decides: 80 % of the CPUs that are free for the service, all but 16 where these are more than 100.
            """)
    @Argument(help: "The service's name.") var service: String
    @Argument(help: "How many CPUs.") var count: Int?
    @OptionGroup var daemon: SocketOptions
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
        discussion: "Rounds up, and replaces all that the service held before, also CPUs that were protected.")
    @Argument(help: "The service's name.") var service: String
    @Argument(help: "The share of all isolated CPUs, 1 to 100.") var percent: Int
    @OptionGroup var daemon: SocketOptions
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
        abstract: "Give a service protected CPUs of one NUMA node.",
        discussion: """
            Replaces what the service held in this node and keeps what it holds in others. CPUs that other services hold \
            automatically may be taken; afterwards nobody can take these.
            """)
    @Argument(help: "The service's name.") var service: String
    @Argument(help: "The NUMA node's number.") var node: Int
    @Argument(help: "How many CPUs.") var count: Int
    @OptionGroup var daemon: SocketOptions
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
