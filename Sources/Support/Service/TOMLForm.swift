/// The TOML that a configuration file of ours may have.
package enum TOMLForm: Sendable {
    /// Keys only.
    case keys
    /// Keys in tables, whose names may be dotted; inline tables of plain values, on one line.
    case tables

    /// Refuses what no configuration of ours has before the TOML library sees it: some malformed tables end the library's
    /// process by an assertion, and it takes a NUL for the end of the text.
    ///
    /// - Parameter file: how to call the file in messages.
    package func check(_ toml: String, file: String) throws(ConfigurationError) {
        var scan = Scan(form: self)
        // By bytes: for `Character` the two that end a line on other systems are one, and no newline.
        for (number, line) in toml.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .enumerated()
        {
            guard let problem = Self.misread(line) ?? scan.take(Array(line)) else { continue }
            throw ConfigurationError("\(file): line \(number + 1): \(problem)")
        }
    }

    /// What the library takes for something else than it is, or does not survive.
    private static func misread(_ line: Substring.UTF8View) -> String? {
        if line.contains(0) { return "a NUL character" }
        let text = String(Substring(line))
        if text.contains("\\u0000") || text.contains("\\U00000000") { return "a NUL character in a text" }
        let key = line.prefix { $0 != UInt8(ascii: "=") && $0 != UInt8(ascii: "#") }
        return key.count { $0 == UInt8(ascii: ".") } > depthLimit ? "a key of more than \(depthLimit) parts" : nil
    }

    private static let depthLimit = 32

    /// Goes through a text line by line.
    private struct Scan {
        let form: TOMLForm
        /// How many lists are open.
        private var depth = 0

        init(form: TOMLForm) { self.form = form }

        /// What is wrong with the next line; nil where nothing is.
        mutating func take(_ line: [UInt8]) -> String? {
            var place = 0
            var isStart = depth == 0
            while place < line.count {
                let byte = line[place]
                place += 1
                switch byte {
                case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): continue
                case UInt8(ascii: "#"): return nil
                // A text ends with its line: what the library says of one that does not is good enough.
                case UInt8(ascii: "\""), UInt8(ascii: "'"): place = Self.end(ofText: byte, in: line, from: place)
                case UInt8(ascii: "["):
                    if isStart {
                        guard form.isHeader(String(decoding: line, as: UTF8.self)) else { return form.headerNeeded }
                        return nil
                    }
                    depth += 1
                case UInt8(ascii: "]"): depth = max(depth - 1, 0)
                case UInt8(ascii: "{"), UInt8(ascii: "}"):
                    guard form == .tables else { return "there are no keys that take a table" }
                    let rest = String(decoding: line[(place - 1)...], as: UTF8.self)
                    guard depth == 0, let match = rest.prefixMatch(of: TOMLForm.inlineTable) else {
                        return "a table in braces has keys with texts, numbers, true or false, all on one line"
                    }
                    place += match.output.utf8.count - 1
                default: break
                }
                isStart = false
            }
            return nil
        }

        private static func end(ofText quote: UInt8, in line: [UInt8], from start: Int) -> Int {
            var place = start
            while place < line.count, line[place] != quote {
                place += line[place] == UInt8(ascii: "\\") && quote == UInt8(ascii: "\"") ? 2 : 1
            }
            return min(place + 1, line.count)
        }
    }

    /// Whether a line is the header of a table, which the library can read; where there are only keys it is an unknown key then.
    private func isHeader(_ line: String) -> Bool {
        switch self {
        case .keys: line.wholeMatch(of: #/[ \t]*\[[A-Za-z0-9_\-]+\][ \t\r]*(?:#.*)?/#) != nil
        case .tables: line.wholeMatch(of: Self.header) != nil || line.wholeMatch(of: Self.arrayHeader) != nil
        }
    }

    private var headerNeeded: String {
        switch self {
        case .keys: "there are no tables, only keys"
        case .tables: "a table begins with its name in brackets, such as [general]"
        }
    }

    // Computed, as a regex cannot be shared between threads.
    private static var header: Regex<Substring> {
        #/[ \t]*\[[ \t]*(?:[A-Za-z0-9_\-]+|"[^"\\\p{Cc}]+"|'[^'\p{Cc}]+')(?:[ \t]*\.[ \t]*(?:[A-Za-z0-9_\-]+|"[^"\\\p{Cc}]+"|'[^'\p{Cc}]+'))*[ \t]*\][ \t\r]*(?:#.*)?/#
    }

    private static var arrayHeader: Regex<Substring> {
        #/[ \t]*\[\[[ \t]*[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]+)*[ \t]*\]\][ \t\r]*(?:#.*)?/#
    }

    private static var inlineTable: Regex<Substring> {
        #/\{[ \t]*(?:[A-Za-z0-9_.\-]+[ \t]*=[ \t]*(?:"[^"\\\p{Cc}]*"|'[^'\p{Cc}]*'|[A-Za-z0-9_+.:\-]+)(?:[ \t]*,[ \t]*[A-Za-z0-9_.\-]+[ \t]*=[ \t]*(?:"[^"\\\p{Cc}]*"|'[^'\p{Cc}]*'|[A-Za-z0-9_+.:\-]+))*)?[ \t]*\}/#
    }
}
