/// What is wrong with a JSON text, and where.
public struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What can be wrong.
    public enum Reason: Equatable, Sendable {
        /// Something else was expected at this place.
        case expected(String)
        /// The text ended within a value.
        case endOfText
        /// Something other than whitespace follows the value.
        case trailing
        /// A string holds a control character that is not escaped.
        case controlCharacter
        /// An escape is none of RFC 8259's.
        case invalidEscape
        /// A `\u` escape names half of a surrogate pair.
        case loneSurrogate
        /// The bytes are not UTF-8.
        case invalidUTF8
        /// The value is nested deeper than this many levels.
        case tooDeep(Int)
    }

    /// The offset in bytes of the first wrong byte, from 0.
    public let offset: Int
    /// What is wrong there.
    public let reason: Reason

    /// An error of this kind at this offset.
    package init(offset: Int, reason: Reason) {
        self.offset = offset
        self.reason = reason
    }

    /// One sentence for people.
    public var description: String {
        let what =
            switch reason {
            case .expected(let what): "expected \(what)"
            case .endOfText: "the text ends within a value"
            case .trailing: "extra data after the value"
            case .controlCharacter: "a control character in a string must be escaped"
            case .invalidEscape: "invalid escape in a string"
            case .loneSurrogate: "a surrogate escape without its other half"
            case .invalidUTF8: "invalid UTF-8"
            case .tooDeep(let depth): "nested deeper than \(depth) levels"
            }
        return "Invalid JSON: \(what) (byte \(offset))"
    }
}
