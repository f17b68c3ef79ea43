import Domain
import Logging
import Redis

/// The work of the proxy's thread: a ``MirrorStateMachine`` with a connection, and the CSV files.
struct ProxyWorker {
    private let logger: Logger
    private let drop: (String, String) -> Void
    private let carryOut: (String, Intent) -> Void
    private var proxy: MirrorStateMachine
    private var connection: RedisMirrorConnection
    private var dataset: DatasetFiles?

    init(
        _ settings: DomainProxy.Settings, _ records: DomainRecords, _ logger: Logger, at now: Timestamp,
        drop: @escaping (String, String) -> Void, carryOut: @escaping (String, Intent) -> Void
    ) {
        self.logger = logger
        self.drop = drop
        self.carryOut = carryOut
        proxy = MirrorStateMachine(
            domainID: settings.domainID, schema: settings.schema, retention: settings.retention * 1000, from: records)
        connection = RedisMirrorConnection(to: settings.address, timeout: settings.timeout, logger: logger)
        dataset = settings.dataset.map { DatasetFiles($0, from: records, at: now.wall, logger: logger) }
    }

    /// Whether Redis is connected, and therefore up to date.
    var isConnected: Bool { connection.isUpToDate }

    /// How long nothing needs to be done unless an event arrives, in milliseconds.
    func idleTime(at now: Timestamp) -> Int { proxy.idleTime(at: now) }

    /// Mirrors events, and does what is due.
    ///
    /// - Parameter isLast: whether this is the last call, so that no more intents may be read.
    mutating func work(_ events: [MirrorStateMachine.Event], isLast: Bool, at now: Timestamp) {
        for item in events {
            switch item {
            case .changes(let changes): dataset?.take(changes, at: now.wall)
            case .report(let update, let time): dataset?.report(update, at: time)
            case .outcome: break
            }
        }
        dataset?.write()
        let actions = proxy.work(events, isLast: isLast, over: &connection, at: now)
        for note in actions.notes { log(note) }
        for (name, intent) in actions.intents { carryOut(name, intent) }
    }

    private func log(_ note: MirrorStateMachine.Note) {
        switch note {
        case .replaced(let domain):
            logger.warning(
                "the database contained another domain, which this one replaces", metadata: ["domain": "\(domain)"])
        case .inUse(let domain):
            logger.error(
                "nothing is mirrored: another domain uses this Redis; give each domain its own database",
                metadata: ["domain": "\(domain)"])
        case .taken(let domain):
            logger.warning(
                "another domain has taken the database; give each domain its own", metadata: ["domain": "\(domain)"])
        case .removed: logger.warning("the domain was removed from Redis and is written again")
        case .intentsRefused(let reason):
            logger.warning(
                "intents cannot be taken from Redis, and stay in the list; the user needs all rights on intents and intent:*",
                metadata: ["reason": "\(RedisError.refused(reason))"])
        case .dropped(let name, let problem):
            logger.warning("an invalid intent was dropped", metadata: ["intent": "\(name)", "reason": "\(problem)"])
            drop(name, "\(problem)")
        }
    }
}
