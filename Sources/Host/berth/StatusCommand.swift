import ArgumentParser
import EPAClient
import Rendering
import Terminal
import WireJSON

/// `berth status`.
struct Status: SocketCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show whether the daemon answers and accepts changes, and what it keeps.",
        discussion: """
            Whether it accepts changes is found out by asking it to remove a booking of huge pages that nobody has. Ends \
            with 1 where it refuses changes, with 69 where it cannot be reached. With --json the document is {"socket": \
            path, "answering": true, "accepts_changes": true, "allocations": reply, "memory": reply}, with \
            "accepts_changes": false, "reason": text where it refuses, or {"socket": path, "answering": false, "error": \
            text}.
            """)
    @OptionGroup var daemon: SocketOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let client = daemon.client
        do {
            let list = try client.send(ListAllocations())
            let memory = try client.send(GetMemoryInfo())
            let refusal = try client.refusalOfChanges()
            let document = JSONWriter.object { writer in
                writer.member("socket", client.socket)
                writer.member("answering", true)
                writer.member("accepts_changes", refusal == nil)
                if let refusal { writer.member("reason", refusal) }
                writer.member("allocations", JSONValue(scanned: list.json[...]))
                writer.member("memory", JSONValue(scanned: memory.json[...]))
            }
            try output.show(json: document) {
                Tables.status(
                    socket: client.socket, refusal: refusal, list: list.reply, memory: memory.reply, style: $0)
            }
            if let refusal {
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
