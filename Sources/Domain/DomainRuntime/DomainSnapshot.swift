import Domain

/// What a domain is at one moment, between two of its steps.
package struct DomainSnapshot: Sendable {
    /// All that is kept.
    package let records: DomainRecords
    /// What has happened since the process began.
    package let counters: DomainCounters
    /// Why nothing can be stored at present; nil while all is well.
    package let failure: String?

    /// A view of these.
    package init(records: DomainRecords, counters: DomainCounters = DomainCounters(), failure: String? = nil) {
        self.records = records
        self.counters = counters
        self.failure = failure
    }
}
