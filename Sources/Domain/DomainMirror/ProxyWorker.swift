import Domain
import Logging

/// What the proxy's thread does and knows: what ``MirrorProxy`` decides, over a connection, and the dataset.
struct ProxyWorker {
    private let logger: Logger
    private let carryOut: (String, Intent) -> Void
    private var proxy: MirrorProxy
    private var link: RedisLink
    private var dataset: DatasetFiles?

    init(
        _ settings: DomainProxy.Settings, _ records: DomainRecords, _ logger: Logger, at now: Moment,
        carryOut: @escaping (String, Intent) -> Void
    ) {
        self.logger = logger
        self.carryOut = carryOut
        proxy = MirrorProxy(
            domainID: settings.domainID, schema: settings.schema, retention: settings.retention * 1000, from: records)
        link = RedisLink(to: settings.address, timeout: settings.timeout, logger: logger)
        dataset = settings.dataset.map { DatasetFiles($0, from: records, at: now.wall, logger: logger) }
    }

    /// Whether there is a connection, which then has taken all there was to show.
    var isConnected: Bool { link.isOpen }

    /// How long nothing needs to be done unless something happens, in milliseconds.
    func patience(at now: Moment) -> Int { proxy.patience(at: now) }

    /// Shows what has happened, and does what is due.
    ///
    /// - Parameter isLast: whether nothing comes after this, so that no intent may be taken any more.
    mutating func work(_ news: [MirrorProxy.News], isLast: Bool, at now: Moment) {
        for item in news {
            switch item {
            case .changes(let changes): dataset?.take(changes, at: now.wall)
            case .report(let update, let time): dataset?.report(update, at: time)
            case .outcome: break
            }
        }
        dataset?.write()
        let orders = proxy.work(news, isLast: isLast, over: &link, at: now)
        for note in orders.notes { log(note) }
        for (name, intent) in orders.intents { carryOut(name, intent) }
    }

    private func log(_ note: MirrorProxy.Note) {
        switch note {
        case .replaced(let domain):
            logger.warning(
                "the database showed another domain, which this one replaces", metadata: ["domain": "\(domain)"])
        case .taken(let domain):
            logger.warning(
                "another domain has taken the database: give each its own", metadata: ["domain": "\(domain)"])
        case .removed: logger.warning("somebody has removed the domain from Redis: it is written anew")
        case .intentsRefused(let reason):
            logger.warning("intents cannot be taken from Redis", metadata: ["reason": "\(reason)"])
        case .dropped(let name, let problem):
            logger.warning("an intent is dropped", metadata: ["intent": "\(name)", "reason": "\(problem)"])
        }
    }
}
