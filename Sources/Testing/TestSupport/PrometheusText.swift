import Glibc

/// A text in the format of Prometheus, version 0.0.4, read strictly: what a scraper may be lenient about is an error here.
package struct PrometheusText {
    /// A family of samples.
    package struct Family {
        /// What it means.
        package let help: String
        /// `gauge` or `counter`.
        package let type: String
    }

    /// What is wrong with a text.
    package struct Wrong: Error, CustomStringConvertible {
        /// The line, and why.
        package let description: String
    }

    /// The families by name.
    package private(set) var families: [String: Family] = [:]
    private var samples: [String: Double] = [:]

    /// The value of a sample, named as the text names it, labels sorted: `a{b="c"}`.
    package subscript(sample: String) -> Double? { samples[sample] }

    /// How many samples there are.
    package var count: Int { samples.count }

    /// Reads a text: each family is HELP, TYPE, its samples, in this order and once; names and labels are well formed; counters
    /// end in `_total`, are whole and not negative; no sample stands twice; the last line ends.
    package init(_ text: String) throws {
        guard text.hasSuffix("\n") else { throw Wrong(description: "the last line does not end") }
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()[...]
        while let line = lines.popFirst() {
            let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
            guard words.count == 4, words[0] == "#", words[1] == "HELP", Self.isName(words[2], colons: true) else {
                throw Wrong(description: "no HELP: \(line)")
            }
            let name = words[2]
            let type = lines.popFirst()?.split(separator: " ", omittingEmptySubsequences: false).map(String.init) ?? []
            guard type.count == 4, type[0...2] == ["#", "TYPE", name], ["gauge", "counter"].contains(type[3]) else {
                throw Wrong(description: "no TYPE of \(name)")
            }
            guard name.hasSuffix("_total") == (type[3] == "counter"), families[name] == nil, !words[3].isEmpty else {
                throw Wrong(
                    description: "a counter ends in _total and nothing else does; a family stands once: \(name)")
            }
            families[name] = Family(help: words[3], type: type[3])
            while let line = lines.first, !line.hasPrefix("#") {
                lines.removeFirst()
                try take(String(line), of: name, isCounter: type[3] == "counter")
            }
        }
    }

    private mutating func take(_ line: String, of name: String, isCounter: Bool) throws {
        guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else {
            throw Wrong(description: "no value: \(line)")
        }
        let key = String(line[..<space])
        guard !isCounter || (value >= 0 && value == value.rounded()) else {
            throw Wrong(description: "no count: \(line)")
        }
        guard key.hasPrefix(name) else { throw Wrong(description: "not of \(name): \(line)") }
        let labels = key.dropFirst(name.count)
        guard labels.isEmpty || Self.areLabels(labels) else { throw Wrong(description: "labels: \(line)") }
        guard samples.updateValue(value, forKey: key) == nil else { throw Wrong(description: "twice: \(key)") }
    }

    private static func isName(_ text: some StringProtocol, colons: Bool) -> Bool {
        var place = 0
        return !text.isEmpty
            && text.utf8.allSatisfy { byte in
                defer { place += 1 }
                return (0x61...0x7A).contains(byte | 0x20) || byte == UInt8(ascii: "_")
                    || colons && byte == UInt8(ascii: ":") || place > 0 && (0x30...0x39).contains(byte)
            }
    }

    private static func areLabels(_ text: Substring) -> Bool {
        guard text.hasPrefix("{"), text.hasSuffix("}"), text.count > 2 else { return false }
        var rest = text.dropFirst().dropLast()
        var names: [String] = []
        while let equals = rest.firstIndex(of: "=") {
            names.append(String(rest[..<equals]))
            rest = rest[rest.index(after: equals)...]
            guard rest.popFirst() == "\"" else { return false }
            var isOpen = true
            while isOpen, let character = rest.popFirst() {
                if character == "\"" { isOpen = false }
                if character == "\\" {
                    guard let escaped = rest.popFirst(), "\\\"n".contains(escaped) else { return false }
                }
            }
            guard !isOpen else { return false }
            if rest.isEmpty { break }
            guard rest.popFirst() == ",", !rest.isEmpty else { return false }
        }
        return rest.isEmpty && names == names.sorted() && Set(names).count == names.count
            && names.allSatisfy { isName($0, colons: false) }
    }

    /// Prometheus' own checker of such texts, where this machine has one, or `BERTH_PROMTOOL` names it.
    package static var promtool: String? {
        let named = getenv("BERTH_PROMTOOL").map { String(cString: $0) }
        return [named, "/usr/bin/promtool", "/usr/local/bin/promtool"].compactMap(\.self).first {
            access($0, X_OK) == 0
        }
    }
}
