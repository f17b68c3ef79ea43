/// A message that cannot be understood: what was wrong, and what would be right.
package struct WireError: Error, Hashable, Sendable, CustomStringConvertible {
    /// One sentence for people; texts from the wire are quoted in it and shortened.
    package let reason: String

    /// An error with this reason.
    package init(_ reason: String) { self.reason = reason }

    /// The reason.
    package var description: String { reason }
}

extension String {
    /// The text in quotes, without control characters, for an error that names it.
    package var quoted: String { String(reflecting: count > 80 ? prefix(80) + "…" : self) }
}
