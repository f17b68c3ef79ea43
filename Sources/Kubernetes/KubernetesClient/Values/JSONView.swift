@_exported public import WireJSON

/// A typed view of a JSON value.
///
/// The value has every member that came with it, also those that no property shows; a property reads and writes its own
/// member. A member that is missing, `null` or of another type reads as nil or empty.
public protocol JSONView: Equatable, Sendable {
    /// The value.
    var json: JSONValue { get set }

    /// A view of this value.
    init(json: JSONValue)
}

extension JSONView {
    /// A view of an empty object.
    public init() { self.init(json: .object([])) }
}

extension JSONValue {
    /// The value at a path of member names. To set one makes the objects on the way; to set nil makes none.
    subscript(path: [String]) -> JSONValue? {
        get {
            var value = self
            for name in path {
                guard let member = value[name] else { return nil }
                value = member
            }
            return value
        }
        set { set(newValue, path[...]) }
    }

    private mutating func set(_ value: JSONValue?, _ path: ArraySlice<String>) {
        guard let name = path.first else {
            if let value { self = value }
            return
        }
        guard path.count > 1 else {
            self[name] = value
            return
        }
        guard value != nil || self[name] != nil else { return }
        var member = self[name] ?? .object([])
        member.set(value, path.dropFirst())
        self[name] = member
    }
}

extension JSONView {
    func text(_ path: String...) -> String? { json[path]?.string }
    func number(_ path: String...) -> Int? { json[path]?.integer }
    func flag(_ path: String...) -> Bool { json[path]?.boolean ?? false }
    func time(_ path: String...) -> Timestamp? { json[path]?.string.flatMap { Timestamp($0) } }
    func texts(_ path: String...) -> [String] { json[path]?.array?.compactMap(\.string) ?? [] }
    func numbers(_ path: String...) -> [Int] { json[path]?.array?.compactMap(\.integer) ?? [] }
    func list<View: JSONView>(_ path: String...) -> [View] { json[path]?.array?.map { View(json: $0) } ?? [] }
    func view<View: JSONView>(_ path: String...) -> View { View(json: json[path] ?? .object([])) }

    func map(_ path: String...) -> [String: String] {
        var map: [String: String] = [:]
        for member in json[path]?.members ?? [] { map[member.name] = member.value.string }
        return map
    }

    func quantities(_ path: String...) -> [String: Quantity] {
        var quantities: [String: Quantity] = [:]
        for member in json[path]?.members ?? [] {
            // A bare number is a quantity too.
            let text: String? =
                switch member.value {
                case .string(let text), .number(let text): text
                default: nil
                }
            quantities[member.name] = text.flatMap { Quantity($0) }
        }
        return quantities
    }

    mutating func set(_ text: String?, _ path: String...) { json[path] = text.map { .string($0) } }
    mutating func set(_ number: Int?, _ path: String...) { json[path] = number.map { JSONValue($0) } }
    mutating func set(_ value: JSONValue?, _ path: String...) { json[path] = value }

    /// An empty list is left out.
    mutating func set(_ views: [some JSONView], _ path: String...) {
        json[path] = views.isEmpty ? nil : .array(views.map(\.json))
    }

    /// An empty list is left out.
    mutating func set(_ texts: [String], _ path: String...) {
        json[path] = texts.isEmpty ? nil : .array(texts.map { .string($0) })
    }

    /// An empty list is left out.
    mutating func set(_ numbers: [Int], _ path: String...) {
        json[path] = numbers.isEmpty ? nil : .array(numbers.map { JSONValue($0) })
    }

    /// An empty map is left out.
    mutating func set(_ map: [String: String], _ path: String...) {
        let members = map.sorted { $0.key < $1.key }.map { JSONValue.Member(name: $0.key, value: .string($0.value)) }
        json[path] = members.isEmpty ? nil : .object(members)
    }
}
