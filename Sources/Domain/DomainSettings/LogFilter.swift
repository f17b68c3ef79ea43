import Logging

/// The environment variable `RUST_LOG` of the reference, as far as it is about the orchestrator.
package struct LogFilter: Sendable {
    /// The least level that is logged.
    package let level: Logger.Level
    /// The parts that name no level and so mean nothing. Levels of other modules than the orchestrator's are none of ours; a
    /// module alone is not told from a level that is written wrong.
    package let unknown: [String]

    /// Reads a filter such as `info` or `warn,edgeless_orc=debug`, whose least level for all or for the orchestrator counts;
    /// `notice` without any. A module alone means all of its levels, and what follows a slash, a pattern for messages, is not used.
    package init(_ filter: String?) {
        var level: Logger.Level?
        var unknown: [String] = []
        for part in (filter ?? "").prefix(while: { $0 != "/" }).split(whereSeparator: { $0 == "," || $0.isWhitespace })
        {
            let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let isOurs = sides[0].hasPrefix("edgeless_orc") || sides[0].hasPrefix("berth")
            guard isOurs || sides.count == 1 || sides[0].isEmpty else { continue }
            let named = isOurs && sides.count == 1 ? .trace : Self.named(sides[sides.count - 1])
            if let named { level = min(level ?? named, named) } else { unknown.append(String(part)) }
        }
        self.level = level ?? .notice
        self.unknown = unknown
    }

    private static func named(_ name: Substring) -> Logger.Level? {
        switch name.lowercased() {
        case "off": .critical
        case "warn": .warning
        default: Logger.Level(rawValue: name.lowercased())
        }
    }
}
