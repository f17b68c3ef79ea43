import Glibc
import Logging

/// Log lines for journald and people: `LEVEL: message key=value …`, one line each; where nothing else records the time,
/// it goes before the level, as RFC 3339 says.
///
/// Values that come from outside cannot forge a line or a field: what is not plain is quoted and escaped (EPA
/// specification, section 7, item 11).
package struct LineLogHandler: LogHandler {
    /// What is logged.
    package var logLevel: Logger.Level
    /// Fields of every line.
    package var metadata: Logger.Metadata = [:]
    private let sink: LineSink
    /// Gives the time of a line, in milliseconds since 1970 UTC; nil for lines without.
    private let clock: (@Sendable () -> Int)?

    /// A handler that writes to `sink`; with times where there is a clock.
    package init(sink: LineSink, level: Logger.Level, clock: (@Sendable () -> Int)? = nil) {
        self.sink = sink
        logLevel = level
        self.clock = clock
    }

    /// A handler that writes to standard error; with times, unless that is the journal, which has its own.
    package static func standardError(level: Logger.Level) -> LineLogHandler {
        let isJournal = isJournal(2, environment: processEnvironment())
        return LineLogHandler(sink: .standardError, level: level, clock: isJournal ? nil : wallClock)
    }

    /// Whether a descriptor goes to the journal: `JOURNAL_STREAM` has its device and inode then (systemd.exec(5)).
    package static func isJournal(_ descriptor: Int32, environment: [String: String]) -> Bool {
        var status = stat()
        guard let stream = environment["JOURNAL_STREAM"], fstat(descriptor, &status) == 0 else { return false }
        return stream == "\(status.st_dev):\(status.st_ino)"
    }

    /// One field of every line.
    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Writes one line.
    package func log(event: LogEvent) {
        var line = clock.map { "\(timestamp($0())) " } ?? ""
        line += "\(event.level.rawValue.uppercased()): \(escaped(event.message.description))"
        let fields = metadata.merging(event.metadata ?? [:]) { $1 }
        for key in fields.keys.sorted() {
            guard let value = fields[key] else { continue }
            line += " \(key)=\(quoted(value.description))"
        }
        sink.write(Array(line.utf8))
    }
}

/// `text` as one word of a line: in quotes, with everything escaped that could end it, unless it is plain ASCII without
/// spaces, quotes and `=`.
package func quoted(_ text: String) -> String {
    let isPlain =
        !text.isEmpty
        && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=") }
    return isPlain ? text : "\"\(escaped(text).replacing("\"", with: "\\\""))\""
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
