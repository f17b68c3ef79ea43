import Ledger

/// What a host has done since it started, for metrics.
package struct HostFigures: Equatable, Sendable {
    /// Committed decisions by what they came to.
    package private(set) var changes: [DecisionRecord.Outcome: Int] = [:]
    /// Requests that the ledger's rules, or a frontend's, refused.
    package private(set) var refused = 0
    /// Requests that could not be made durable, or for which the machine could not be understood.
    package private(set) var failed = 0
    /// How long the writer was busy.
    package internal(set) var busy = Duration.zero

    /// Counts what was decided.
    mutating func count(_ reports: [Host.Report]) {
        for report in reports {
            switch report.failure {
            case nil: if report.record.seq > 0 { changes[report.record.outcome, default: 0] += 1 }
            case .refused, .invalid, .conditionFailed: refused += 1
            case .facts, .notCommitted, .overloaded, .stopping: failed += 1
            }
        }
    }
}
