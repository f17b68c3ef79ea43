/// Finds the end of one JSON text (RFC 8259) in bytes that arrive in pieces, and refuses a malformed one at its first
/// wrong byte.
///
/// The scanner is a pushdown automaton that looks at each byte once, whatever the pieces: a client that sends 64 KiB one
/// byte at a time costs no more than one that sends them at once. It checks the whole grammar, strict UTF-8 (RFC 3629:
/// no overlong forms, no surrogates), that `\u` escapes of surrogates come in pairs, and the depth. It does not accept a
/// byte order mark, `NaN`, `Infinity` or comments. What it has passed, ``JSONValue`` can decode without further checks.
package struct JSONScanner: Sendable {
    /// What is known after the bytes seen so far.
    package enum Progress: Equatable, Sendable {
        /// The text is a correct beginning; more bytes are needed.
        case incomplete
        /// The value ended before the byte at this offset (counted from the first byte ever scanned).
        case complete(end: Int)
    }

    enum State: UInt8 {
        case value, arrayFirst, objectFirst, objectKey, colon, afterValue
        case string, escape, hex, lowSurrogateBackslash, lowSurrogateU
        case minus, zero, integer, fractionFirst, fraction, exponentSign, exponentFirst, exponent
        case literal, done
    }

    private let maximumDepth: Int
    private var state = State.value
    /// One bit a level, true for an object; the innermost is the last.
    private var levels: [Bool] = []
    private var isKey = false
    private var hexLeft = 0
    private var hexValue: UInt32 = 0
    private var wantsLowSurrogate = false
    private var utf8 = UTF8Check()
    private var literalRest: ArraySlice<UInt8> = []
    private var offset = 0

    /// A scanner for one text nested at most `maximumDepth` levels deep.
    package init(maximumDepth: Int = 64) {
        self.maximumDepth = maximumDepth
    }

    /// Takes the next piece of the text.
    ///
    /// - Returns: ``Progress/complete(end:)`` as soon as the value has ended. A number at the top level has no end of its
    ///   own: call ``finish()`` at the end of the input.
    /// - Throws: ``JSONError`` with the offset of the first wrong byte. The scanner is of no use afterwards.
    package mutating func scan(_ bytes: ArraySlice<UInt8>) throws(JSONError) -> Progress {
        var rest = bytes
        while let byte = rest.first {
            if state == .string, !utf8.isInside {
                let plain = PlainBytes.count(rest)
                if plain > 0 {
                    offset += plain
                    rest = rest.dropFirst(plain)
                    continue
                }
            }
            try step(byte)
            rest = rest.dropFirst()
            if state == .done { return .complete(end: offset) }
            offset += 1
            if state == .afterValue && levels.isEmpty {
                state = .done
                return .complete(end: offset)
            }
        }
        return .incomplete
    }

    /// Says that no more bytes will come.
    ///
    /// - Returns: the end of the value.
    /// - Throws: ``JSONError`` where the value is not complete.
    package mutating func finish() throws(JSONError) -> Int {
        switch state {
        case .zero, .integer, .fraction, .exponent:
            guard levels.isEmpty else { break }
            state = .done
            return offset
        case .done: return offset
        default: break
        }
        throw JSONError(offset: offset, reason: .endOfText)
    }

    // MARK: - The automaton

    private mutating func step(_ byte: UInt8) throws(JSONError) {
        switch state {
        case .string, .escape, .hex, .lowSurrogateBackslash, .lowSurrogateU: try stepString(byte)
        case .minus, .zero, .integer, .fractionFirst, .fraction, .exponentSign, .exponentFirst, .exponent:
            try stepNumber(byte)
        case .literal:
            guard literalRest.first == byte else { throw wrong(.expected("true, false or null")) }
            literalRest.removeFirst()
            if literalRest.isEmpty { state = .afterValue }
        case .done: throw wrong(.trailing)
        default:
            if byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { return }
            try stepStructure(byte)
        }
    }

    private mutating func stepStructure(_ byte: UInt8) throws(JSONError) {
        switch (state, byte) {
        case (.arrayFirst, UInt8(ascii: "]")), (.objectFirst, UInt8(ascii: "}")): close()
        case (.value, _), (.arrayFirst, _): try beginValue(byte)
        case (.objectFirst, UInt8(ascii: "\"")), (.objectKey, UInt8(ascii: "\"")):
            isKey = true
            state = .string
        case (.objectFirst, _), (.objectKey, _): throw wrong(.expected("a property name in double quotes"))
        case (.colon, UInt8(ascii: ":")): state = .value
        case (.colon, _): throw wrong(.expected("':'"))
        case (.afterValue, UInt8(ascii: ",")): state = levels.last == true ? .objectKey : .value
        case (.afterValue, UInt8(ascii: "}")) where levels.last == true: close()
        case (.afterValue, UInt8(ascii: "]")) where levels.last == false: close()
        default: throw wrong(.expected(levels.last == true ? "',' or '}'" : "',' or ']'"))
        }
    }

    private mutating func beginValue(_ byte: UInt8) throws(JSONError) {
        switch byte {
        case UInt8(ascii: "{"): try open(object: true)
        case UInt8(ascii: "["): try open(object: false)
        case UInt8(ascii: "\""):
            isKey = false
            state = .string
        case UInt8(ascii: "t"): beginLiteral("rue")
        case UInt8(ascii: "f"): beginLiteral("alse")
        case UInt8(ascii: "n"): beginLiteral("ull")
        case UInt8(ascii: "-"): state = .minus
        case UInt8(ascii: "0"): state = .zero
        case UInt8(ascii: "1")...UInt8(ascii: "9"): state = .integer
        default: throw wrong(.expected("a value"))
        }
    }

    private mutating func beginLiteral(_ rest: StaticString) {
        literalRest = rest.withUTF8Buffer { ArraySlice(Array($0)) }
        state = .literal
    }

    private mutating func open(object: Bool) throws(JSONError) {
        guard levels.count < maximumDepth else { throw wrong(.tooDeep(maximumDepth)) }
        levels.append(object)
        state = object ? .objectFirst : .arrayFirst
    }

    private mutating func close() {
        levels.removeLast()
        state = .afterValue
    }

    private mutating func stepString(_ byte: UInt8) throws(JSONError) {
        switch state {
        case .string:
            if utf8.isInside {
                guard utf8.take(byte) else { throw wrong(.invalidUTF8) }
                return
            }
            switch byte {
            case UInt8(ascii: "\""): state = isKey ? .colon : .afterValue
            case UInt8(ascii: "\\"): state = .escape
            case ..<0x20: throw wrong(.controlCharacter)
            case ..<0x80: break
            default: guard utf8.begin(byte) else { throw wrong(.invalidUTF8) }
            }
        case .escape:
            switch byte {
            case UInt8(ascii: "u"):
                hexLeft = 4
                hexValue = 0
                state = .hex
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
                UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
                state = .string
            default: throw wrong(.invalidEscape)
            }
        case .hex:
            guard let digit = byte.hexDigit else { throw wrong(.invalidEscape) }
            hexValue = hexValue << 4 | digit
            hexLeft -= 1
            if hexLeft == 0 { try endHex() }
        case .lowSurrogateBackslash:
            guard byte == UInt8(ascii: "\\") else { throw wrong(.loneSurrogate) }
            state = .lowSurrogateU
        default:
            guard byte == UInt8(ascii: "u") else { throw wrong(.loneSurrogate) }
            hexLeft = 4
            hexValue = 0
            state = .hex
        }
    }

    private mutating func endHex() throws(JSONError) {
        let isLow = (0xDC00...0xDFFF).contains(hexValue)
        guard isLow == wantsLowSurrogate else { throw wrong(.loneSurrogate) }
        wantsLowSurrogate = (0xD800...0xDBFF).contains(hexValue)
        state = wantsLowSurrogate ? .lowSurrogateBackslash : .string
    }

    private mutating func stepNumber(_ byte: UInt8) throws(JSONError) {
        let isDigit = byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
        switch state {
        case .minus where isDigit: state = byte == UInt8(ascii: "0") ? .zero : .integer
        case .fractionFirst where isDigit, .fraction where isDigit: state = .fraction
        case .exponentSign where byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-"): state = .exponentFirst
        case .exponentSign where isDigit, .exponentFirst where isDigit, .exponent where isDigit: state = .exponent
        case .integer where isDigit: break
        case .minus, .fractionFirst, .exponentSign, .exponentFirst: throw wrong(.expected("a digit"))
        case .zero where byte == UInt8(ascii: "."), .integer where byte == UInt8(ascii: "."): state = .fractionFirst
        case _ where (byte | 0x20) == UInt8(ascii: "e") && state != .exponent: state = .exponentSign
        default:
            // The number ended before this byte, which belongs to what surrounds it.
            guard !levels.isEmpty else {
                state = .done
                return
            }
            state = .afterValue
            try step(byte)
        }
    }

    private func wrong(_ reason: JSONError.Reason) -> JSONError {
        JSONError(offset: offset, reason: reason)
    }
}

/// Checks one UTF-8 sequence of several bytes (RFC 3629, table in section 4).
private struct UTF8Check {
    private var left = 0
    private var lower: UInt8 = 0x80
    private var upper: UInt8 = 0xBF

    var isInside: Bool { left > 0 }

    mutating func begin(_ byte: UInt8) -> Bool {
        (lower, upper) = (0x80, 0xBF)
        switch byte {
        case 0xC2...0xDF: left = 1
        case 0xE0: (left, lower) = (2, 0xA0)
        case 0xED: (left, upper) = (2, 0x9F)
        case 0xE1...0xEF: left = 2
        case 0xF0: (left, lower) = (3, 0x90)
        case 0xF1...0xF3: left = 3
        case 0xF4: (left, upper) = (3, 0x8F)
        default: return false
        }
        return true
    }

    mutating func take(_ byte: UInt8) -> Bool {
        guard byte >= lower, byte <= upper else { return false }
        (lower, upper) = (0x80, 0xBF)
        left -= 1
        return true
    }
}

extension UInt8 {
    /// The value of a hexadecimal digit, or nil.
    var hexDigit: UInt32? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(self - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(self - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(self - UInt8(ascii: "A") + 10)
        default: nil
        }
    }
}
