import Domain
import WireJSON

/// A file that a command writes.
package struct DumpFile: Sendable {
    /// Its name; always inside the current directory.
    package let name: String
    /// Its content.
    package let bytes: [UInt8]
}

extension DomainView {
    /// `dump performance`: a file for each series, with a line for each entry.
    package var performanceFiles: [DumpFile] {
        series.sorted { $0.key < $1.key }.map { id, entries in
            let text = entries.reduce(into: "") { $0 += CSV.line([UTCTime.text($1.time), $1.value]) + "\n" }
            return DumpFile(name: "\(FileName.safe(id.name))-\(id.component).dat", bytes: Array(text.utf8))
        }
    }

    /// `dump performance-csv`: all entries in one table (RFC 4180, but with line feeds only), ordered by logical id.
    /// Entries of unknown instances have neither a name nor an id.
    package var performanceTable: Report {
        var owners: [ComponentID: InstanceView] = [:]
        for instance in instances.values { for physical in instance.physical { owners[physical.component] = instance } }
        struct Row {
            let id: SeriesID
            let owner: InstanceView?
            let entry: SeriesEntry
        }
        let ids = series.keys.sorted { left, right in
            switch (owners[left.component]?.id, owners[right.component]?.id) {
            case (let first?, let second?) where first != second: first < second
            case (nil, _?): false
            case (_?, nil): true
            default: left < right
            }
        }
        let rows = ids.flatMap { id in
            (series[id] ?? []).map { Row(id: id, owner: owners[id.component], entry: $0) }
        }
        let lines = rows.map { row in
            CSV.line([
                row.id.name, row.owner?.className ?? "", row.owner?.id.description ?? "", row.entry.timeText,
                row.entry.value,
            ])
        }
        return Report(["metric,name,lid,timestamp,value"] + lines) { writer in
            writer.name("samples")
            writer.array { array in
                for row in rows {
                    array.object { writer in
                        writer.member("metric", row.id.name)
                        writer.member("name", row.owner.map { .string($0.className) } ?? .null)
                        writer.member("id", row.owner.map { .string($0.id.description) } ?? .null)
                        writer.member("physical", row.id.component.description)
                        writer.member("timestamp", Self.number(row.entry.timeText))
                        writer.member("value", Self.number(row.entry.value))
                    }
                }
            }
        }
    }

    /// `dump instances`: a file for each instance, with its request.
    package var instanceFiles: [DumpFile] {
        instances.values.sorted { $0.id < $1.id }.map { instance in
            DumpFile(
                name: "\(instance.kind == .function ? "fun" : "res")-\(instance.id).json",
                bytes: Array((PrettyJSON.text(instance.request) + "\n").utf8))
        }
    }

    /// A JSON number if the text is one, otherwise a string.
    private static func number(_ text: String) -> JSONValue {
        if let value = try? JSONValue(Array(text.utf8)), case .number(text) = value { return value }
        return .string(text)
    }
}

/// CSV according to RFC 4180.
enum CSV {
    static func line(_ fields: [String]) -> String { fields.map(field).joined(separator: ",") }

    private static func field(_ text: String) -> String {
        let special = [UInt8(ascii: ","), UInt8(ascii: "\""), 0x0A, 0x0D]
        guard text.utf8.contains(where: special.contains) else { return text }
        return "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
}

/// File names from external texts.
enum FileName {
    /// The text with every byte escaped as `%2F` that is not a letter, digit, dot, hyphen, underscore or colon. A
    /// leading dot is escaped too.
    static func safe(_ text: String) -> String {
        var name = ""
        for (index, byte) in text.utf8.enumerated() {
            switch byte {
            case UInt8(ascii: ".") where index > 0, UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                UInt8(ascii: "_"), UInt8(ascii: ":"):
                name.unicodeScalars.append(Unicode.Scalar(byte))
            default: name += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
            }
        }
        return name
    }
}

/// Indented JSON.
enum PrettyJSON {
    static func text(_ value: JSONValue, indent: Int = 0) -> String {
        let inner = String(repeating: " ", count: indent + 2)
        let outer = String(repeating: " ", count: indent)
        switch value {
        case .array(let elements) where !elements.isEmpty:
            let lines = elements.map { inner + text($0, indent: indent + 2) }
            return "[\n" + lines.joined(separator: ",\n") + "\n\(outer)]"
        case .object(let members) where !members.isEmpty:
            let lines = members.map { "\(inner)\(compact(.string($0.name))): \(text($0.value, indent: indent + 2))" }
            return "{\n" + lines.joined(separator: ",\n") + "\n\(outer)}"
        default: return compact(value)
        }
    }

    private static func compact(_ value: JSONValue) -> String {
        var writer = JSONWriter()
        writer.value(value)
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}
