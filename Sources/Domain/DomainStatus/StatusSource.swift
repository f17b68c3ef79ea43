import Domain
import DomainRuntime

/// Where what is shown comes from.
public struct StatusSource: Sendable {
    /// The domain's name.
    public var domainID: String
    /// The version of the program.
    public var version: String
    /// Has the domain looked at, as `DomainRuntime.look` does.
    public var look: @Sendable (@escaping DomainRuntime.Look) -> Void
    /// How the mirror in Redis fares; nil where there is none.
    public var redis: @Sendable () -> StatusReport.RedisState?

    /// A source of these.
    public init(
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
