import WireJSON

/// The path and the query of a request, decoded.
struct APITarget: Equatable, Sendable {
    /// The segments of the path.
    let path: [String]
    /// The parameters of the query, in order.
    let query: [Parameter]

    struct Parameter: Equatable, Sendable {
        let name: String
        let value: String
    }

    /// Decodes `/a/b?c=d`.
    ///
    /// - Throws: ``Problem``.
    init(_ text: String) throws(Problem) {
        guard text.utf8.count <= APISettings.targetLimit else { throw Problem(.targetTooLong) }
        let parts = text.utf8.split(separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
        guard let path = parts.first, path.first == UInt8(ascii: "/") else {
            throw Problem(.malformedPath, "A path begins with /")
        }
        var segments: [String] = []
        for part in path.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            guard let segment = String(percentEncoded: part) else {
                throw Problem(
                    .malformedPath, "The path has percent signs without two hexadecimal digits, or is not UTF-8")
            }
            segments.append(segment)
        }
        self.path = segments
        var query: [Parameter] = []
        for part in parts.dropFirst().first?.split(separator: UInt8(ascii: "&")) ?? [] {
            let sides = part.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = sides.first.flatMap({ String(percentEncoded: $0, isQuery: true) }),
                let value = sides.count > 1 ? String(percentEncoded: sides[1], isQuery: true) : ""
            else { throw Problem(.malformedQuery, "The query is not percent-encoded UTF-8") }
            guard !query.contains(where: { $0.name == name }) else {
                throw Problem(.malformedQuery, "The parameter \(name.debugDescription) is there twice", member: name)
            }
            query.append(Parameter(name: name, value: value))
        }
        self.query = query
    }

    /// The values of the parameters of these names.
    ///
    /// - Throws: ``Problem`` where there are others: what is not known is refused, not ignored.
    func parameters(_ names: Set<String>) throws(Problem) -> [String: String] {
        var values: [String: String] = [:]
        for parameter in query {
            guard names.contains(parameter.name) else {
                let known =
                    names.isEmpty ? "there are none here" : "there are \(names.sorted().joined(separator: ", "))"
                throw Problem(
                    .malformedQuery, "The parameter \(parameter.name.debugDescription) is not known; \(known)",
                    member: parameter.name)
            }
            values[parameter.name] = parameter.value
        }
        return values
    }
}
