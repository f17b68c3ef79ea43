/// Why a value is no integer, in the words that clients of the EPA socket know (EPA specification, section 2).
package enum LaxIntegerError: Error, Equatable, Sendable, CustomStringConvertible {
    /// `null`, an array or an object.
    case notAnInteger
    /// A string that does not spell an integer.
    case unparsable
    /// A number that is not whole.
    case fractional
    /// A number that is not finite.
    case infinite
    /// An integer beyond 64 bits.
    case tooLarge

    /// One sentence for people.
    package var description: String {
        switch self {
        case .notAnInteger: "Input should be a valid integer"
        case .unparsable: "Input should be a valid integer, unable to parse string as an integer"
        case .fractional: "Input should be a valid integer, got a number with a fractional part"
        case .infinite: "Input should be a finite number"
        case .tooLarge: "Input should be a valid integer of at most 64 bits"
        }
    }
}

extension JSONValue {
    /// The value as an integer by the lax rules of the EPA socket (EPA specification, section 2, "Integers").
    ///
    /// Accepted are integers; numbers with fraction or exponent that are whole and below 2^63 in size; true and false as 1
    /// and 0; strings that spell an integer, with whitespace around it, a sign, `_` between digits or a fraction of zeros.
    package func laxInteger() throws(LaxIntegerError) -> Int {
        switch self {
        case .boolean(let truth): return truth ? 1 : 0
        case .number(let text): return try Self.laxInteger(number: text)
        case .string(let text): return try Self.laxInteger(text: text)
        case .null, .array, .object: throw .notAnInteger
        }
    }

    private static func laxInteger(number text: String) throws(LaxIntegerError) -> Int {
        if let value = Int(text) { return value }
        guard text.utf8.contains(where: { $0 == UInt8(ascii: ".") || $0 | 0x20 == UInt8(ascii: "e") }) else {
            throw .tooLarge
        }
        guard let value = Double(text), value.isFinite else { throw .infinite }
        if let exact = Int(exactly: value) { return exact }
        throw value.rounded() == value ? .tooLarge : .fractional
    }

    private static func laxInteger(text: String) throws(LaxIntegerError) -> Int {
        var scalars = text.unicodeScalars[...]
        while let first = scalars.first, first.properties.isWhitespace { scalars.removeFirst() }
        while let last = scalars.last, last.properties.isWhitespace { scalars.removeLast() }
        var isNegative = false
        if let sign = scalars.first, sign == "-" || sign == "+" {
            isNegative = sign == "-"
            scalars.removeFirst()
        }
        let parts = scalars.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2 {
            guard !parts[1].isEmpty, parts[1].allSatisfy({ $0 == "0" }) else { throw .unparsable }
        }
        guard let whole = parts.first, whole.count <= 4300 else { throw .unparsable }
        var value: Int? = 0
        var mayHaveUnderscore = false
        for scalar in whole {
            if scalar == "_" && mayHaveUnderscore {
                mayHaveUnderscore = false
                continue
            }
            guard ("0"..."9").contains(scalar) else { throw .unparsable }
            mayHaveUnderscore = true
            value = value.flatMap { value in
                let (tens, tooLarge) = value.multipliedReportingOverflow(by: 10)
                let digit = Int(scalar.value) - 0x30
                let (sum, tooLargeToo) = tens.addingReportingOverflow(isNegative ? -digit : digit)
                return tooLarge || tooLargeToo ? nil : sum
            }
        }
        // A trailing underscore and an empty text leave this false.
        guard mayHaveUnderscore else { throw .unparsable }
        guard let value else { throw .tooLarge }
        return value
    }
}
