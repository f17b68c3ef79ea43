import WireJSON

/// Objects are held in one form: their members sorted by name, each name once, at every depth. Two values that mean the
/// same are then equal, and a member is found by bisection.
extension JSONValue {
    /// An object of these members.
    static func map(_ members: KeyValuePairs<String, JSONValue?>) -> JSONValue {
        .map(members.compactMap { name, value in value.map { (name, $0) } })
    }

    /// An object of these members; of those with one name, the last counts.
    static func map(_ members: [(String, JSONValue)]) -> JSONValue {
        var sorted = members.enumerated().sorted { left, right in
            (left.element.0, left.offset) < (right.element.0, right.offset)
        }.map(\.element)
        if sorted.count > 1 {
            for index in (1..<sorted.count).reversed() where sorted[index].0 == sorted[index - 1].0 {
                sorted.remove(at: index - 1)
            }
        }
        return .object(sorted.map { Member(name: $0.0, value: $0.1) })
    }

    /// An object of strings.
    static func strings(_ texts: [String: String]) -> JSONValue { .map(texts.map { ($0.key, .string($0.value)) }) }

    /// An array of strings.
    static func strings(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }

    /// A whole number.
    static func integer(_ value: Int) -> JSONValue { .number(String(value)) }

    /// An object without members.
    static var empty: JSONValue { .object([]) }

    /// The value in canonical form.
    var canonical: JSONValue {
        switch self {
        case .object(let members):
            let values = members.map { ($0.name, $0.value.canonical) }
            let isSorted = zip(members, members.dropFirst()).allSatisfy { $0.name < $1.name }
            return isSorted ? .object(values.map { Member(name: $0.0, value: $0.1) }) : .map(values)
        case .array(let elements): return .array(elements.map(\.canonical))
        case .number(let text): return .number(Self.canonicalNumber(text))
        default: return self
        }
    }

    /// A whole number without its fraction, as it is written by programs that read it as a float: 1 for 1.0.
    private static func canonicalNumber(_ text: String) -> String {
        guard text.utf8.contains(where: { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") }) else {
            return text == "-0" ? "0" : text
        }
        guard let value = Double(text), value.isFinite, value == value.rounded(), abs(value) < 9.2e18 else {
            return text
        }
        return String(Int64(value))
    }

    // MARK: - Members of a canonical object

    /// The member of this name.
    func member(_ name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        let index = Self.position(of: name, in: members)
        return index < members.count && members[index].name == name ? members[index].value : nil
    }

    /// The value at the end of a path of names.
    func at(_ path: String...) -> JSONValue? { at(path[...]) }

    /// The value at the end of a path of names.
    func at(_ path: ArraySlice<String>) -> JSONValue? {
        var value = self
        for name in path {
            guard let next = value.member(name) else { return nil }
            value = next
        }
        return value
    }

    /// The string at the end of a path of names.
    func text(_ path: String...) -> String? { at(path[...])?.string }

    /// Sets a member, or removes it. What is no object becomes one where a member is set.
    mutating func set(_ name: String, _ value: JSONValue?) {
        guard case .object(var members) = self else {
            if let value { self = .object([Member(name: name, value: value)]) }
            return
        }
        self = .null
        let index = Self.position(of: name, in: members)
        let isThere = index < members.count && members[index].name == name
        switch (value, isThere) {
        case (let value?, true): members[index] = Member(name: name, value: value)
        case (let value?, false): members.insert(Member(name: name, value: value), at: index)
        case (nil, true): members.remove(at: index)
        case (nil, false): break
        }
        self = .object(members)
    }

    /// Sets the value at the end of a path of names, or removes it; makes the objects on the way.
    mutating func set(_ path: [String], _ value: JSONValue?) { set(path[...], value) }

    private mutating func set(_ path: ArraySlice<String>, _ value: JSONValue?) {
        guard let first = path.first else { return }
        guard path.count > 1 else { return set(first, value) }
        var child = member(first) ?? .empty
        if value == nil, member(first) == nil { return }
        child.set(path.dropFirst(), value)
        set(first, child)
    }

    private static func position(of name: String, in members: [Member]) -> Int {
        var low = 0
        var high = members.count
        while low < high {
            let middle = (low + high) / 2
            if members[middle].name < name { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: - Reading

    /// The strings among the elements.
    var texts: [String] { array?.compactMap(\.string) ?? [] }

    /// The members that are strings.
    var dictionary: [String: String] {
        var texts: [String: String] = [:]
        for member in members ?? [] { texts[member.name] = member.value.string }
        return texts
    }

    /// Whether this is null, or an object or array without content.
    var isBlank: Bool {
        switch self {
        case .null: true
        case .array(let elements): elements.isEmpty
        case .object(let members): members.isEmpty
        default: false
        }
    }

    /// The compact JSON text.
    var encoded: [UInt8] {
        var writer = JSONWriter(capacity: 512)
        writer.value(self)
        return writer.bytes
    }

    /// The compact JSON text.
    var json: String { String(decoding: encoded, as: UTF8.self) }
}
