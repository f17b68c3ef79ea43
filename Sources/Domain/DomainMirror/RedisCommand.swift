/// A Redis command: its name and arguments.
package struct RedisCommand: Hashable, Sendable {
    /// The name and the arguments.
    package let words: [String]

    init(_ words: String...) { self.words = words }

    static func set(_ key: String, _ value: String) -> RedisCommand { RedisCommand("SET", key, value) }
    static func delete(_ key: String) -> RedisCommand { RedisCommand("DEL", key) }
}
