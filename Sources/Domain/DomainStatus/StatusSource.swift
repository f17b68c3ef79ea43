import Domain
import DomainRuntime

/// Provides the data of a status server.
package struct StatusSource: Sendable {
    /// The domain's name.
    package var domainID: String
    /// The version of the program.
    package var version: String
    /// Calls a handler with a snapshot, as `DomainRuntime.withSnapshot` does.
    package var withSnapshot: @Sendable (@escaping DomainRuntime.SnapshotHandler) -> Void
    /// The state of the Redis mirror; nil if there is none.
    package var redis: @Sendable () -> StatusReport.RedisState?

    /// Creates a source.
    package init(
        domainID: String, version: String,
        withSnapshot: @escaping @Sendable (@escaping DomainRuntime.SnapshotHandler) -> Void,
        redis: @escaping @Sendable () -> StatusReport.RedisState? = { nil }
    ) {
        self.domainID = domainID
        self.version = version
        self.withSnapshot = withSnapshot
        self.redis = redis
    }

    func report(_ snapshot: DomainSnapshot) -> StatusReport {
        StatusReport(
            domainID: domainID, version: version, snapshot: snapshot, redis: redis(), time: Timestamp.current.wall)
    }
}
