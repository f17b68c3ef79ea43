import Ledger
import LedgerStore
import Machine
import NIOCore
import WireJSON

/// Events as text.
enum EventText {
    /// A comment: a sign of life.
    static var silence: ByteBuffer { ByteBuffer(string: ":\n\n") }

    /// CPUs went offline or came back.
    static var machine: ByteBuffer { ByteBuffer(string: "event: machine\ndata: {}\n\n") }

    /// Decisions.
    static func text(_ records: [DecisionRecord]) -> ByteBuffer {
        var buffer = ByteBuffer()
        for record in records {
            buffer.writeString("id: \(record.seq)\nevent: decision\ndata: ")
            buffer.writeBytes(json(record))
            buffer.writeString("\n\n")
        }
        return buffer
    }

    /// Decisions after `after` are not retained any more; the oldest that is.
    static func gap(after: Int64, oldest: Int64) -> ByteBuffer {
        let json = JSONWriter.object { writer in
            writer.member("after", Int(after))
            writer.member("oldest", Int(oldest))
        }
        return ByteBuffer(string: "event: gap\ndata: \(String(decoding: json, as: UTF8.self))\n\n")
    }

    /// A decision as JSON.
    static func json(_ record: DecisionRecord) -> [UInt8] {
        JSONWriter.object(capacity: 512) { writer in
            writer.member("seq", Int(record.seq))
            writer.member("time", record.time)
            writer.member("action", record.action)
            writer.member("holder", record.holder.fullName)
            writer.member("outcome", record.outcome.rawValue)
            writer.name("caller")
            if let caller = record.caller { write(caller, &writer) } else { writer.null() }
            writer.name("parameters")
            writer.object { writer in
                for parameter in record.parameters {
                    switch parameter.value {
                    case .number(let number): writer.member(parameter.name, number)
                    case .text(let text): writer.member(parameter.name, text)
                    }
                }
            }
            writer.member("granted", record.granted.list)
            writer.member("released", record.released.list)
            writer.name("released_pages")
            writer.array { array in for pages in record.releasedPages { pages.write(to: &array) } }
            writer.name("preempted")
            writer.array { array in
                for loss in record.preempted {
                    array.object { entry in
                        entry.member("holder", loss.holder.fullName)
                        entry.member("cpus", loss.cpus.list)
                    }
                }
            }
            writer.name("claims")
            writer.array { array in for claim in record.change.claims { ClaimResource.write(claim, to: &array) } }
            writer.member("removed", record.change.removed.map(\.fullName))
        }
    }

    private static func write(_ caller: Caller, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("uid", Int(caller.uid))
            writer.member("gid", Int(caller.gid))
            writer.member("pid", Int(caller.pid))
            if let label = caller.label { writer.member("label", label) }
            writer.member("frontend", caller.frontend)
        }
    }
}
