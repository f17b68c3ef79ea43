import ArgumentParser
import EPAClient
import HostClient
import Machine
import Rendering
import Terminal
import WireJSON

/// `berth release`.
struct Release: SocketCommand, AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Release what a run has, or a service's CPUs.",
        discussion: """
            run:NAME (or pod:, function:) releases all that it has; its programs run on without it, and the exit status is 2 \
            if it has no claim. Any other name is a service's. With --hugepages its huge pages are released too. \
            It is no error if the service holds nothing. With --hugepages --json the document is \
            {"cores": reply, "hugepages": [reply, …]}.
            """)
    @Argument(help: "run:NAME, or the service's name.") var service: String
    @Option(help: "Release only what it holds of this NUMA node.") var node: Int?
    @Flag(help: "Release its reservations of huge pages too.") var hugepages = false
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        try checkName(service)
        if let node, node < 0 { throw ValidationError("--node: expected 0 or more") }
    }

    /// What the service holds; nil where the daemon does not say: the EPA Orchestrator lists nothing where nothing is
    /// isolated.
    private func held() throws -> CPUSet? {
        let list = try ask(ListAllocations()).reply
        let status = try status()
        guard list.available > 0 || status != nil else { return nil }
        return (list.allocations + (status?.outsidePool ?? [])).filter { $0.service.utf8.elementsEqual(service.utf8) }
            .reduce(CPUSet()) { $0.union($1.cpus) }
    }

    func run() async throws {
        if let holder = Holder(service), holder.kind != .service {
            let released: ChangedClaim
            do { released = try await daemon.api.delete(holder) } catch {
                throw Failure(error, socket: daemon.apiPath)
            }
            try Output.write(Printable.text("\(holder) gave back the CPUs \(released.claim.cpus)") + "\n")
            return
        }
        // For people only: the replies do not say what was released.
        let before = output.json ? nil : try held()
        let json: [UInt8]
        var sentences: [String]
        if let node {
            let answer = try ask(AllocateNodeCores.release(service: service, node: node))
            (json, sentences) = (answer.json, [])
            let released = try before.flatMap { before in try held().map { before.subtracting($0) } }
            sentences = [Sentences.released(answer.reply, released)]
        } else {
            let answer = try ask(AllocateCores.release(service: service))
            (json, sentences) = (answer.json, [Sentences.released(answer.reply, before)])
        }
        guard hugepages else { return try output.show(json: json) { _ in sentences.map { StyledText($0) } } }
        var removals: [[UInt8]] = []
        for memory in try ask(GetMemoryInfo()).reply.nodes where node == nil || node == memory.id {
            for reservation in memory.reservations where reservation.service.utf8.elementsEqual(service.utf8) {
                let answer = try ask(
                    AllocateHugePages.remove(service: service, node: memory.id, sizeKB: reservation.sizeKB))
                removals.append(answer.json)
                sentences.append(Sentences.released(answer.reply, pages: reservation.count))
            }
        }
        let document = JSONWriter.object { writer in
            writer.name("cores")
            writer.value(JSONValue(scanned: json[...]))
            writer.name("hugepages")
            writer.array { for reply in removals { $0.value(JSONValue(scanned: reply[...])) } }
        }
        try output.show(json: document) { _ in sentences.map { StyledText($0) } }
    }
}
