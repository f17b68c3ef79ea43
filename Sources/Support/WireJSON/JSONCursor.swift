/// Reads a JSON text part by part, without decoding all of it at once: a scheduler's question about 5,000 nodes is nearly all
/// names, and a list of objects takes many times its bytes once it is decoded.
///
/// The text has passed a ``JSONScanner``, so that nothing here has to be checked again.
package struct JSONCursor {
    private let bytes: [UInt8]
    private var at = 0

    /// A cursor before the value of a text.
    ///
    /// - Throws: ``JSONError`` where it is no JSON.
    package init(_ bytes: [UInt8], maximumDepth: Int) throws(JSONError) {
        var scanner = JSONScanner(maximumDepth: maximumDepth)
        let end: Int
        switch try scanner.scan(bytes[...]) {
        case .complete(let found): end = found
        case .incomplete: end = try scanner.finish()
        }
        try JSONValue.checkRest(of: bytes[end...])
        self.bytes = bytes
    }

    // MARK: - Values

    /// Whether the next value is `null`.
    package var isNull: Bool {
        var copy = self
        return copy.next() == UInt8(ascii: "n")
    }

    /// Takes an object: `body` gets each name, and may take the value that follows.
    ///
    /// - Returns: whether there is an object; another value is taken too.
    package mutating func object(_ body: (inout JSONCursor, String) -> Void) -> Bool {
        guard next() == UInt8(ascii: "{") else { return skipping() }
        at += 1
        while let byte = next(), byte != UInt8(ascii: "}") {
            if byte == UInt8(ascii: ",") {
                at += 1
                continue
            }
            let name = string() ?? ""
            _ = next()
            at += 1
            take(name, body)
        }
        at += 1
        return true
    }

    /// Takes an array: `body` may take each element.
    ///
    /// - Returns: whether there is an array; another value is taken too.
    package mutating func array(_ body: (inout JSONCursor) -> Void) -> Bool {
        guard next() == UInt8(ascii: "[") else { return skipping() }
        at += 1
        while let byte = next(), byte != UInt8(ascii: "]") {
            if byte == UInt8(ascii: ",") {
                at += 1
                continue
            }
            take("") { cursor, _ in body(&cursor) }
        }
        at += 1
        return true
    }

    /// Takes a string; nil for another value, which is taken too.
    package mutating func string() -> String? {
        guard next() == UInt8(ascii: "\"") else {
            skip()
            return nil
        }
        let begin = at
        let isPlain = skipString()
        if isPlain { return String(decoding: bytes[(begin + 1)..<max(at - 1, begin + 1)], as: UTF8.self) }
        return JSONValue(scanned: bytes[begin..<at]).string
    }

    /// Takes a value and decodes it.
    package mutating func value() -> JSONValue {
        _ = next()
        let begin = at
        skip()
        return JSONValue(scanned: bytes[begin..<at])
    }

    /// Takes a value.
    package mutating func skip() {
        var depth = 0
        while let byte = next() {
            switch byte {
            case UInt8(ascii: "\""): _ = skipString()
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                at += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                at += 1
            case UInt8(ascii: ","), UInt8(ascii: ":"): at += 1
            default: skipWord()
            }
            if depth <= 0 { return }
        }
    }

    // MARK: - Bytes

    /// Has `body` take a value, or takes it where `body` did not.
    private mutating func take(_ name: String, _ body: (inout JSONCursor, String) -> Void) {
        _ = next()
        let begin = at
        body(&self, name)
        if at == begin { skip() }
    }

    private mutating func skipping() -> Bool {
        skip()
        return false
    }

    /// The next byte that is not whitespace; nil at the end.
    private mutating func next() -> UInt8? {
        while at < bytes.count {
            let byte = bytes[at]
            if byte != 0x20 && byte != 0x0A && byte != 0x0D && byte != 0x09 { return byte }
            at += 1
        }
        return nil
    }

    /// Takes the string that begins here. Returns whether it has no escapes.
    private mutating func skipString() -> Bool {
        var isPlain = true
        at += 1
        while at < bytes.count {
            at += PlainBytes.count(bytes[at...])
            guard at < bytes.count else { break }
            let byte = bytes[at]
            at += 1
            if byte == UInt8(ascii: "\"") { break }
            if byte == UInt8(ascii: "\\") {
                isPlain = false
                at = min(at + 1, bytes.count)
            }
        }
        return isPlain
    }

    /// Takes a number or a literal.
    private mutating func skipWord() {
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]"), 0x20, 0x0A, 0x0D, 0x09: return
            default: at += 1
            }
        }
    }
}
