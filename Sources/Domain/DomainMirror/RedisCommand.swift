/// A Redis command: its name and arguments.
package struct RedisCommand: Hashable, Sendable {
    /// The name and the arguments.
    package let words: [String]

    init(_ words: String...) { self.words = words }

    /// Its name and key, for messages.
    var subject: String {
        let key = words[0] == "EVAL" ? words.dropFirst(3).first : words.dropFirst().first
        return [words[0], key].compactMap(\.self).joined(separator: " ")
    }

    static func set(_ key: String, _ value: String) -> RedisCommand { RedisCommand("SET", key, value) }
    static func delete(_ key: String) -> RedisCommand { RedisCommand("DEL", key) }
}
