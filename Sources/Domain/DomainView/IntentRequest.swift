import Domain
import WireJSON

/// An operator's intent in the form of Redis (domain specification, section 5.4).
package struct IntentRequest: Hashable, Sendable {
    /// The key of the intent.
    package let key: String
    /// The value of the key.
    package let value: String

    /// Moves an instance to the first of these nodes that can take it.
    package static func migrate(_ id: LogicalID, to nodes: [NodeID]) -> IntentRequest {
        IntentRequest(key: "intent:migrate:\(id)", value: nodes.map(\.description).joined(separator: ","))
    }

    /// Cordons a node, or uncordons it.
    package static func cordon(_ node: NodeID, _ isCordoned: Bool) -> IntentRequest {
        IntentRequest(key: "intent:cordon:\(node)", value: isCordoned ? "yes" : "no")
    }

    /// The key of the outcome; only Berth writes it.
    package var resultKey: String { "intent:result:" + key.dropFirst("intent:".count) }

    /// The commands that submit it, in order. The outcome of an earlier intent is deleted.
    package var commands: [[String]] { [["DEL", resultKey], ["SET", key, value], ["RPUSH", "intents", key]] }
}

/// The outcome of an ``IntentRequest``.
package struct IntentOutcome: Hashable, Sendable {
    /// The progress of the intent.
    package enum Status: String, Sendable {
        /// It is in progress.
        case taken
        /// It was carried out.
        case done
        /// It was not and will not be carried out.
        case declined
    }

    /// The progress.
    package let status: Status
    /// The reason; may be empty.
    package let reason: String

    /// Parses the value of ``IntentRequest/resultKey``; nil for anything else.
    package init?(_ text: String) {
        guard let value = try? JSONValue(Array(text.utf8)), let word = value["status"]?.string,
            let status = Status(rawValue: word)
        else { return nil }
        self.status = status
        reason = value["reason"]?.string ?? ""
    }
}
