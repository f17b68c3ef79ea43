import WireJSON

/// A selector of labels, as a query or an object spells it.
struct LabelSelector: Equatable, Sendable {
    enum Requirement: Equatable, Sendable {
        case isOneOf(String, Set<String>)
        case isNoneOf(String, Set<String>)
        case exists(String)
        case isAbsent(String)
        case isAbove(String, Int)
        case isBelow(String, Int)

        func holds(_ labels: JSONValue?) -> Bool {
            switch self {
            case .isOneOf(let key, let values): labels?.text(key).map(values.contains) ?? false
            case .isNoneOf(let key, let values): !(labels?.text(key).map(values.contains) ?? false)
            case .exists(let key): labels?.member(key) != nil
            case .isAbsent(let key): labels?.member(key) == nil
            case .isAbove(let key, let bound): labels?.text(key).flatMap { Int($0) }.map { $0 > bound } ?? false
            case .isBelow(let key, let bound): labels?.text(key).flatMap { Int($0) }.map { $0 < bound } ?? false
            }
        }
    }

    var requirements: [Requirement] = []

    var isEmpty: Bool { requirements.isEmpty }

    /// Whether it selects an object with these labels.
    func matches(_ labels: JSONValue?) -> Bool { requirements.allSatisfy { $0.holds(labels) } }

    init() {}

    /// Reads the `matchLabels` and `matchExpressions` of an object; nothing at all selects everything.
    init(object: JSONValue) {
        for (key, value) in object.member("matchLabels")?.dictionary ?? [:] {
            requirements.append(.isOneOf(key, [value]))
        }
        for expression in object.member("matchExpressions")?.array ?? [] {
            guard let key = expression.text("key") else { continue }
            let values = Set(expression.member("values")?.texts ?? [])
            switch expression.text("operator") {
            case "In": requirements.append(.isOneOf(key, values))
            case "NotIn": requirements.append(.isNoneOf(key, values))
            case "Exists": requirements.append(.exists(key))
            case "DoesNotExist": requirements.append(.isAbsent(key))
            default: break
            }
        }
    }

    /// Reads `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
    ///
    /// - Throws: ``StatusError`` where it is none.
    init(query: String) throws(StatusError) {
        var scanner = Scanner(rest: Substring(query))
        while !scanner.isAtEnd {
            requirements.append(try Self.requirement(&scanner))
            if scanner.isAtEnd { break }
            guard scanner.take(",") else { throw scanner.unexpected("',' or end of string") }
        }
    }

    private static func requirement(_ scanner: inout Scanner) throws(StatusError) -> Requirement {
        if scanner.take("!") { return .isAbsent(try key(&scanner)) }
        let key = try key(&scanner)
        if scanner.take("!=") { return .isNoneOf(key, [try value(&scanner)]) }
        if scanner.take("==") || scanner.take("=") { return .isOneOf(key, [try value(&scanner)]) }
        if scanner.take(">") { return .isAbove(key, Int(scanner.word()) ?? Int.max) }
        if scanner.take("<") { return .isBelow(key, Int(scanner.word()) ?? Int.min) }
        if scanner.takeWord("in") { return .isOneOf(key, try values(&scanner)) }
        if scanner.takeWord("notin") { return .isNoneOf(key, try values(&scanner)) }
        guard scanner.isAtEnd || scanner.isAt(",") else {
            throw scanner.unexpected("one of: in, notin, =, ==, !=, gt, lt")
        }
        return .exists(key)
    }

    private static func key(_ scanner: inout Scanner) throws(StatusError) -> String {
        let word = scanner.word()
        guard !word.isEmpty else { throw scanner.unexpected("!, identifier, or 'end of string'") }
        guard let problem = MetadataRules.labelKeyProblem(word) else { return word }
        throw .badRequest(
            "unable to parse requirement: <nil>: Invalid value: \(FieldError.quote(word)): \(problem)")
    }

    private static func value(_ scanner: inout Scanner) throws(StatusError) -> String {
        let word = scanner.word()
        guard let problem = MetadataRules.labelValueProblem(word) else { return word }
        throw .badRequest(
            "unable to parse requirement: values[0][]: Invalid value: \(FieldError.quote(word)): \(problem)")
    }

    private static func values(_ scanner: inout Scanner) throws(StatusError) -> Set<String> {
        guard scanner.take("(") else { throw scanner.unexpected("'('") }
        var values: Set<String> = []
        repeat { values.insert(try value(&scanner)) } while scanner.take(",")
        guard scanner.take(")") else { throw scanner.unexpected("',' or ')'") }
        return values
    }

    private struct Scanner {
        var rest: Substring

        var isAtEnd: Bool {
            mutating get {
                skipBlanks()
                return rest.isEmpty
            }
        }

        mutating func isAt(_ text: String) -> Bool {
            skipBlanks()
            return rest.hasPrefix(text)
        }

        mutating func skipBlanks() { rest = rest.drop { $0 == " " || $0 == "\t" } }

        mutating func take(_ text: String) -> Bool {
            guard isAt(text) else { return false }
            rest = rest.dropFirst(text.count)
            return true
        }

        mutating func takeWord(_ text: String) -> Bool {
            let before = rest
            if word() == text { return true }
            rest = before
            return false
        }

        mutating func word() -> String {
            skipBlanks()
            let word = rest.prefix { !"=!(),<> \t".contains($0) }
            rest = rest[word.endIndex...]
            return String(word)
        }

        func unexpected(_ wanted: String) -> StatusError {
            .badRequest("unable to parse requirement: found '\(rest)', expected: \(wanted)")
        }
    }
}
