import WireJSON

/// Reads the members of an object of a body, each once, and refuses those that nobody asked for.
struct JSONReader {
    private let members: [JSONValue.Member]
    /// Where the object stands: empty for the body itself, else `cpus.`.
    private let prefix: String

    /// The body of a request.
    ///
    /// - Throws: ``Problem`` where it is no JSON object.
    init(body: [UInt8]) throws(Problem) {
        let value: JSONValue
        do { value = try JSONValue(body) } catch {
            throw Problem(.malformedJSON, "The body is not JSON: \(error.description)")
        }
        try self.init(value, "")
    }

    private init(_ value: JSONValue, _ name: String) throws(Problem) {
        guard let members = value.members else {
            throw name.isEmpty
                ? Problem(.invalidMember, "The body takes a JSON object") : Self.invalid(name, "takes an object")
        }
        self.members = members
        prefix = name.isEmpty ? "" : "\(name)."
    }

    /// Refuses members that are there twice or not among `names`.
    func allow(_ names: String...) throws(Problem) { try allow(names) }

    /// Refuses members that are there twice or not among `names`.
    func allow(_ names: [String]) throws(Problem) {
        var seen: [String] = []
        for member in members {
            let full = prefix + member.name
            guard names.contains(member.name) else {
                throw Problem(
                    .unknownMember,
                    "The member \(full.debugDescription) is not known; there are \(names.joined(separator: ", "))",
                    member: full)
            }
            guard !seen.contains(member.name) else { throw Self.invalid(full, "is there twice") }
            seen.append(member.name)
        }
    }

    /// Whether the object has a member.
    func has(_ name: String) -> Bool { self[name] != nil }

    /// The value of a member; nil where it is missing.
    subscript(name: String) -> JSONValue? { members.last { $0.name == name }?.value }

    /// A whole number.
    func number(_ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int? {
        guard let value = self[name] else { return nil }
        return try Self.number(value, prefix + name, in: range)
    }

    /// A text of at most `limit` characters.
    func text(_ name: String, limit: Int = 63) throws(Problem) -> String? {
        guard let value = self[name] else { return nil }
        guard let text = value.string, text.unicodeScalars.count <= limit else {
            throw Self.invalid(prefix + name, "takes a text of at most \(limit) characters")
        }
        return text
    }

    /// `true` or `false`.
    func flag(_ name: String) throws(Problem) -> Bool? {
        guard let value = self[name] else { return nil }
        guard let flag = value.boolean else { throw Self.invalid(prefix + name, "takes true or false") }
        return flag
    }

    /// A word out of several.
    func choice<Choice>(_ name: String, of choices: KeyValuePairs<String, Choice>) throws(Problem) -> Choice? {
        guard let value = self[name] else { return nil }
        guard let text = value.string, let choice = choices.first(where: { $0.key == text })?.value else {
            throw Self.invalid(prefix + name, "takes \(choices.map(\.key).joined(separator: ", "))")
        }
        return choice
    }

    /// Whole numbers, each at most once.
    func numbers(_ name: String, in range: ClosedRange<Int>, count: ClosedRange<Int>) throws(Problem) -> [Int]? {
        guard let value = self[name] else { return nil }
        guard let elements = value.array, count.contains(elements.count) else {
            throw Self.invalid(prefix + name, "takes a list of \(count.lowerBound) to \(count.upperBound) numbers")
        }
        var numbers: [Int] = []
        for element in elements { numbers.append(try Self.number(element, prefix + name, in: range)) }
        guard Set(numbers).count == numbers.count else { throw Self.invalid(prefix + name, "has a number twice") }
        return numbers
    }

    /// An object.
    func object(_ name: String) throws(Problem) -> JSONReader? {
        guard let value = self[name] else { return nil }
        return try JSONReader(value, prefix + name)
    }

    /// Objects.
    func objects(_ name: String, limit: Int) throws(Problem) -> [JSONReader]? {
        guard let value = self[name] else { return nil }
        guard let elements = value.array, elements.count <= limit else {
            throw Self.invalid(prefix + name, "takes a list of at most \(limit) objects")
        }
        var objects: [JSONReader] = []
        for (index, element) in elements.enumerated() {
            objects.append(try JSONReader(element, "\(prefix)\(name)[\(index)]"))
        }
        return objects
    }

    /// The problem with a member.
    func invalid(_ name: String, _ what: String) -> Problem { Self.invalid(prefix + name, what) }

    private static func invalid(_ name: String, _ what: String) -> Problem {
        Problem(.invalidMember, "\(name) \(what)", member: name)
    }

    private static func number(_ value: JSONValue, _ name: String, in range: ClosedRange<Int>) throws(Problem) -> Int {
        guard let number = value.wholeNumber, range.contains(number) else {
            throw invalid(name, "takes a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }
}

extension JSONValue {
    /// The whole number, where this is one; `4.0` is one too, as JSON Schema says.
    var wholeNumber: Int? {
        guard case .number(let text) = self else { return nil }
        return Int(text.hasSuffix(".0") ? text.dropLast(2) : text[...])
    }
}
