import CHiredis

/// What Redis answers to a command.
package enum RedisReply: Hashable, Sendable {
    /// Nothing is there.
    case null
    /// A number.
    case integer(Int)
    /// A value or a word such as `OK`; bytes that are no UTF-8 are replaced.
    case text(String)
    /// Several replies.
    case array([RedisReply])
    /// The command was refused, and why.
    case error(String)

    init(_ reply: redisReply) {
        let text = reply.str.map { pointer in
            pointer.withMemoryRebound(to: UInt8.self, capacity: reply.len) {
                String(decoding: UnsafeBufferPointer(start: $0, count: reply.len), as: UTF8.self)
            }
        }
        self =
            switch reply.type {
            case REDIS_REPLY_STRING, REDIS_REPLY_STATUS: .text(text ?? "")
            case REDIS_REPLY_INTEGER: .integer(Int(reply.integer))
            case REDIS_REPLY_ARRAY:
                .array((0..<reply.elements).compactMap { reply.element?[$0].map { RedisReply($0.pointee) } })
            case REDIS_REPLY_ERROR: .error(text ?? "")
            default: .null
            }
    }

    /// The text; nil for anything else.
    package var text: String? { if case .text(let text) = self { text } else { nil } }

    /// The number; nil for anything else.
    package var integer: Int? { if case .integer(let number) = self { number } else { nil } }

    /// The replies; nil for anything else.
    package var array: [RedisReply]? { if case .array(let replies) = self { replies } else { nil } }

    /// The texts of an array; empty for anything else.
    package var texts: [String] { (array ?? []).compactMap(\.text) }

    /// The first error in it; nil where there is none.
    package var failure: String? {
        switch self {
        case .error(let reason): reason
        case .array(let replies): replies.lazy.compactMap(\.failure).first
        case .null, .integer, .text: nil
        }
    }
}
