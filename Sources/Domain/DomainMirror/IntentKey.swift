import Domain
import WireJSON

/// What an operator has put into the list `intents`: the name of a key that says what is wanted (domain specification, section
/// 5.4).
package enum IntentKey {
    /// The list.
    package static let list = "intents"
    /// The beginning of the keys with outcomes.
    package static let resultPrefix = "intent:result:"

    /// Why an entry of the list is dropped.
    package enum Problem: Error, Hashable, Sendable, CustomStringConvertible {
        /// It names no intent; what it names is left alone.
        case foreign
        /// The key has no value: it was taken before, or never set.
        case noValue
        /// The value is none of those that there are; what would be right.
        case badValue(String)

        /// One sentence.
        package var description: String {
            switch self {
            case .foreign: "it is neither intent:migrate:<logical id> nor intent:cordon:<node id>"
            case .noValue: "its key has no value"
            case .badValue(let reason): reason
            }
        }
    }

    /// The script of ``take(_:for:at:)``: the keys are the list and the domain's name; the arguments how many, the outcome that
    /// marks them, for how many seconds, and which domain it has to be.
    package static let takeScript = """
        if redis.call('GET', KEYS[2]) ~= ARGV[4] then return false end
        local taken = {}
        for _ = 1, tonumber(ARGV[1]) do
          local name = redis.call('LPOP', KEYS[1])
          if not name then break end
          local value = false
          local rest = string.match(name, '^intent:(migrate:[^:]*)$') or string.match(name, '^intent:(cordon:[^:]*)$')
          if rest and redis.call('TYPE', name).ok == 'string' then
            value = redis.call('GET', name)
            redis.call('DEL', name)
            redis.call('SET', 'intent:result:' .. rest, ARGV[2], 'EX', ARGV[3])
          end
          taken[#taken + 1] = name
          taken[#taken + 1] = value
        end
        return taken
        """

    /// The command that takes up to `count` intents, each with the value of its key, and marks them as taken, all at once: the
    /// answer is a list of names and values in turn; none at all where the database does not show the domain. Keys that are no
    /// intents are not touched.
    ///
    /// - Parameter time: now, in milliseconds since 1970.
    package static func take(_ count: Int, for domainID: String, at time: Int) -> RedisCommand {
        return RedisCommand(
            "EVAL", takeScript, "2", list, Mirror.identity, "\(count)", outcome("taken", nil, at: time),
            "\(outcomeSeconds)", domainID)
    }

    /// How long outcomes stay.
    private static let outcomeSeconds = 86_400

    /// Reads an entry and the value of the key that it names.
    package static func intent(_ name: String, _ value: String?) throws(Problem) -> Intent {
        let parts = name.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, parts[0] == "intent", parts[1] == "migrate" || parts[1] == "cordon" else {
            throw .foreign
        }
        guard let value else { throw .noValue }
        if parts[1] == "cordon" {
            guard let node = NodeID(parts[2]) else { throw .badValue("\(parts[2]) is no node id") }
            switch value {
            case "yes": return .cordon(node, true)
            case "no": return .cordon(node, false)
            default: throw .badValue("the value is yes or no, not \(value)")
            }
        }
        guard let instance = LogicalID(parts[2]) else { throw .badValue("\(parts[2]) is no logical id") }
        var targets: [NodeID] = []
        for text in value.split(separator: ",") {
            guard let node = NodeID(String(text)) else { throw .badValue("\(text) is no node id") }
            targets.append(node)
        }
        guard !targets.isEmpty else { throw .badValue("no node is named") }
        return .migrate(instance, to: targets)
    }

    /// The command that publishes what became of an intent, for a day.
    ///
    /// - Parameters:
    ///   - name: the entry of the list.
    ///   - reason: why it was declined; nil where it was carried out.
    ///   - time: now, in milliseconds since 1970.
    package static func publish(_ name: String, declined reason: String?, at time: Int) -> RedisCommand {
        publish(result: result(of: name), declined: reason, at: time)
    }

    /// The key of the outcome of an entry of the list.
    package static func result(of name: String) -> String { resultPrefix + name.dropFirst("intent:".count) }

    /// Likewise, by the key of the outcome.
    package static func publish(result key: String, declined reason: String?, at time: Int) -> RedisCommand {
        RedisCommand(
            "SET", key, outcome(reason == nil ? "done" : "declined", reason, at: time), "EX", "\(outcomeSeconds)")
    }

    /// Whether this outcome is that of an intent which was taken and has not come to an end.
    package static func isUnfinished(_ outcome: String) -> Bool { outcome.hasPrefix(#"{"status":"taken""#) }

    private static func outcome(_ status: String, _ reason: String?, at time: Int) -> String {
        JSONWriter.text { writer in
            writer.member("status", status)
            if let reason { writer.member("reason", reason) }
            writer.member("time", JSONValue.number(NumberText.plain(Double(time) / 1000)))
        }
    }
}
