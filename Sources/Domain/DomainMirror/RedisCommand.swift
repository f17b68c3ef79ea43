/// A Redis command: its name and arguments.
package struct RedisCommand: Hashable, Sendable {
    /// The name and the arguments.
    package let words: [String]

    init(_ words: String...) { self.words = words }

    init(words: [String]) { self.words = words }

    /// Its name and keys, for messages.
    var subject: String {
        guard words[0] == "EVAL", let count = Int(words[2]) else { return words.prefix(2).joined(separator: " ") }
        return ([words[0]] + words.dropFirst(3).prefix(count)).joined(separator: " ")
    }

    static func set(_ key: String, _ value: String) -> RedisCommand { RedisCommand("SET", key, value) }
    static func delete(_ key: String) -> RedisCommand { RedisCommand("DEL", key) }
}
