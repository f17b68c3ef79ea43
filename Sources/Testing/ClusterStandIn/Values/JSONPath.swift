import WireJSON

/// The simple JSONPath of printer columns: `.spec.nodeName`, `.items[0].name`, `.metadata.labels['a/b']`,
/// `.conditions[?(@.type=="Ready")].status`, `.list[*].name`.
struct JSONPath: Equatable, Sendable {
    enum Step: Equatable, Sendable {
        case name(String)
        case index(Int)
        case all
        /// The elements whose member has this value.
        case matching(path: [String], value: String)
    }

    let steps: [Step]

    /// Reads a path; nil where it is none.
    init?(_ text: String) {
        var steps: [Step] = []
        var rest = Substring(text)
        if rest.hasPrefix("$") { rest = rest.dropFirst() }
        guard rest.isEmpty || rest.hasPrefix(".") || rest.hasPrefix("[") else { return nil }
        while let first = rest.first {
            if first == "." {
                rest = rest.dropFirst()
                var name = ""
                while let next = rest.first, next != ".", next != "[" {
                    rest = rest.dropFirst()
                    if next == "\\", let escaped = rest.first {
                        rest = rest.dropFirst()
                        name.append(escaped)
                    } else {
                        name.append(next)
                    }
                }
                if !name.isEmpty { steps.append(name == "*" ? .all : .name(name)) }
            } else {
                guard first == "[", let end = rest.firstIndex(of: "]") else { return nil }
                var inner = rest[rest.index(after: rest.startIndex)..<end]
                rest = rest[rest.index(after: end)...]
                if inner.hasPrefix("'"), inner.hasSuffix("'"), inner.count >= 2 {
                    inner = inner.dropFirst().dropLast()
                    steps.append(.name(String(inner)))
                } else if inner == "*" {
                    steps.append(.all)
                } else if let index = Int(inner) {
                    steps.append(.index(index))
                } else if let filter = Self.filter(inner) {
                    steps.append(filter)
                } else {
                    return nil
                }
            }
        }
        self.steps = steps
    }

    private static func filter(_ text: Substring) -> Step? {
        guard text.hasPrefix("?(@."), text.hasSuffix(")") else { return nil }
        let inner = text.dropFirst(4).dropLast()
        var parts = inner.split(separator: "=", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[1].isEmpty else { return nil }
        parts = parts.map { $0.drop { $0 == " " } }
        let path = parts[0].filter { $0 != " " }.split(separator: ".").map(String.init)
        var value = parts[2]
        while value.last == " " { value = value.dropLast() }
        guard value.count >= 2, let quote = value.first, quote == "\"" || quote == "'", value.last == quote else {
            return nil
        }
        return .matching(path: path, value: String(value.dropFirst().dropLast()))
    }

    /// What the path leads to.
    func find(in value: JSONValue) -> [JSONValue] {
        var found = [value]
        for step in steps {
            var next: [JSONValue] = []
            for value in found {
                switch step {
                case .name(let name): if let member = value.member(name) { next.append(member) }
                case .index(let index):
                    let elements = value.array ?? []
                    let position = index < 0 ? elements.count + index : index
                    if elements.indices.contains(position) { next.append(elements[position]) }
                case .all: next += value.array ?? value.members?.map(\.value) ?? []
                case .matching(let path, let wanted):
                    next += (value.array ?? []).filter { $0.at(path[...])?.string == wanted }
                }
            }
            found = next
        }
        return found
    }
}
