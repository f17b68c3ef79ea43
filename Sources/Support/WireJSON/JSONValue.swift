/// A decoded JSON value. Numbers have their original text, members their original order.
public enum JSONValue: Equatable, Sendable {
    /// `null`.
    case null
    /// `true` or `false`.
    case boolean(Bool)
    /// A number as it was spelt.
    case number(String)
    /// A string, its escapes resolved.
    case string(String)
    /// The elements in order.
    case array([JSONValue])
    /// The members in order; a name may stand more than once.
    case object([Member])

    /// A name and its value.
    public struct Member: Equatable, Sendable {
        /// The member's name, its escapes resolved.
        public let name: String
        /// The member's value.
        public var value: JSONValue

        /// A member.
        public init(name: String, value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// Decodes one JSON text, with only whitespace around it.
    ///
    /// - Parameter maximumDepth: how deep it may be nested; to decode and to compare a value takes stack by its depth.
    /// - Throws: ``JSONError``.
    public init(_ bytes: [UInt8], maximumDepth: Int = 64) throws(JSONError) {
        var scanner = JSONScanner(maximumDepth: maximumDepth)
        let end: Int
        switch try scanner.scan(bytes[...]) {
        case .complete(let found): end = found
        case .incomplete: end = try scanner.finish()
        }
        try Self.checkRest(of: bytes[end...])
        self.init(scanned: bytes[..<end])
    }

    /// Throws where anything but whitespace follows the value.
    package static func checkRest(of bytes: ArraySlice<UInt8>) throws(JSONError) {
        for (offset, byte) in zip(bytes.indices, bytes)
        where byte != 0x20 && byte != 0x0A && byte != 0x0D && byte != 0x09 {
            throw JSONError(offset: offset, reason: .trailing)
        }
    }

    /// Decodes a text that a ``JSONScanner`` has passed.
    package init(scanned bytes: ArraySlice<UInt8>) {
        var decoder = Decoder(rest: bytes)
        self = decoder.value()
    }

    /// The value of the last member of this name (later duplicates win), or nil; nil too where this is no object.
    ///
    /// A new value takes the place of the old one, or the last place; nil removes all members of the name. What is no object
    /// becomes one where a member is set.
    public subscript(name: String) -> JSONValue? {
        get {
            guard case .object(let members) = self else { return nil }
            return members.last { Self.isSame($0.name, name) }?.value
        }
        set {
            guard let newValue else {
                guard case .object(var members) = self else { return }
                self = .null
                members.removeAll { Self.isSame($0.name, name) }
                self = .object(members)
                return
            }
            guard case .object(var members) = self else {
                self = .object([Member(name: name, value: newValue)])
                return
            }
            // Or the members would be copied.
            self = .null
            if let index = members.lastIndex(where: { Self.isSame($0.name, name) }) {
                members[index].value = newValue
            } else {
                members.append(Member(name: name, value: newValue))
            }
            self = .object(members)
        }
    }

    /// By bytes: equal strings may be spelt differently.
    private static func isSame(_ one: String, _ other: String) -> Bool {
        one.utf8.count == other.utf8.count && one.utf8.elementsEqual(other.utf8)
    }

    /// The value as compact JSON, in UTF-8.
    public var bytes: [UInt8] {
        var writer = JSONWriter()
        writer.value(self)
        return writer.bytes
    }

    /// The string, where this is one.
    public var string: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    /// The number as an integer, where it is one that fits and is spelt without fraction and exponent.
    public var integer: Int? {
        guard case .number(let text) = self else { return nil }
        return Int(text)
    }

    /// The truth value, where this is one.
    public var boolean: Bool? {
        guard case .boolean(let value) = self else { return nil }
        return value
    }

    /// The elements, where this is an array.
    public var array: [JSONValue]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    /// The members, where this is an object.
    public var members: [Member]? {
        guard case .object(let members) = self else { return nil }
        return members
    }
}

/// Reads text that is known to be correct; the depth is bounded by the scanner.
private struct Decoder {
    var rest: ArraySlice<UInt8>

    mutating func value() -> JSONValue {
        switch peek() {
        case UInt8(ascii: "{"):
            var members: [JSONValue.Member] = []
            skip()
            while peek() != UInt8(ascii: "}"), !rest.isEmpty {
                let name = string()
                _ = peek()
                skip()
                members.append(.init(name: name, value: value()))
                if peek() == UInt8(ascii: ",") { skip() }
            }
            skip()
            return .object(members)
        case UInt8(ascii: "["):
            var elements: [JSONValue] = []
            skip()
            while peek() != UInt8(ascii: "]"), !rest.isEmpty {
                elements.append(value())
                if peek() == UInt8(ascii: ",") { skip() }
            }
            skip()
            return .array(elements)
        case UInt8(ascii: "\""): return .string(string())
        case UInt8(ascii: "t"):
            rest = rest.dropFirst(4)
            return .boolean(true)
        case UInt8(ascii: "f"):
            rest = rest.dropFirst(5)
            return .boolean(false)
        case UInt8(ascii: "n"):
            rest = rest.dropFirst(4)
            return .null
        default:
            let end = rest.firstIndex { !$0.isNumberByte } ?? rest.endIndex
            defer { rest = rest[end...] }
            return .number(String(decoding: rest[..<end], as: UTF8.self))
        }
    }

    /// The next byte that is not whitespace; 0 at the end.
    private mutating func peek() -> UInt8 {
        while let byte = rest.first {
            if byte != 0x20 && byte != 0x0A && byte != 0x0D && byte != 0x09 { return byte }
            rest.removeFirst()
        }
        return 0
    }

    private mutating func skip() { rest = rest.dropFirst() }

    private mutating func string() -> String {
        _ = peek()
        skip()
        let end = rest.firstIndex { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") } ?? rest.endIndex
        if end < rest.endIndex, rest[end] == UInt8(ascii: "\"") {
            defer { rest = rest[(end + 1)...] }
            return String(decoding: rest[..<end], as: UTF8.self)
        }
        return stringWithEscapes()
    }

    private mutating func stringWithEscapes() -> String {
        var bytes: [UInt8] = []
        while let byte = rest.popFirst(), byte != UInt8(ascii: "\"") {
            guard byte == UInt8(ascii: "\\"), let escape = rest.popFirst() else {
                bytes.append(byte)
                continue
            }
            switch escape {
            case UInt8(ascii: "b"): bytes.append(0x08)
            case UInt8(ascii: "f"): bytes.append(0x0C)
            case UInt8(ascii: "n"): bytes.append(0x0A)
            case UInt8(ascii: "r"): bytes.append(0x0D)
            case UInt8(ascii: "t"): bytes.append(0x09)
            case UInt8(ascii: "u"):
                var code = hex()
                if (0xD800...0xDBFF).contains(code) {
                    rest = rest.dropFirst(2)
                    code = 0x10000 &+ (code &- 0xD800) << 10 &+ (hex() &- 0xDC00)
                }
                let scalar = Unicode.Scalar(code) ?? "\u{FFFD}"
                bytes.append(contentsOf: Array(String(Character(scalar)).utf8))
            default: bytes.append(escape)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private mutating func hex() -> UInt32 {
        var value: UInt32 = 0
        for byte in rest.prefix(4) { value = value << 4 | (byte.hexDigit ?? 0) }
        rest = rest.dropFirst(4)
        return value
    }
}

extension UInt8 {
    fileprivate var isNumberByte: Bool {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: "."),
            UInt8(ascii: "e"), UInt8(ascii: "E"):
            true
        default: false
        }
    }
}
