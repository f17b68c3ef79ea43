import Logging

/// Log lines for journald and people: `LEVEL: message key=value …`, one line each.
///
/// Values that come from outside cannot forge a line or a field: what is not plain is quoted and escaped (EPA
/// specification, section 7, item 11).
package struct LineLogHandler: LogHandler {
    /// What is logged.
    package var logLevel: Logger.Level
    /// Fields of every line.
    package var metadata: Logger.Metadata = [:]
    private let sink: LineSink

    /// A handler that writes to `sink`.
    package init(sink: LineSink, level: Logger.Level) {
        self.sink = sink
        logLevel = level
    }

    /// One field of every line.
    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Writes one line.
    package func log(event: LogEvent) {
        var line = "\(event.level.rawValue.uppercased()): \(escaped(event.message.description))"
        let fields = metadata.merging(event.metadata ?? [:]) { $1 }
        for key in fields.keys.sorted() {
            guard let value = fields[key] else { continue }
            line += " \(key)=\(plain(value.description))"
        }
        sink.write(Array(line.utf8))
    }

    private func plain(_ text: String) -> String {
        let isPlain =
            !text.isEmpty
            && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=") }
        return isPlain ? text : "\"\(escaped(text).replacing("\"", with: "\\\""))\""
    }
}

/// `text` with everything escaped that could end or overwrite a line: control characters, line separators, bidirectional
/// marks and other invisible formatting; non-ASCII letters stay.
package func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
            result += scalar.escaped(asASCII: true)
        default: scalar == "\\" ? result += "\\\\" : result.unicodeScalars.append(scalar)
        }
    }
    return result
}
