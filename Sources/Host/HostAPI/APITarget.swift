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
            guard let segment = Self.decode(part) else {
                throw Problem(
                    .malformedPath, "The path has percent signs without two hexadecimal digits, or is not UTF-8")
            }
            segments.append(segment)
        }
        self.path = segments
        var query: [Parameter] = []
        for part in parts.dropFirst().first?.split(separator: UInt8(ascii: "&")) ?? [] {
            let sides = part.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = sides.first.flatMap({ Self.decode($0, isQuery: true) }),
                let value = sides.count > 1 ? Self.decode(sides[1], isQuery: true) : ""
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

    /// The text of percent-encoded bytes; nil where they are not encoded correctly.
    static func decode(_ text: some Sequence<UInt8>, isQuery: Bool = false) -> String? {
        var bytes: [UInt8] = []
        var rest = text.makeIterator()
        while let byte = rest.next() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = rest.next().flatMap(digit), let low = rest.next().flatMap(digit) else { return nil }
                bytes.append(high << 4 | low)
            case UInt8(ascii: "+") where isQuery: bytes.append(UInt8(ascii: " "))
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
