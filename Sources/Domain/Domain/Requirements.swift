/// Where a function or resource may run, from its annotations or configuration (domain specification, section 4.2).
package struct Requirements: Hashable, Sendable {
    /// The nodes that it may run on; empty for any.
    package var nodes: Set<NodeID> = []
    /// Labels that the node must have, all of them.
    package var labels: Set<String> = []
    /// Provider names that the node must own, all of them.
    package var providers: Set<String> = []
    /// Whether the node must run in a trusted execution environment.
    package var needsTEE = false
    /// Whether the node must have a trusted platform module.
    package var needsTPM = false
    /// The maximum number of instances; 0 for no limit. A logical id has one instance, so every value is satisfied.
    package var maximumInstances = 0

    /// Creates empty requirements.
    package init() {}

    /// Parses requirements. Whitespace around an element and empty elements are ignored. A malformed constraint is
    /// refused; EDGELESS ignores it and lets the function run anywhere (section 8, W12).
    ///
    /// - Throws: ``RequirementError`` that names the key.
    package init(_ texts: [String: String]) throws(RequirementError) {
        if let text = texts["max_instances"] {
            guard let number = Int(text.trimmed), number >= 0 else {
                throw RequirementError(key: "max_instances", value: text, expected: "an integer of 0 or more")
            }
            maximumInstances = number
        }
        for key in ["node_id_match_any", "label_match_all", "resource_match_all"] {
            guard (texts[key]?.utf8.count { $0 == UInt8(ascii: ",") } ?? 0) < Self.elementLimit else {
                throw RequirementError(key: key, value: "", expected: "a list of at most \(Self.elementLimit) elements")
            }
        }
        for name in Self.elements(texts["node_id_match_any"]) {
            guard let node = NodeID(name) else {
                throw RequirementError(
                    key: "node_id_match_any", value: name, expected: "node ids (UUIDs) with commas between")
            }
            nodes.insert(node)
        }
        labels = Set(Self.elements(texts["label_match_all"]))
        providers = Set(Self.elements(texts["resource_match_all"]))
        needsTEE = try Self.flag("tee", texts)
        needsTPM = try Self.flag("tpm", texts)
    }

    /// Whether nothing is required.
    package var isEmpty: Bool { nodes.isEmpty && labels.isEmpty && providers.isEmpty && !needsTEE && !needsTPM }

    /// Whether a node meets the requirements.
    ///
    /// - Parameter providers: the provider names that the node owns.
    package func areMet(by node: NodeID, _ capabilities: NodeCapabilities, providers: Set<String>) -> Bool {
        unmet(by: node, capabilities, providers: providers) == nil
    }

    /// The key of the first requirement that a node does not meet; nil if it meets all.
    ///
    /// - Parameter providers: the provider names that the node owns.
    package func unmet(by node: NodeID, _ capabilities: NodeCapabilities, providers: Set<String>) -> String? {
        if !nodes.isEmpty, !nodes.contains(node) { return "node_id_match_any" }
        if needsTEE, !capabilities.hasTEE { return "tee" }
        if needsTPM, !capabilities.hasTPM { return "tpm" }
        if !labels.isEmpty, !labels.isSubset(of: capabilities.labels) { return "label_match_all" }
        return self.providers.isSubset(of: providers) ? nil : "resource_match_all"
    }

    /// The maximum number of elements in a list; each placement examines all of them.
    private static let elementLimit = 1_024

    private static func elements(_ text: String?) -> [String] {
        (text ?? "").split(separator: ",").map { String($0).trimmed }.filter { !$0.isEmpty }
    }

    /// EDGELESS reads every word except `required` as no. Berth accepts the words that can only mean no, and refuses
    /// others.
    private static func flag(_ key: String, _ texts: [String: String]) throws(RequirementError) -> Bool {
        guard let text = texts[key] else { return false }
        switch text.trimmed.lowercased() {
        case "required": return true
        case "", "not-required", "not_required", "notrequired", "none", "no", "false", "optional": return false
        default: throw RequirementError(key: key, value: text, expected: "required or not-required")
        }
    }
}

/// A requirement that cannot be parsed.
package struct RequirementError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The annotation or configuration key.
    package let key: String
    /// The value found.
    package let value: String
    /// What was expected.
    package let expected: String

    /// The error as a sentence.
    package var description: String { "\(key): \"\(value)\" is not \(expected)" }
}

extension String {
    /// The text without leading and trailing ASCII whitespace.
    fileprivate var trimmed: String {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
        guard let first = utf8.firstIndex(where: { !isBlank($0) }), let last = utf8.lastIndex(where: { !isBlank($0) })
        else { return "" }
        return String(self[first...last])
    }
}
