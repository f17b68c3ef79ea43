import ArgumentParser
import Client
import Rendering
import WireJSON

/// `berth status`.
struct Status: SocketCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show whether the daemon answers, and what it keeps.",
        discussion: """
            Ends with 69 where it cannot be reached. With --json the document is {"socket": path, "answering": true, \
            "allocations": reply, "memory": reply}, or {"socket": path, "answering": false, "error": text}.
            """)
    @OptionGroup var daemon: SocketOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let client = daemon.client
        do {
            let list = try client.send(ListAllocations())
            let memory = try client.send(GetMemoryInfo())
            let document = JSONWriter.object { writer in
                writer.member("socket", client.socket)
                writer.member("answering", true)
                writer.member("allocations", JSONValue(scanned: list.json[...]))
                writer.member("memory", JSONValue(scanned: memory.json[...]))
            }
            try output.show(json: document) {
                Tables.status(socket: client.socket, list: list.reply, memory: memory.reply, style: $0)
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
