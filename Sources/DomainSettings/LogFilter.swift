import Logging

/// The environment variable `RUST_LOG` of the reference, as far as it names a level.
public enum LogFilter {
    /// The level of a filter such as `info` or `warn,edgeless_orc=debug`: that of the first part which names one for all or for
    /// the orchestrator; `notice` without any.
    public static func level(of filter: String?) -> Logger.Level {
        var level: Logger.Level?
        for part in (filter ?? "").split(separator: ",") {
            let sides = part.split(separator: "=", maxSplits: 1)
            guard let target = sides.first, let name = sides.last else { continue }
            let isOurs = sides.count == 1 || target.hasPrefix("edgeless_orc") || target.hasPrefix("berth")
            guard isOurs, let named = named(String(name)) else { continue }
            level = min(level ?? named, named)
        }
        return level ?? .notice
    }

    private static func named(_ name: String) -> Logger.Level? {
        switch name.lowercased() {
        case "off": .critical
        case "warn": .warning
        default: Logger.Level(rawValue: name.lowercased())
        }
    }
}
