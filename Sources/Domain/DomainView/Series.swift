import Domain

/// Identifies a series: a component, and a metric or log target.
package struct SeriesID: Hashable, Comparable, Sendable {
    /// The component.
    package let component: ComponentID
    /// The metric, as in `PerformanceSamples.Metric`, or the log target.
    package let name: String

    /// Creates an id.
    package init(component: ComponentID, name: String) {
        self.component = component
        self.name = name
    }

    /// By component, then by name.
    package static func < (left: SeriesID, right: SeriesID) -> Bool {
        (left.component, left.name) < (right.component, right.name)
    }
}

/// A sample or log line with its time.
package struct SeriesEntry: Hashable, Sendable {
    /// Seconds since 1970, by the node's clock.
    package let time: Double
    /// The time as written in the mirror.
    package let timeText: String
    /// The sample in seconds, or the line, as written in the mirror.
    package let value: String

    /// The sample; nil for a log line.
    package var number: Double? { Double(value).flatMap { $0.isFinite ? $0 : nil } }

    /// Parses `TIME:VALUE`; the value may contain colons.
    init?(member: String) { self.init(member.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)) }

    /// Parses `VALUE,TIME`.
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
