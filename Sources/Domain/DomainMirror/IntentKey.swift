import Domain
import WireJSON

/// An entry of the list `intents`: the name of a key that contains an operator's intent (domain specification, section
/// 5.4).
package enum IntentKey {
    /// The list.
    package static let list = "intents"
    /// The prefix of the outcome keys.
    package static let resultPrefix = "intent:result:"
    /// The maximum size of a value in bytes: about 7,000 targets.
    package static let valueLimit = 256 << 10

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

    /// Parses an entry and the value of its key.
    package static func intent(_ name: String, _ value: String?) throws(Problem) -> Intent {
        let parts = name.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, parts[0] == "intent", parts[1] == "migrate" || parts[1] == "cordon" else {
            throw .foreign
        }
        guard let value else { throw .noValue }
        guard value.utf8.count <= valueLimit else {
            throw .badValue("the value has more than \(valueLimit) bytes")
        }
        if parts[1] == "cordon" {
            guard let node = NodeID(parts[2]) else { throw .badValue("\(excerpt(parts[2])) is not a node id") }
            switch value {
            case "yes": return .cordon(node, true)
            case "no": return .cordon(node, false)
            default: throw .badValue("expected yes or no, not \(excerpt(value))")
            }
        }
        guard let instance = LogicalID(parts[2]) else { throw .badValue("\(excerpt(parts[2])) is not a logical id") }
        var targets: [NodeID] = []
        for text in value.split(separator: ",") {
            guard let node = NodeID(String(text)) else { throw .badValue("\(excerpt(text)) is not a node id") }
            targets.append(node)
        }
        guard !targets.isEmpty else { throw .badValue("no target node") }
        return .migrate(instance, to: targets)
    }

    private static func excerpt(_ text: some StringProtocol) -> String {
        text.count <= 100 ? String(text) : "\(text.prefix(100))…"
    }

    // MARK: - Outcomes

    /// The key of an entry's outcome.
    package static func result(of name: String) -> String { resultPrefix + name.dropFirst("intent:".count) }

    /// The entry that has its outcome under a key.
    static func name(ofResult key: String) -> String { "intent:" + key.dropFirst(resultPrefix.count) }

    /// The outcome of an intent that is being carried out.
    ///
    /// - Parameter time: the current time, in milliseconds since 1970.
    package static func taken(at time: Int) -> String { outcome("taken", nil, at: time) }

    /// The outcome of a finished intent.
    ///
    /// - Parameters:
    ///   - reason: why it was declined; nil if it was carried out.
    ///   - time: the current time, in milliseconds since 1970.
    package static func finished(declined reason: String?, at time: Int) -> String {
        outcome(reason == nil ? "done" : "declined", reason, at: time)
    }

    /// Whether this is the outcome of an intent that is not finished.
    package static func isUnfinished(_ outcome: String) -> Bool { outcome.hasPrefix(#"{"status":"taken""#) }

    private static func outcome(_ status: String, _ reason: String?, at time: Int) -> String {
        JSONWriter.text { writer in
            writer.member("status", status)
            if let reason { writer.member("reason", reason) }
            writer.member("time", JSONValue.number(NumberText.plain(Double(time) / 1000)))
        }
    }
}
