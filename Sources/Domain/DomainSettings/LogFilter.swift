import Logging

/// The environment variable `RUST_LOG` of EDGELESS, as far as it concerns the orchestrator.
package struct LogFilter: Sendable {
    /// The minimum level.
    package let level: Logger.Level
    /// The parts that contain an unknown level. Levels of other modules are ignored. A module name alone cannot be
    /// told from a misspelt level.
    package let unknown: [String]

    /// Parses a filter such as `info` or `warn,edgeless_orc=debug`. The lowest level for all modules or the
    /// orchestrator counts; the default is `notice`. A module name alone means all levels. A message pattern after a
    /// slash is ignored.
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
