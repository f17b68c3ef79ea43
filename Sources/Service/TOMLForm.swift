/// The TOML that a configuration file of ours may have.
public enum TOMLForm: Sendable {
    /// Keys only.
    case keys
    /// Keys in tables, whose names may be dotted.
    case tables

    /// Refuses what no configuration of ours has before the TOML library sees it: some malformed tables end the library's
    /// process by an assertion, and it takes a NUL for the end of the text.
    ///
    /// - Parameter file: how to call the file in messages.
    public func check(_ toml: String, file: String) throws(ConfigurationError) {
        var depth = 0
        var line = 1
        var quote: UInt8?
        var isStatementStart = true
        var isEscaped = false
        var isComment = false
        func refuse(_ what: String) -> ConfigurationError { ConfigurationError("\(file): line \(line): \(what)") }

        for byte in toml.utf8 {
            if byte == 0 { throw refuse("a NUL character") }
            if byte == UInt8(ascii: "\n") {
                // A text ends with its line: what the library says of one that does not is good enough.
                (quote, isComment, isEscaped) = (nil, false, false)
                isStatementStart = depth == 0
                line += 1
                continue
            }
            if isComment { continue }
            if let open = quote {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\"), open == UInt8(ascii: "\"") {
                    isEscaped = true
                } else if byte == open {
                    quote = nil
                }
                continue
            }
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): continue
            case UInt8(ascii: "#"): isComment = true
            case UInt8(ascii: "\""), UInt8(ascii: "'"): quote = byte
            case UInt8(ascii: "{"), UInt8(ascii: "}"): throw refuse("there are no keys that take a table")
            case UInt8(ascii: "[") where isStatementStart:
                guard isPlainHeader(toml, line: line) else {
                    switch self {
                    case .keys: throw refuse("there are no tables, only keys")
                    case .tables: throw refuse("a table begins with its name in brackets, such as [general]")
                    }
                }
                depth += 1
            case UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "]"): depth = max(depth - 1, 0)
            default: break
            }
            isStatementStart = false
        }
    }

    /// Whether a line is `[name]`, which the library can read; where there are only keys it is an unknown key then.
    private func isPlainHeader(_ toml: String, line: Int) -> Bool {
        let lines = toml.split(separator: "\n", omittingEmptySubsequences: false)
        guard line <= lines.count else { return false }
        let header = lines[line - 1]
        switch self {
        case .keys: return header.wholeMatch(of: #/[ \t]*\[[A-Za-z0-9_\-]+\][ \t\r]*(#.*)?/#) != nil
        case .tables:
            return header.wholeMatch(of: #/[ \t]*\[[A-Za-z0-9_\-]+(\.[A-Za-z0-9_\-]+)*\][ \t\r]*(#.*)?/#) != nil
        }
    }
}
