import Dispatch
import Domain
import DomainRuntime
import Logging
import Redis
import Service
import Synchronization

/// Shows a domain in Redis or Valkey and takes operators' intents from there (domain specification, section 5), on a thread of its
/// own: the domain never waits for it.
///
/// While Redis cannot be reached the mirror goes on in memory, and all of it is written when Redis is there again; figures that
/// nodes report meanwhile are not shown.
package final class DomainProxy: DomainFollower {
    /// What an operator chooses of it.
    package struct Settings: Sendable {
        /// Where Redis is.
        package var address: RedisAddress
        /// The name of the domain.
        package var domainID: String
        /// Which keys there are.
        package var schema = Mirror.Schema.both
        /// How often figures that are older than this are removed, in seconds; 0 for never.
        package var retention = 360
        /// How long Redis may take for an answer.
        package var timeout = Duration.seconds(2)
        /// The CSV files; nil for none.
        package var dataset: Dataset.Settings?

        /// The template's choices.
        package init(address: RedisAddress, domainID: String) {
            self.address = address
            self.domainID = domainID
        }
    }

    /// How the mirror fares.
    package struct State: Hashable, Sendable {
        /// Whether there is a connection to Redis.
        package var isConnected = false
        /// When Redis last had all there was to show, in milliseconds since 1970; nil for never.
        package var lastSync: Int?
    }

    private struct Inbox {
        var news: [MirrorProxy.News] = []
        /// Figures and log lines that wait.
        var figures = 0
        var unshown = 0
        var isClosed = false
    }

    private let inbox = Mutex(Inbox())
    private let shown = Mutex(State())
    private let signal = DispatchSemaphore(value: 0)
    private let finished = DispatchSemaphore(value: 0)
    private let settings: Settings
    private let logger: Logger

    /// How many figures may wait; reports beyond are not shown.
    private static let figureLimit = 500_000

    /// A proxy that does nothing yet but remember.
    package init(_ settings: Settings, logger: Logger) {
        self.settings = settings
        self.logger = logger
    }

    /// Begins to show a domain that goes on from `records`, and to hand its intents on.
    ///
    /// - Parameters:
    ///   - records: what was known before the first change that is followed.
    ///   - carryOut: takes an intent, in order, and tells what became of it.
    /// - Throws: `SystemError` where its thread cannot be started.
    package func start(
        from records: DomainRecords, carryOut: @escaping @Sendable (Intent, @escaping DomainRuntime.Answer) -> Void
    ) throws(SystemError) {
        try startThread(named: "mirror") { [self] in
            var worker = ProxyWorker(settings, records, logger, at: .current) { [self] name, intent in
                carryOut(intent) { result in
                    let reason: String? =
                        switch result {
                        case .success(let refusal):
                            refusal.map { [$0.summary, $0.detail].compactMap(\.self).joined(separator: ": ") }
                        case .failure(let failure): "\(failure)"
                        }
                    self.add(.outcome(name, declined: reason))
                }
            }
            run(&worker)
            finished.signal()
        }
    }

    /// Shows what it knows, as far as Redis answers in time, and ends.
    package func stop() {
        inbox.withLock { $0.isClosed = true }
        signal.signal()
        finished.wait()
        finished.signal()
    }

    /// How the mirror fares; while Redis keeps it waiting, how it was before.
    package var state: State { shown.withLock { $0 } }

    /// Shows these changes.
    package func follow(_ changes: [DomainChange]) { add(.changes(changes)) }

    /// Shows what a node has reported.
    package func follow(_ report: NodeUpdate) {
        add(.report(report, at: Moment.current.wall), figures: 1 + report.samples.count)
    }

    private func add(_ news: MirrorProxy.News, figures: Int = 0) {
        let isFirst = inbox.withLock { inbox in
            guard inbox.figures + figures <= Self.figureLimit || figures == 0 else {
                inbox.unshown += 1
                return false
            }
            inbox.news.append(news)
            inbox.figures += figures
            return inbox.news.count == 1
        }
        if isFirst { signal.signal() }
    }

    private func run(_ worker: inout ProxyWorker) {
        while true {
            _ = signal.wait(timeout: .now() + .milliseconds(worker.patience(at: .current)))
            let taken = inbox.withLock { inbox in
                defer { inbox = Inbox(isClosed: inbox.isClosed) }
                return inbox
            }
            if taken.unshown > 0 {
                logger.warning(
                    "Redis does not keep pace: reports of nodes are not shown",
                    metadata: ["reports": "\(taken.unshown)"])
            }
            worker.work(taken.news, isLast: taken.isClosed, at: .current)
            shown.withLock { state in
                state.isConnected = worker.isConnected
                if worker.isConnected { state.lastSync = Moment.current.wall }
            }
            if taken.isClosed { return }
        }
    }
}

extension PerformanceSamples {
    /// How many figures and log lines there are.
    fileprivate var count: Int {
        let figures = samples.values.reduce(0) { $0 + $1.values.reduce(0) { $0 + $1.count } }
        return figures + logEntries.values.reduce(0) { $0 + $1.count }
    }
}
