import Domain

/// A domain between two of its steps.
package struct DomainSnapshot: Sendable {
    /// The committed records.
    package let records: DomainRecords
    /// Counters since the process started.
    package let counters: DomainCounters
    /// Why the state cannot be stored; nil if it can.
    package let failure: String?

    /// Creates a snapshot.
    package init(records: DomainRecords, counters: DomainCounters = DomainCounters(), failure: String? = nil) {
        self.records = records
        self.counters = counters
        self.failure = failure
    }
}
