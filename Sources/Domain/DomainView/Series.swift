import Domain

/// Which figures or log lines: of which component, and the metric or log target.
package struct SeriesID: Hashable, Comparable, Sendable {
    /// Of what.
    package let component: ComponentID
    /// The metric, as `PerformanceSamples.Metric` spells it, or the target of a log.
    package let name: String

    /// A series.
    package init(component: ComponentID, name: String) {
        self.component = component
        self.name = name
    }

    /// By component, then by name.
    package static func < (left: SeriesID, right: SeriesID) -> Bool {
        (left.component, left.name) < (right.component, right.name)
    }
}

/// A figure or a log line with its time.
package struct SeriesEntry: Hashable, Sendable {
    /// Seconds since 1970, by the node's clock.
    package let time: Double
    /// The time as the mirror spells it.
    package let timeText: String
    /// The figure, in seconds, or the line; as the mirror spells it.
    package let value: String

    /// The figure; nil for a log line.
    package var number: Double? { Double(value).flatMap { $0.isFinite ? $0 : nil } }

    /// Reads `TIME:VALUE`; the value may have colons of its own.
    init?(member: String) { self.init(member.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)) }

    /// Reads `VALUE,TIME`.
    init?(seed element: String) {
        self.init(element.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false).reversed())
    }

    private init?(_ parts: [Substring]) {
        guard parts.count == 2, let time = Double(parts[0]), time.isFinite else { return nil }
        self.time = time
        timeText = String(parts[0])
        value = String(parts[1])
    }
}
