/// Escapes text from outside, so that it cannot deceive on a terminal or in a table.
package enum Printable {
    /// A name as one word: as it is where nothing in it can deceive, else in double quotes with escapes.
    ///
    /// Names that are empty or contain spaces or quotes are quoted. Control characters, line ends, invisible and
    /// direction-changing characters (Unicode's categories C and Z) become `\u{…}`, a backslash two of them.
    package static func name(_ name: String) -> String {
        let isPlain = !name.isEmpty && name.unicodeScalars.allSatisfy { $0 != " " && $0 != "\"" }
        let escaped = text(name, quotes: !isPlain)
        return isPlain ? escaped : "\"\(escaped)\""
    }

    /// A sentence from outside on one line: escaped like a name, with spaces and quotes as they are.
    package static func text(_ text: String) -> String { self.text(text, quotes: false) }

    private static func text(_ text: String, quotes: Bool) -> String {
        var result = ""
        var mayCombine = false
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\"" where quotes: result += "\\\""
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            default:
                if deceives(scalar) || (isMark(scalar) && !mayCombine) {
                    result += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
                    mayCombine = false
                    continue
                }
                result.unicodeScalars.append(scalar)
                // One mark for each letter: a stack of them reaches into other lines.
                mayCombine = !isMark(scalar)
                continue
            }
            mayCombine = false
        }
        return result
    }

    private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark: true
        default: false
        }
    }

    private static func deceives(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: true
        case .spaceSeparator: scalar != " "
        // Letters by category that look like spaces, and variation selectors.
        default:
            scalar.properties.isDefaultIgnorableCodePoint || scalar.value == 0x2800 || scalar.value == 0x3164
        }
    }

    /// How many columns of a terminal the text takes: East Asian wide characters and emoji two, marks none.
    package static func width(_ text: String) -> Int {
        text.unicodeScalars.reduce(0) { $0 + (isMark($1) ? 0 : isWide($1) ? 2 : 1) }
    }

    private static func isWide(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
            0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
            true
        default: scalar.properties.isEmojiPresentation
        }
    }

    /// The text cut to `limit` columns, with `…` or `..` at its end.
    package static func cut(_ text: String, to limit: Int, unicode: Bool) -> String {
        guard width(text) > limit else { return text }
        let mark = unicode ? "…" : ".."
        var result = ""
        var room = limit - mark.count
        for character in text {
            room -= width(String(character))
            if room < 0 { break }
            result.append(character)
        }
        return result + mark
    }
}
