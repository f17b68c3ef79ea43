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
