import Service
import TOMLKit

/// Reads values of a TOML document by their dotted names, and knows which keys were never read.
struct SectionReader {
    private var values: [String: any TOMLValueConvertible] = [:]
    private var sections: Set<String> = []
    private var asked: Set<String> = []

    init(_ table: TOMLTable) { collect(table, "") }

    private mutating func collect(_ table: TOMLTable, _ prefix: String) {
        for (key, value) in table {
            if let inner = value.table {
                sections.insert(prefix + key)
                collect(inner, "\(prefix)\(key).")
            } else {
                values[prefix + key] = value
            }
        }
    }

    /// Throws if one of these sections is a plain key.
    func needTables(_ names: [String]) throws(ConfigurationError) {
        for name in names where values[name] != nil {
            throw ConfigurationError("\(name) is a section and must be written as [\(name)]")
        }
    }

    /// The keys that were never read, sorted.
    var unknown: [String] { values.keys.filter { !asked.contains($0) }.sorted() }

    func has(_ name: String) -> Bool { values[name] != nil }

    func hasSection(_ name: String) -> Bool { sections.contains(name) }

    private mutating func value(_ name: String) -> (any TOMLValueConvertible)? {
        asked.insert(name)
        return values[name]
    }

    mutating func text(_ name: String, _ setting: inout String) throws(ConfigurationError) {
        guard let value = value(name) else { return }
        guard let text = value.string else { throw ConfigurationError("\(name) takes a string") }
        setting = text
    }

    mutating func texts(_ name: String, _ setting: inout [String]) throws(ConfigurationError) {
        guard let value = value(name) else { return }
        guard let array = value.array else { throw ConfigurationError("\(name) takes a list of strings") }
        let texts = array.compactMap(\.string)
        guard texts.count == array.count else { throw ConfigurationError("\(name) takes a list of strings") }
        setting = texts
    }

    mutating func flag(_ name: String, _ setting: inout Bool) throws(ConfigurationError) {
        guard let value = value(name) else { return }
        guard let flag = value.bool else { throw ConfigurationError("\(name) takes true or false") }
        setting = flag
    }

    mutating func number(
        _ name: String, _ setting: inout Int, _ range: ClosedRange<Int>
    ) throws(ConfigurationError) {
        guard let value = value(name) else { return }
        guard let number = value.int, range.contains(number) else {
            throw ConfigurationError("\(name) takes a number from \(range.lowerBound) to \(range.upperBound)")
        }
        setting = number
    }

    mutating func choice<Choice: RawRepresentable<String>>(
        _ name: String, _ setting: inout Choice, _ choices: [String]
    ) throws(ConfigurationError) {
        guard let value = value(name) else { return }
        guard let text = value.string, let choice = Choice(rawValue: text) else {
            throw ConfigurationError("\(name) takes \(choices.map { "\"\($0)\"" }.joined(separator: ", "))")
        }
        setting = choice
    }
}
