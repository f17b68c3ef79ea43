/// A message that cannot be parsed: what is wrong, and what was expected.
package struct WireError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A sentence; texts from the message are quoted and shortened.
    package let reason: String

    /// Creates an error.
    package init(_ reason: String) { self.reason = reason }

    /// The reason.
    package var description: String { reason }
}

extension String {
    /// The text in quotes, shortened and without control characters, for error messages.
    package var quoted: String { String(reflecting: count > 80 ? prefix(80) + "…" : self) }
}
