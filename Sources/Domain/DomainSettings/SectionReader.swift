import Service
import TOMLKit

/// Takes values out of the tables of a TOML document by their dotted names, and knows in the end which were not asked for.
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

    /// Refuses a section's name that has something else than a table.
    func needTables(_ names: [String]) throws(ConfigurationError) {
        for name in names where values[name] != nil {
            throw ConfigurationError("\(name) is a section, which begins with [\(name)], and no key")
        }
    }

    /// The keys that nobody has asked for, sorted.
    var unknown: [String] { values.keys.filter { !asked.contains($0) }.sorted() }

    func hasSection(_ name: String) -> Bool { sections.contains(name) }

    private mutating func value(_ name: String) -> (any TOMLValueConvertible)? {
        asked.insert(name)
        return values[name]
    }

    mutating func text(_ name: String, _ setting: inout String) throws(ConfigurationError) {
        guard let value = value(name) else { return }
        guard let text = value.string else { throw ConfigurationError("\(name) takes text in quotes") }
        setting = text
    }

    mutating func texts(_ name: String, _ setting: inout [String]) throws(ConfigurationError) {
        guard let value = value(name) else { return }
        guard let array = value.array else { throw ConfigurationError("\(name) takes a list of texts") }
        let texts = array.compactMap(\.string)
        guard texts.count == array.count else { throw ConfigurationError("\(name) takes a list of texts") }
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
