import WireJSON

/// JSON patch (RFC 6902).
enum JSONPatch {
    /// Operations that a patch may have.
    static let limit = 10_000
    /// Values that its copies may have together: copies of copies grow without end.
    private static let copyLimit = 1_000_000

    /// Applies all operations, or none.
    ///
    /// - Throws: ``StatusError`` where the patch is none, or an operation fails.
    static func apply(_ patch: JSONValue, to target: JSONValue) throws(StatusError) -> JSONValue {
        guard let operations = patch.array else {
            throw .badRequest(
                "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp")
        }
        guard operations.count <= limit else {
            throw StatusError(
                413, "RequestEntityTooLarge",
                "Request entity too large: The allowed maximum operations in a JSON patch is \(limit), got "
                    + "\(operations.count)")
        }
        var result = target
        var copied = 0
        for operation in operations { result = try apply(operation: operation, to: result, &copied) }
        return result
    }

    private static func apply(
        operation: JSONValue, to target: JSONValue, _ copied: inout Int
    ) throws(StatusError) -> JSONValue {
        // The real words say no more than this.
        let invalid = StatusError(
            422, "Invalid", "the server rejected our request due to an error in our request", details: .empty)
        func path(_ name: String) throws(StatusError) -> [String] {
            guard let text = operation.text(name), let path = pointer(text) else {
                throw invalid
            }
            return path
        }
        func value() throws(StatusError) -> JSONValue {
            guard let value = operation.member("value") else { throw invalid }
            return value
        }
        func checkDepth(_ value: JSONValue, _ path: [String]) throws(StatusError) {
            guard value.isAtMost(deep: RequestLimits.depth - path.count) else {
                throw invalid
            }
        }
        var result = target
        switch operation.text("op") {
        case "add":
            let path = try path("path")
            try checkDepth(try value(), path)
            guard result.insert(try value(), at: path[...]) else { throw invalid }
        case "remove":
            let path = try path("path")
            guard result.remove(at: path[...]) != nil else { throw invalid }
        case "replace":
            let path = try path("path")
            try checkDepth(try value(), path)
            guard result.replace(try value(), at: path[...]) else { throw invalid }
        case "move":
            let (from, path) = (try path("from"), try path("path"))
            guard let moved = result.remove(at: from[...]) else { throw invalid }
            try checkDepth(moved, path)
            guard result.insert(moved, at: path[...]) else { throw invalid }
        case "copy":
            let (from, path) = (try path("from"), try path("path"))
            guard let copy = result.look(at: from[...]) else { throw invalid }
            try checkDepth(copy, path)
            copied += copy.size(atMost: copyLimit)
            guard copied <= copyLimit else { throw invalid }
            guard result.insert(copy, at: path[...]) else { throw invalid }
        case "test":
            let path = try path("path")
            guard (result.look(at: path[...]) ?? .null) == (operation.member("value") ?? .null) else {
                throw invalid
            }
        default: throw invalid
        }
        return result
    }

    /// The segments of a JSON pointer (RFC 6901); nil where it is none.
    private static func pointer(_ text: String) -> [String]? {
        if text.isEmpty { return [] }
        guard text.hasPrefix("/") else { return nil }
        return text.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map { part in
            var segment = ""
            var rest = part
            while let letter = rest.popFirst() {
                if letter == "~", let next = rest.first, next == "0" || next == "1" {
                    rest = rest.dropFirst()
                    segment.append(next == "0" ? "~" : "/")
                } else {
                    segment.append(letter)
                }
            }
            return segment
        }
    }
}

extension JSONValue {
    /// Whether the value is nested at most so many levels deep.
    fileprivate func isAtMost(deep levels: Int) -> Bool {
        switch self {
        case .object(let members): levels > 0 && members.allSatisfy { $0.value.isAtMost(deep: levels - 1) }
        case .array(let elements): levels > 0 && elements.allSatisfy { $0.isAtMost(deep: levels - 1) }
        default: levels >= 0
        }
    }

    /// How many values there are in this one, counted to a little over `limit`.
    fileprivate func size(atMost limit: Int) -> Int {
        var size = 1
        for value in members?.map(\.value) ?? array ?? [] {
            guard size <= limit else { break }
            size += value.size(atMost: limit - size)
        }
        return size
    }

    fileprivate func look(at path: ArraySlice<String>) -> JSONValue? {
        guard let first = path.first else { return self }
        switch self {
        case .object: return member(first)?.look(at: path.dropFirst())
        case .array(let elements):
            guard let index = Self.index(first, below: elements.count) else { return nil }
            return elements[index].look(at: path.dropFirst())
        default: return nil
        }
    }

    fileprivate mutating func insert(_ value: JSONValue, at path: ArraySlice<String>) -> Bool {
        change(at: path, value) { container, last in
            switch container {
            case .object: container.set(last, value)
            case .array(var elements):
                let position = last == "-" ? elements.count : Self.index(last, below: elements.count + 1)
                guard let position else { return false }
                elements.insert(value, at: position)
                container = .array(elements)
            default: return false
            }
            return true
        }
    }

    fileprivate mutating func replace(_ value: JSONValue, at path: ArraySlice<String>) -> Bool {
        change(at: path, value) { container, last in
            switch container {
            case .object where container.member(last) != nil: container.set(last, value)
            case .array(var elements):
                guard let position = Self.index(last, below: elements.count) else { return false }
                elements[position] = value
                container = .array(elements)
            default: return false
            }
            return true
        }
    }

    fileprivate mutating func remove(at path: ArraySlice<String>) -> JSONValue? {
        var removed: JSONValue?
        _ = change(at: path, .null) { container, last in
            switch container {
            case .object:
                removed = container.member(last)
                container.set(last, nil)
            case .array(var elements):
                guard let position = Self.index(last, below: elements.count) else { return false }
                removed = elements.remove(at: position)
                container = .array(elements)
            default: return false
            }
            return true
        }
        return removed
    }

    /// Changes what holds the end of the path; the whole value becomes `whole` where the path is empty.
    private mutating func change(
        at path: ArraySlice<String>, _ whole: JSONValue, _ body: (inout JSONValue, String) -> Bool
    ) -> Bool {
        guard let first = path.first else {
            self = whole
            return true
        }
        guard path.count > 1 else { return body(&self, first) }
        switch self {
        case .object:
            guard var child = member(first), child.change(at: path.dropFirst(), whole, body) else { return false }
            set(first, child)
            return true
        case .array(var elements):
            guard let index = Self.index(first, below: elements.count) else { return false }
            guard elements[index].change(at: path.dropFirst(), whole, body) else { return false }
            self = .array(elements)
            return true
        default: return false
        }
    }

    private static func index(_ text: String, below count: Int) -> Int? {
        guard text == "0" || (text.first != "0" && text.utf8.allSatisfy { (0x30...0x39).contains($0) }),
            let index = Int(text), index < count
        else { return nil }
        return index
    }
}
