/// What is wrong with a configuration, and where.
public struct ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file; nil where no file is to blame.
    public let file: String?
    /// The member of the file: `users[dev].user.client-key-data`; nil where it is about the file.
    public let member: String?
    /// What is wrong, and what would be right.
    public let reason: String

    /// An error.
    public init(file: String? = nil, member: String? = nil, reason: String) {
        self.file = file
        self.member = member
        self.reason = reason
    }

    /// One sentence for people.
    public var description: String {
        [file, member, reason].compactMap { $0 }.joined(separator: ": ")
    }
}
