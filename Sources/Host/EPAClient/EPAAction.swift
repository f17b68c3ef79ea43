import WireJSON

/// An action of the EPA socket: a request and its reply (EPA specification, section 3).
package protocol EPAAction: Sendable {
    /// What the reply says.
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

/// What is missing or wrong in a reply.
package struct ReplyError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The sentence for people.
    package let description: String

    init(_ description: String) { self.description = description }
}
