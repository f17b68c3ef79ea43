internal import CYAML
package import WireJSON

extension JSONValue {
    /// Decodes one YAML document, of which JSON is a part; an empty one is null.
    ///
    /// A plain scalar is null, a truth value or a number where JSON or YAML's core schema spells it so, else a string: `yes` and
    /// `0x10` are strings. Mappings have scalars as keys, each once. Aliases are followed; what they come to is bounded,
    /// as is the depth. Merge keys and tags other than those of the core schema are errors.
    ///
    /// - Throws: ``YAMLError``.
    package init(yaml bytes: [UInt8], maximumDepth: Int = 64, maximumNodes: Int = 1_000_000) throws(YAMLError) {
        let parser = Parser(maximumDepth: maximumDepth, maximumNodes: maximumNodes)
        self = try parser.document(bytes)
    }
}

/// Builds a value from the events of libyaml.
private final class Parser {
    /// At addresses of their own: the parser points to itself.
    private let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
    private let current = UnsafeMutablePointer<yaml_event_t>.allocate(capacity: 1)
    private var hasEvent = false
    private var event: yaml_event_t { current.pointee }
    private let maximumDepth: Int
    private let maximumNodes: Int
    private var nodes = 0
    /// The values of anchors, and how many nodes each has.
    private var anchors: [String: (value: JSONValue, nodes: Int)] = [:]

    init(maximumDepth: Int, maximumNodes: Int) {
        self.maximumDepth = maximumDepth
        self.maximumNodes = maximumNodes
        parser.initialize(to: yaml_parser_t())
        current.initialize(to: yaml_event_t())
    }

    deinit {
        if hasEvent { yaml_event_delete(current) }
        yaml_parser_delete(parser)
        parser.deallocate()
        current.deallocate()
    }

    func document(_ bytes: [UInt8]) throws(YAMLError) -> JSONValue {
        guard yaml_parser_initialize(parser) == 1 else { throw YAMLError(line: 0, reason: "out of memory") }
        // The parser keeps the pointer, so the copy must live as long as the parsing.
        let input = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: max(bytes.count, 1))
        defer { input.deallocate() }
        _ = input.initialize(from: bytes)
        yaml_parser_set_input_string(parser, input.baseAddress, bytes.count)
        try advance()
        try advance()
        guard event.type == YAML_DOCUMENT_START_EVENT else { return .null }
        try advance()
        let value = try node(depth: 0)
        try advance()
        try advance()
        guard event.type == YAML_STREAM_END_EVENT else { throw wrong("there is more than one document") }
        return value
    }

    private func wrong(_ reason: String) -> YAMLError {
        YAMLError(line: Int(clamping: event.start_mark.line) + 1, reason: reason)
    }

    /// Takes the next event.
    private func advance() throws(YAMLError) {
        if hasEvent {
            yaml_event_delete(current)
            hasEvent = false
        }
        guard yaml_parser_parse(parser, current) == 1 else {
            let reason = parser.pointee.problem.map { String(cString: $0) } ?? "it is no YAML"
            throw YAMLError(line: Int(clamping: parser.pointee.problem_mark.line) + 1, reason: reason)
        }
        hasEvent = true
    }

    /// The value that begins with the current event, which ends with the one that is current then.
    private func node(depth: Int) throws(YAMLError) -> JSONValue {
        guard depth < maximumDepth else { throw wrong("nested deeper than \(maximumDepth) levels") }
        try count(1)
        let before = nodes
        switch event.type {
        case YAML_ALIAS_EVENT:
            let name = text(event.data.alias.anchor)
            guard let anchor = anchors[name] else { throw wrong("the anchor \(name) is not known here") }
            try count(anchor.nodes)
            return anchor.value
        case YAML_SCALAR_EVENT:
            let anchor = event.data.scalar.anchor.map { text($0) }
            let value = try scalar()
            if let anchor { anchors[anchor] = (value, 1) }
            return value
        case YAML_SEQUENCE_START_EVENT:
            let anchor = event.data.sequence_start.anchor.map { text($0) }
            try checkTag(event.data.sequence_start.tag, "seq")
            var elements: [JSONValue] = []
            try advance()
            while event.type != YAML_SEQUENCE_END_EVENT {
                elements.append(try node(depth: depth + 1))
                try advance()
            }
            if let anchor { anchors[anchor] = (.array(elements), nodes - before + 1) }
            return .array(elements)
        case YAML_MAPPING_START_EVENT:
            let anchor = event.data.mapping_start.anchor.map { text($0) }
            try checkTag(event.data.mapping_start.tag, "map")
            let members = try members(depth: depth)
            if let anchor { anchors[anchor] = (.object(members), nodes - before + 1) }
            return .object(members)
        default: throw wrong("a value is missing")
        }
    }

    private func members(depth: Int) throws(YAMLError) -> [JSONValue.Member] {
        var members: [JSONValue.Member] = []
        var names: Set<String> = []
        try advance()
        while event.type != YAML_MAPPING_END_EVENT {
            guard event.type == YAML_SCALAR_EVENT else { throw wrong("a key is no text") }
            let name = scalarText()
            guard name != "<<" else { throw wrong("merge keys (<<) are not supported") }
            guard names.insert(name).inserted else { throw wrong("the key \(name) stands twice") }
            try advance()
            members.append(.init(name: name, value: try node(depth: depth + 1)))
            try advance()
        }
        return members
    }

    private func count(_ more: Int) throws(YAMLError) {
        nodes += more
        guard nodes <= maximumNodes else { throw wrong("it comes to more than \(maximumNodes) values") }
    }

    private func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String {
        pointer.map { String(cString: $0) } ?? ""
    }

    private func scalarText() -> String {
        let scalar = event.data.scalar
        guard let value = scalar.value else { return "" }
        return String(decoding: UnsafeBufferPointer(start: value, count: scalar.length), as: UTF8.self)
    }

    private func checkTag(_ tag: UnsafeMutablePointer<yaml_char_t>?, _ name: String) throws(YAMLError) {
        let tag = text(tag)
        guard tag.isEmpty || tag == "!" || tag == "tag:yaml.org,2002:\(name)" else {
            throw wrong("the tag \(tag) is not supported")
        }
    }

    private func scalar() throws(YAMLError) -> JSONValue {
        let text = scalarText()
        let tag = self.text(event.data.scalar.tag)
        if tag.isEmpty, event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE { return Self.resolve(text) }
        switch tag {
        case "", "!", "tag:yaml.org,2002:str": return .string(text)
        case "tag:yaml.org,2002:null", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float":
            let value = Self.resolve(text)
            guard value.string == nil else { throw wrong("\(text) does not suit its tag \(tag)") }
            return value
        default: throw wrong("the tag \(tag) is not supported")
        }
    }

    /// What a plain scalar stands for.
    private static func resolve(_ text: String) -> JSONValue {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .boolean(true)
        case "false", "False", "FALSE": return .boolean(false)
        default:
            guard let first = text.utf8.first, first == UInt8(ascii: "-") || (0x30...0x39).contains(first),
                case .number(let number)? = try? JSONValue(Array(text.utf8)), number == text
            else { return .string(text) }
            return .number(text)
        }
    }
}
