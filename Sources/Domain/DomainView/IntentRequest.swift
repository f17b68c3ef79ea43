import Domain
import WireJSON

/// What an operator asks of the domain, as it is put into Redis (domain specification, section 5.4).
package struct IntentRequest: Hashable, Sendable {
    /// The key that says what is wanted.
    package let key: String
    /// What stands under it.
    package let value: String

    /// An instance is to move to the first of these nodes that can take it.
    package static func migrate(_ id: LogicalID, to nodes: [NodeID]) -> IntentRequest {
        IntentRequest(key: "intent:migrate:\(id)", value: nodes.map(\.description).joined(separator: ","))
    }

    /// A node is to be given nothing new, or is to be given something again.
    package static func cordon(_ node: NodeID, _ isCordoned: Bool) -> IntentRequest {
        IntentRequest(key: "intent:cordon:\(node)", value: isCordoned ? "yes" : "no")
    }

    /// Where the outcome is told, by Berth only.
    package var resultKey: String { "intent:result:" + key.dropFirst("intent:".count) }

    /// The commands of the transaction that asks. The outcome of an earlier one is no longer that of this one.
    package var commands: [[String]] { [["DEL", resultKey], ["SET", key, value], ["RPUSH", "intents", key]] }
}

/// What became of an ``IntentRequest``.
package struct IntentOutcome: Hashable, Sendable {
    /// How far it has come.
    package enum Status: String, Sendable {
        /// It is being carried out.
        case taken
        /// It has been carried out.
        case done
        /// It has not been, and will not be.
        case declined
    }

    /// How far it has come.
    package let status: Status
    /// Why; empty where there is nothing to say.
    package let reason: String

    /// Reads what stands under ``IntentRequest/resultKey``; nil for anything else.
    package init?(_ text: String) {
        guard let value = try? JSONValue(Array(text.utf8)), let word = value["status"]?.string,
            let status = Status(rawValue: word)
        else { return nil }
        self.status = status
        reason = value["reason"]?.string ?? ""
    }
}
