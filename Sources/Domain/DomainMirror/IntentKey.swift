import Domain
import WireJSON

/// An entry of the list `intents`: the name of a key that contains an operator's intent (domain specification, section
/// 5.4).
package enum IntentKey {
    /// The list.
    package static let list = "intents"
    /// The prefix of the outcome keys.
    package static let resultPrefix = "intent:result:"

    /// Why an entry is dropped.
    package enum Problem: Error, Hashable, Sendable, CustomStringConvertible {
        /// It is not the name of an intent; its key is not touched.
        case foreign
        /// The key has no value: the intent was read before, or never set.
        case noValue
        /// The value is invalid.
        case badValue(String)

        /// The problem as a sentence.
        package var description: String {
            switch self {
            case .foreign: "not intent:migrate:<logical id> or intent:cordon:<node id>"
            case .noValue: "the key has no value"
            case .badValue(let reason): reason
            }
        }
    }

    /// The script of ``take(_:for:at:)``. Keys: the list, and the domain's name. Arguments: the maximum number, the
    /// outcome that marks an intent as taken, its lifetime in seconds, and the expected domain.
    package static let takeScript = """
        if redis.call('GET', KEYS[2]) ~= ARGV[4] then return false end
        local taken = {}
        for _ = 1, tonumber(ARGV[1]) do
          local name = redis.call('LINDEX', KEYS[1], 0)
          if not name then break end
          local value = false
          local rest = string.match(name, '^intent:(migrate:[^:]*)$') or string.match(name, '^intent:(cordon:[^:]*)$')
          if rest and redis.call('TYPE', name).ok == 'string' then
            value = redis.call('GET', name)
            local result = 'intent:result:' .. rest
            local answer = redis.pcall('SET', result, ARGV[2], 'EX', ARGV[3])
            if answer.err then
              if #taken > 0 then break end
              return redis.error_reply(answer.err .. ' (SET ' .. result .. ')')
            end
            redis.call('DEL', name)
          end
          redis.call('LPOP', KEYS[1])
          taken[#taken + 1] = name
          taken[#taken + 1] = value
        end
        return taken
        """

    /// The command that atomically reads up to `count` intents with their values and marks them as taken. It returns a
    /// list of names and values, or null if the database contains another domain. An intent that cannot be marked stays
    /// in the list. Keys that are not intents are not touched.
    ///
    /// - Parameter time: the current time, in milliseconds since 1970.
    package static func take(_ count: Int, for domainID: String, at time: Int) -> RedisCommand {
        return RedisCommand(
            "EVAL", takeScript, "2", list, Mirror.identity, "\(count)", outcome("taken", nil, at: time),
            "\(outcomeSeconds)", domainID)
    }

    /// The command that marks an intent as taken.
    static func mark(_ name: String, at time: Int) -> RedisCommand {
        RedisCommand("SET", result(of: name), outcome("taken", nil, at: time), "EX", "\(outcomeSeconds)")
    }

    /// The command that returns and removes the value of an intent; a Redis before 6.2 has no GETDEL.
    static func removeValue(_ name: String) -> RedisCommand {
        let script = "local value = redis.call('GET', KEYS[1]) redis.call('DEL', KEYS[1]) return value"
        return RedisCommand("EVAL", script, "1", name)
    }

    /// Whether an entry of the list is the name of an intent.
    static func isIntent(_ name: String) -> Bool {
        let parts = name.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 3 && parts[0] == "intent" && (parts[1] == "migrate" || parts[1] == "cordon")
    }

    /// The lifetime of outcomes.
    private static let outcomeSeconds = 86_400

    /// Parses an entry and the value of its key.
    package static func intent(_ name: String, _ value: String?) throws(Problem) -> Intent {
        guard isIntent(name) else { throw .foreign }
        let parts = name.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard let value else { throw .noValue }
        if parts[1] == "cordon" {
            guard let node = NodeID(parts[2]) else { throw .badValue("\(parts[2]) is not a node id") }
            switch value {
            case "yes": return .cordon(node, true)
            case "no": return .cordon(node, false)
            default: throw .badValue("expected yes or no, not \(value)")
            }
        }
        guard let instance = LogicalID(parts[2]) else { throw .badValue("\(parts[2]) is not a logical id") }
        var targets: [NodeID] = []
        for text in value.split(separator: ",") {
            guard let node = NodeID(String(text)) else { throw .badValue("\(text) is not a node id") }
            targets.append(node)
        }
        guard !targets.isEmpty else { throw .badValue("no target node") }
        return .migrate(instance, to: targets)
    }

    /// The command that publishes the outcome of an intent.
    ///
    /// - Parameters:
    ///   - name: the entry of the list.
    ///   - reason: why it was declined; nil if it was carried out.
    ///   - time: the current time, in milliseconds since 1970.
    package static func publish(_ name: String, declined reason: String?, at time: Int) -> RedisCommand {
        publish(result: result(of: name), declined: reason, at: time)
    }

    /// The key of an entry's outcome.
    package static func result(of name: String) -> String { resultPrefix + name.dropFirst("intent:".count) }

    /// Publishes an outcome under its key.
    package static func publish(result key: String, declined reason: String?, at time: Int) -> RedisCommand {
        RedisCommand(
            "SET", key, outcome(reason == nil ? "done" : "declined", reason, at: time), "EX", "\(outcomeSeconds)")
    }

    /// Whether this is the outcome of an intent that was taken and is not finished.
    package static func isUnfinished(_ outcome: String) -> Bool { outcome.hasPrefix(#"{"status":"taken""#) }

    private static func outcome(_ status: String, _ reason: String?, at time: Int) -> String {
        JSONWriter.text { writer in
            writer.member("status", status)
            if let reason { writer.member("reason", reason) }
            writer.member("time", JSONValue.number(NumberText.plain(Double(time) / 1000)))
        }
    }
}
