import WireJSON

/// A selector of fields: `metadata.name=a,spec.nodeName!=b`.
struct FieldSelector: Equatable, Sendable {
    struct Requirement: Equatable, Sendable {
        let path: [String]
        let value: String
        let isEqual: Bool
    }

    var requirements: [Requirement] = []

    var isEmpty: Bool { requirements.isEmpty }

    /// The only name that it selects, where there is one.
    var name: String? {
        requirements.first { $0.isEqual && $0.path == ["metadata", "name"] }?.value
    }

    init() {}

    /// Reads the selector of a query.
    ///
    /// - Throws: ``StatusError`` where it is none, or names a field that the kind does not offer.
    init(query: String, for type: ResourceType) throws(StatusError) {
        for term in query.split(separator: ",") {
            var text = Substring(term)
            var value: Substring = ""
            var isEqual = true
            if let range = Self.range(of: "!=", in: text) {
                isEqual = false
                value = text[range.upperBound...]
                text = text[..<range.lowerBound]
            } else if let range = Self.range(of: "==", in: text) ?? Self.range(of: "=", in: text) {
                value = text[range.upperBound...]
                text = text[..<range.lowerBound]
            } else {
                throw .badRequest("invalid selector: '\(query)'; can't understand '\(term)'")
            }
            let name = String(text)
            let known = ["metadata.name", "metadata.namespace"] + type.content.selectableFields
            guard known.contains(name) else {
                guard type.isCustom || !type.content.selectableFields.isEmpty else {
                    throw .badRequest(
                        "\(FieldError.quote(name)) is not a known field selector: only \"metadata.name\", "
                            + "\"metadata.namespace\"")
                }
                throw .badRequest("field label not supported: \(name)")
            }
            var path = name.split(separator: ".").map(String.init)
            if name == "source" { path = ["source", "component"] }
            requirements.append(Requirement(path: path, value: String(value), isEqual: isEqual))
        }
    }

    /// Whether it selects an object.
    func matches(_ object: JSONValue) -> Bool {
        requirements.allSatisfy { requirement in
            let value =
                switch object.at(requirement.path[...]) {
                case .string(let text)?: text
                case .boolean(let truth)?: "\(truth)"
                case .number(let text)?: text
                default: requirement.path == ["spec", "unschedulable"] ? "false" : ""
                }
            return (value == requirement.value) == requirement.isEqual
        }
    }

    private static func range(of text: String, in whole: Substring) -> Range<Substring.Index>? {
        var start = whole.startIndex
        while start < whole.endIndex {
            if whole[start...].hasPrefix(text) { return start..<whole.index(start, offsetBy: text.count) }
            start = whole.index(after: start)
        }
        return nil
    }
}

/// What a list or a watch selects.
struct Selection: Equatable, Sendable {
    /// nil for all namespaces.
    var namespace: String?
    var labels = LabelSelector()
    var fields = FieldSelector()

    var hasSelectors: Bool { !labels.isEmpty || !fields.isEmpty }

    func matches(_ object: JSONValue) -> Bool {
        if let namespace, object.text("metadata", "namespace") != namespace { return false }
        if !labels.isEmpty, !labels.matches(object.at("metadata", "labels")) { return false }
        return fields.isEmpty || fields.matches(object)
    }
}
