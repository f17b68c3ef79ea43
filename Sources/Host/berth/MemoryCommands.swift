import ArgumentParser
import EPAClient
import Rendering
import Terminal

/// `berth memory`.
struct Memory: SocketCommand {
    static let configuration = CommandConfiguration(
        abstract: "List huge page sizes and reservations.",
        discussion: """
            Pages in use, reserved and not in use yet, and free add up to the total. CLAIMED BY has all that services \
            reserved, used pages too. With --json the document is the daemon's reply.
            """)
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let answer = try ask(GetMemoryInfo())
        // A document has nothing but the reply.
        let machine = output.json ? nil : servedMachine(try status())
        try output.show(json: answer.json) { Tables.memory(answer.reply, machine: machine, style: $0) }
    }
}

/// A page size given as `2M`, `1G`, `64K` or a number of kB.
struct PageSize: ExpressibleByArgument {
    let kilobytes: Int

    init?(argument: String) {
        var text = argument.uppercased()[...]
        for suffix in ["IB", "B"] where text.hasSuffix(suffix) {
            text = text.dropLast(suffix.count)
            break
        }
        let factors: [Character: Int] = ["K": 1, "M": 1 << 10, "G": 1 << 20]
        var factor = 1
        if let letter = text.last, let found = factors[letter] {
            factor = found
            text = text.dropLast()
        }
        guard let number = Int(text), number > 0 else { return nil }
        let (kilobytes, isTooLarge) = number.multipliedReportingOverflow(by: factor)
        guard !isTooLarge else { return nil }
        self.kilobytes = kilobytes
    }
}

/// `berth hugepages`.
struct HugePages: ServiceCommand {
    static let configuration = CommandConfiguration(
        commandName: "hugepages",
        abstract: "Reserve huge pages of one size on one NUMA node for a service.",
        discussion:
            "The reservation replaces the service's earlier one of this size on this node. The daemon only counts the "
            + "pages: the service itself maps them.")
    @Argument(help: "The service's name.", completion: Completion.services, transform: ServiceName.read)
    var service: String
    @Argument(help: "How many pages; 0 removes the reservation.") var count: Int?
    @Option(help: "The NUMA node's number.", completion: Completion.nodes) var node: Int
    @Option(help: "The size of a page: 2M, 1G, or a number of kB.", completion: Completion.pageSizes) var size: PageSize
    @Flag(help: "Remove the reservation.") var remove = false
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard node >= 0 else { throw ValidationError("--node: expected 0 or more") }
        if remove, let count, count != 0 {
            throw ValidationError("COUNT: leave it out with --remove, which removes the whole reservation")
        }
        if !remove {
            guard let count else { throw ValidationError("COUNT: expected a number of pages, or --remove") }
            guard count >= 0 else { throw ValidationError("COUNT: expected 0 or more") }
        }
    }

    func run() async throws {
        let pages = remove ? 0 : count ?? 0
        let action =
            pages == 0
            ? AllocateHugePages.remove(service: service, node: node, sizeKB: size.kilobytes)
            : AllocateHugePages(service: service, count: pages, node: node, sizeKB: size.kilobytes)
        guard !output.json else { return try perform(action, Sentences.reserved) }
        let answer = try await send(action) { _ in
            let machine = servedMachine(try status())
            return PageShortage(try ask(GetMemoryInfo()).reply, node: node, sizeKB: size.kilobytes, machine).lines
        }
        try output.show(json: answer.json) { _ in [StyledText(Sentences.reserved(answer.reply))] }
    }
}
