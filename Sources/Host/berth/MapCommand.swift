import ArgumentParser
import EPAClient
import HostClient
import Machine
import Rendering
import Terminal
import WireJSON

extension MachineMap.Detail: ExpressibleByArgument {}

/// `berth map`.
struct Map: SocketCommand, AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Draw the machine, and who holds which CPUs and huge pages.",
        discussion: """
            Holders have letters, those with most CPUs first; small letters are CPUs that others may share. ! marks CPUs where \
            the kernel differs from the claims (berth verify), braces a core whose CPUs different holders have. Nothing is \
            drawn of a daemon that serves another machine. A terminal with few rows gets one character for each CPU.

            With --json the document is {"machine": as topology --json, "allocations": reply, "memory": reply, \
            "berth_status": object, "claims": [claim, …]}. The replies are null with --no-daemon; "berth_status" is null if \
            the daemon is not berthd, "claims" is null if it has no HTTP API.
            """)
    @OptionGroup var machine: MachineOptions
    @Flag(help: "Draw the machine only, without a daemon.")
    var noDaemon = false
    @Flag(help: "Draw anew whenever something changes, until Ctrl-C; on a terminal only.")
    var watch = false
    @Option(help: ArgumentHelp("What to draw for a CPU: auto, numbered, dense (one character).", valueName: "how"))
    var cells = MachineMap.Detail.auto
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if watch, output.json { throw ValidationError("--watch and --json exclude each other") }
    }

    func run() async throws {
        if output.json { return try await writeDocument() }
        if watch {
            let screen = try Screen(output)
            var differences = Differences()
            try await screen.show { try await draw($0, &differences) }
        }
        var differences = Differences()
        let style = output.style
        try Output.write(try await draw(style, &differences).rendered(style))
    }

    // MARK: - The picture

    /// What the last verification found. It looks at every thread of the machine, so it is not asked for with every picture.
    private struct Differences {
        private var last: Verification?
        private var asked: ContinuousClock.Instant?

        mutating func current(_ daemon: DaemonOptions) async throws -> Verification? {
            if let asked, asked.duration(to: .now) < .seconds(10) { return last }
            asked = .now
            let answer = try await daemon.fromAPI { client throws(BerthError) in try await client.verification() }
            // Nil twice over: no API, or nothing that is enforced.
            last = nil
            if let answer, let bytes = answer { last = try Verification(bytes) }
            return last
        }
    }

    private func draw(_ style: Style, _ differences: inout Differences) async throws -> [StyledText] {
        let (name, files) = try machine.files()
        let found = try MachineReader(files: files).read()
        let occupancy = noDaemon ? nil : try await occupancy(&differences)
        return MachineMap(
            title: name ?? "This machine", machine: found, occupancy: occupancy, style: style, detail: cells
        ).lines
    }

    /// Who has what: as the API tells, else as the EPA socket does.
    private func occupancy(_ differences: inout Differences) async throws -> Occupancy {
        let memory = try ask(GetMemoryInfo()).reply
        let overview = try await daemon.fromAPI { client throws(BerthError) in try await HostOverview(client) }
        if let overview { return Occupancy(overview, try await differences.current(daemon), memory: memory) }
        let list = try ask(ListAllocations()).reply
        return Occupancy(list, memory, outsidePool: try status()?.outsidePool ?? [])
    }

    // MARK: - The document

    private func writeDocument() async throws {
        let (name, files) = try machine.files()
        let found = try MachineReader(files: files).read()
        let list = noDaemon ? nil : try ask(ListAllocations())
        let memory = noDaemon ? nil : try ask(GetMemoryInfo())
        let status = noDaemon ? nil : try status()
        let claims =
            noDaemon
            ? nil : try await daemon.fromAPI { client throws(BerthError) in try await client.claimDocuments() }
        let report = try TopologyReport(found, name: name).json()
        let document = JSONWriter.object { writer in
            writer.name("machine")
            writer.value(JSONValue(scanned: report[...]))
            writer.member("allocations", list.map { JSONValue(scanned: $0.json[...]) } ?? .null)
            writer.member("memory", memory.map { JSONValue(scanned: $0.json[...]) } ?? .null)
            writer.member("berth_status", status?.json ?? .null)
            writer.member("claims", claims.map { .array($0) } ?? .null)
        }
        try Output.write(json: document)
    }
}
