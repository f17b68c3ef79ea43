import WireJSON

/// An action of the EPA socket: what is asked and what is answered (EPA specification, section 3).
package protocol EPAAction: Sendable {
    /// What the daemon answers.
    associatedtype Reply: Sendable
    /// The value of the request's member `action`.
    static var name: String { get }
    /// Writes the members of the request after `version` and `action`.
    func write(to writer: inout JSONWriter)
    /// Reads a reply that is not an error.
    static func reply(_ object: ReplyObject) throws(ReplyError) -> Reply
}

extension EPAAction {
    /// The request's text.
    package var request: [UInt8] {
        JSONWriter.object { writer in
            writer.member("version", "1.0")
            writer.member("action", Self.name)
            write(to: &writer)
        }
    }
}

/// What a reply lacks or has wrong.
package struct ReplyError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The sentence for people.
    package let description: String

    init(_ description: String) { self.description = description }
}
