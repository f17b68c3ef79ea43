import ArgumentParser
import EPAClient
import Rendering
import Terminal
import WireJSON

/// `berth status`.
struct Status: SocketCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show whether the daemon answers and accepts changes, and who holds what.",
        discussion: """
            The exit status is 1 if the daemon refuses changes, 69 if it cannot be reached, 75 if it does not reply in time. The EPA Orchestrator, and \
            versions of berthd before 0.2, do not say whether they accept changes; that is no error. With --json the \
            document is {"socket": path, "answering": true, "accepts_changes": true, "allocations": reply, "memory": reply, \
            "berth_status": object}, with "accepts_changes": false, "reason": text if the daemon refuses changes, with \
            null for "accepts_changes" and "berth_status" if it does not say, or {"socket": path, "answering": false, \
            "error": text}.
            """)
    @OptionGroup(title: "The daemon") var daemon: DaemonOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let client = daemon.epa
        do {
            let list = try client.send(ListAllocations())
            let memory = try client.send(GetMemoryInfo())
            let status = try client.status()
            let document = JSONWriter.object { writer in
                writer.member("socket", client.socket)
                writer.member("answering", true)
                writer.member("accepts_changes", status.map { .boolean($0.refusal == nil) } ?? JSONValue.null)
                if let refusal = status?.refusal { writer.member("reason", refusal) }
                writer.member("allocations", JSONValue(scanned: list.json[...]))
                writer.member("memory", JSONValue(scanned: memory.json[...]))
                writer.member("berth_status", status?.json ?? .null)
            }
            try output.show(json: document) {
                Tables.status(
                    socket: client.socket, status: status, list: list.reply, memory: memory.reply,
                    machine: servedMachine(status), style: $0)
            }
            if let refusal = status?.refusal {
                throw Failure("changes are refused: \(Printable.text(refusal))", status: Failure.refused)
            }
        } catch let error as ClientError {
            if output.json {
                try Output.write(
                    json: JSONWriter.object { writer in
                        writer.member("socket", client.socket)
                        writer.member("answering", false)
                        writer.member("error", error.description)
                    })
            }
            throw Failure(error)
        }
    }
}
