/// Writes metrics in the text format of Prometheus, version 0.0.4.
package struct Exposition {
    /// The type of a metric family.
    package enum Kind: String {
        /// A value that goes up and down.
        case gauge
        /// A value that only increases while the process runs; its name ends in `_total`.
        case counter
    }

    /// The samples of one family.
    package struct Samples {
        fileprivate let name: String
        fileprivate var text = ""

        /// Adds a sample; labels are sorted.
        package mutating func sample(_ labels: [String: String], _ value: Int) { add(labels, "\(value)") }

        /// Adds a sample in seconds.
        package mutating func sample(_ labels: [String: String], milliseconds: Int) {
            let (seconds, rest) = milliseconds.quotientAndRemainder(dividingBy: 1000)
            let digits = String(rest.magnitude)
            add(labels, "\(seconds).\(String(repeating: "0", count: 3 - digits.count))\(digits)")
        }

        private mutating func add(_ labels: [String: String], _ value: String) {
            let parts = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(escape($0.value, quotes: true))\"" }
            text += name + (parts.isEmpty ? "" : "{\(parts.joined(separator: ","))}") + " \(value)\n"
        }
    }

    /// The text so far.
    package private(set) var text = ""

    /// No metrics.
    package init() {}

    /// Adds a metric family; `body` adds its samples.
    package mutating func family(_ name: String, _ kind: Kind, _ help: String, _ body: (inout Samples) -> Void) {
        var samples = Samples(name: name)
        body(&samples)
        text += "# HELP \(name) \(escape(help, quotes: false))\n# TYPE \(name) \(kind.rawValue)\n" + samples.text
    }
}

private func escape(_ text: String, quotes: Bool) -> String {
    var escaped = ""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\\": escaped += "\\\\"
        case "\n": escaped += "\\n"
        case "\"" where quotes: escaped += "\\\""
        default: escaped.unicodeScalars.append(scalar)
        }
    }
    return escaped
}
