/// A message that cannot be understood: what was wrong, and what would be right.
public struct WireError: Error, Hashable, Sendable, CustomStringConvertible {
    /// One sentence for people; texts from the wire are quoted in it and shortened.
    public let reason: String

    /// An error with this reason.
    public init(_ reason: String) { self.reason = reason }

    /// The reason.
    public var description: String { reason }
}

extension String {
    /// The text in quotes, without control characters, for an error that names it.
    package var quoted: String { String(reflecting: count > 80 ? prefix(80) + "…" : self) }
}
