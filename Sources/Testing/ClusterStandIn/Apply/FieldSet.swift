import WireJSON

/// A set of fields of objects, as `managedFields` holds it (`fieldsV1`).
struct FieldSet: Equatable, Sendable {
    /// One step from a value to what it holds.
    enum Step: Hashable, Comparable, Sendable {
        /// A member.
        case field(String)
        /// An element told apart by the values of these members, as compact JSON.
        case key(String)
        /// An element of a set, as compact JSON.
        case value(String)
        /// An element by its place.
        case index(Int)

        /// `f:name`, `k:{"name":"a"}`, `v:1`, `i:0`.
        var text: String {
            switch self {
            case .field(let name): "f:\(name)"
            case .key(let json): "k:\(json)"
            case .value(let json): "v:\(json)"
            case .index(let index): "i:\(index)"
            }
        }

        init?(_ text: String) {
            let rest = String(text.dropFirst(2))
            switch text.prefix(2) {
            case "f:": self = .field(rest)
            case "k:": self = .key(rest)
            case "v:": self = .value(rest)
            case "i:":
                guard let index = Int(rest) else { return nil }
                self = .index(index)
            default: return nil
            }
        }

        static func < (left: Step, right: Step) -> Bool { left.text < right.text }
    }

    /// Whether the value itself belongs to the set.
    var isMember = false
    var children: [Step: FieldSet] = [:]

    var isEmpty: Bool { !isMember && children.isEmpty }

    init(isMember: Bool = false) { self.isMember = isMember }

    // MARK: - JSON

    /// Reads `fieldsV1`.
    init(json: JSONValue) {
        for member in json.members ?? [] {
            if member.name == "." {
                isMember = true
            } else if let step = Step(member.name) {
                var child = FieldSet(json: member.value)
                if child.isEmpty { child.isMember = true }
                children[step] = child
            }
        }
    }

    /// As `fieldsV1`.
    var json: JSONValue {
        var members: [(String, JSONValue)] = children.map { ($0.key.text, $0.value.json) }
        if isMember, !children.isEmpty { members.append((".", .empty)) }
        return .map(members)
    }

    // MARK: - Sets

    func union(_ other: FieldSet) -> FieldSet {
        var result = self
        result.isMember = isMember || other.isMember
        for (step, child) in other.children { result.children[step] = result.children[step]?.union(child) ?? child }
        return result
    }

    func intersection(_ other: FieldSet) -> FieldSet {
        var result = FieldSet(isMember: isMember && other.isMember)
        for (step, child) in children {
            guard let both = other.children[step]?.intersection(child), !both.isEmpty else { continue }
            result.children[step] = both
        }
        return result
    }

    func subtracting(_ other: FieldSet) -> FieldSet {
        var result = FieldSet(isMember: isMember && !other.isMember)
        for (step, child) in children {
            let rest = other.children[step].map { child.subtracting($0) } ?? child
            if !rest.isEmpty { result.children[step] = rest }
        }
        return result
    }

    /// With all that holds a field of the set.
    var withParents: FieldSet {
        var result = FieldSet(isMember: isMember || !children.isEmpty)
        result.children = children.mapValues(\.withParents)
        return result
    }

    /// Without the fields that hold a field of `other`.
    func leaving(_ other: FieldSet) -> FieldSet {
        var result = self
        if !other.isEmpty { result.isMember = false }
        for (step, child) in children {
            guard let held = other.children[step] else { continue }
            let rest = child.leaving(held)
            result.children[step] = rest.isEmpty ? nil : rest
        }
        return result
    }

    /// Without the fields of `other` and all below them.
    func subtractingRecursively(_ other: FieldSet) -> FieldSet {
        if other.isMember { return FieldSet() }
        var result = FieldSet(isMember: isMember)
        for (step, child) in children {
            let rest = other.children[step].map { child.subtractingRecursively($0) } ?? child
            if !rest.isEmpty { result.children[step] = rest }
        }
        return result
    }

    /// The paths of the members, each as steps, in order.
    var paths: [[Step]] {
        var found: [[Step]] = isMember ? [[]] : []
        for (step, child) in children.sorted(by: { $0.key < $1.key }) { found += child.paths.map { [step] + $0 } }
        return found
    }

    /// `.spec.containers[name="a"].image`.
    static func text(_ path: [Step]) -> String {
        path.map { step in
            switch step {
            case .field(let name): ".\(name)"
            case .index(let index): "[\(index)]"
            case .value(let json): "[=\(json)]"
            case .key(let json):
                "["
                    + ((try? JSONValue(Array(json.utf8)))?.members ?? [])
                    .map { "\($0.name)=\($0.value.json)" }.joined(separator: ",") + "]"
            }
        }.joined()
    }

    // MARK: - Fields of values

    /// The step to an element of a list.
    static func step(to element: JSONValue, _ index: Int, in schema: Schema?) -> Step? {
        switch schema?.listType {
        case .map(let keys)?:
            let members = keys.compactMap { name in
                (element.member(name) ?? schema?.items?.member(name)?.initial).map { (name, $0) }
            }
            return members.isEmpty ? .index(index) : .key(JSONValue.map(members).json)
        case .set?: return .value(element.json)
        case .atomic?, nil: return nil
        }
    }

    /// Whether a value is owned as a whole.
    static func isLeaf(_ value: JSONValue, _ schema: Schema?) -> Bool {
        switch value {
        case .object(let members): members.isEmpty || schema?.isAtomic == true
        case .array(let elements): elements.isEmpty || schema.map { $0.listType == .atomic } ?? true
        default: true
        }
    }

    /// The fields that a value sets.
    init(of value: JSONValue, schema: Schema?) {
        guard !Self.isLeaf(value, schema) else {
            isMember = true
            return
        }
        switch value {
        case .object(let members):
            for member in members {
                children[.field(member.name)] = FieldSet(of: member.value, schema: schema?.member(member.name))
            }
        case .array(let elements):
            for (index, element) in elements.enumerated() {
                guard let step = Self.step(to: element, index, in: schema) else { continue }
                var child = FieldSet(of: element, schema: schema?.items)
                child.isMember = true
                children[step] = child
            }
        default: isMember = true
        }
    }
}
