import Domain
import DomainRuntime

/// Where what is shown comes from.
package struct StatusSource: Sendable {
    /// The domain's name.
    package var domainID: String
    /// The version of the program.
    package var version: String
    /// Has the domain looked at, as `DomainRuntime.look` does.
    package var look: @Sendable (@escaping DomainRuntime.Look) -> Void
    /// How the mirror in Redis fares; nil where there is none.
    package var redis: @Sendable () -> StatusReport.RedisState?

    /// A source of these.
    package init(
        domainID: String, version: String, look: @escaping @Sendable (@escaping DomainRuntime.Look) -> Void,
        redis: @escaping @Sendable () -> StatusReport.RedisState? = { nil }
    ) {
        self.domainID = domainID
        self.version = version
        self.look = look
        self.redis = redis
    }

    func report(_ view: DomainSnapshot) -> StatusReport {
        StatusReport(domainID: domainID, version: version, view: view, redis: redis(), time: Moment.current.wall)
    }
}
