import ArgumentParser
import EPAClient
import Machine
import Rendering
import Terminal
import WireJSON

extension MachineMap.Detail: ExpressibleByArgument {}

/// `berth map`.
struct Map: SocketCommand {
    static let configuration = CommandConfiguration(
        abstract: "Draw the machine, and who holds which CPUs and huge pages.",
        discussion: """
            With --json the document is {"machine": as topology --json, "allocations": reply, "memory": reply, \
            "berth_status": object}. The replies are null with --no-daemon; "berth_status" is null if the daemon is not \
            berthd.
            """)
    @OptionGroup var machine: MachineOptions
    @Flag(help: "Draw the machine only, without a daemon.")
    var noDaemon = false
    @Option(help: ArgumentHelp("What to draw for a CPU: auto, numbered, dense (one character).", valueName: "how"))
    var cells = MachineMap.Detail.auto
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let (name, files) = try machine.files()
        let found = try MachineReader(files: files).read()
        let list = noDaemon ? nil : try ask(ListAllocations())
        let memory = noDaemon ? nil : try ask(GetMemoryInfo())
        let status = noDaemon ? nil : try status()
        if output.json {
            let report = try TopologyReport(found, name: name).json()
            let document = JSONWriter.object { writer in
                writer.name("machine")
                writer.value(JSONValue(scanned: report[...]))
                writer.member("allocations", list.map { JSONValue(scanned: $0.json[...]) } ?? .null)
                writer.member("memory", memory.map { JSONValue(scanned: $0.json[...]) } ?? .null)
                writer.member("berth_status", status?.json ?? .null)
            }
            return try Output.write(json: document)
        }
        let style = output.style
        let map = MachineMap(
            title: name ?? "This machine", machine: found, list: list?.reply, memory: memory?.reply,
            outsidePool: status?.outsidePool ?? [], style: style, detail: cells)
        try Output.write(map.lines.rendered(style))
    }
}
