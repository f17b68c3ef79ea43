import Domain

/// What a domain is at one moment, between two of its steps.
public struct DomainSnapshot: Sendable {
    /// All that is kept.
    public let records: DomainRecords
    /// What has happened since the process began.
    public let counters: DomainCounters
    /// Why nothing can be stored at present; nil while all is well.
    public let failure: String?

    /// A view of these.
    public init(records: DomainRecords, counters: DomainCounters = DomainCounters(), failure: String? = nil) {
        self.records = records
        self.counters = counters
        self.failure = failure
    }
}
