import Dispatch
import Domain
import DomainRuntime
import Logging
import Redis
import Service
import Synchronization

/// Mirrors a domain in Redis or Valkey and reads operators' intents from there (domain specification, section 5). It
/// uses its own thread; the domain never waits for it.
///
/// While Redis is unavailable the mirror continues in memory. When Redis returns, everything is written again;
/// measurements reported in between are dropped.
package final class DomainProxy: DomainObserver {
    /// The settings of the proxy.
    package struct Settings: Sendable {
        /// The address of Redis.
        package var address: RedisAddress
        /// The name of the domain.
        package var domainID: String
        /// The key schema.
        package var schema = Mirror.Schema.both
        /// The maximum age of measurements, and the interval of their removal, in seconds; 0 to keep them.
        package var retention = 360
        /// The timeout for Redis.
        package var timeout = Duration.seconds(2)
        /// The CSV files; nil for none.
        package var dataset: Dataset.Settings?

        /// Creates the default settings of the template.
        package init(address: RedisAddress, domainID: String) {
            self.address = address
            self.domainID = domainID
        }
    }

    /// The state of the mirror.
    package struct State: Hashable, Sendable {
        /// Whether Redis is connected.
        package var isConnected = false
        /// When the mirror was last up to date, in milliseconds since 1970; nil for never.
        package var lastSync: Int?
    }

    private struct Inbox {
        var events: [MirrorStateMachine.Event] = []
        /// Samples and log lines in the inbox.
        var samples = 0
        var droppedReports = 0
        var isClosed = false
    }

    private let inbox = Mutex(Inbox())
    private let currentState = Mutex(State())
    private let signal = DispatchSemaphore(value: 0)
    private let finished = DispatchSemaphore(value: 0)
    private let settings: Settings
    private let logger: Logger

    /// The maximum number of samples in the inbox; further reports are dropped.
    private static let sampleLimit = 500_000

    /// Creates a proxy. Events are queued until ``start(from:carryOut:)``.
    package init(_ settings: Settings, logger: Logger) {
        self.settings = settings
        self.logger = logger
    }

    /// Starts to mirror a domain and to pass on its intents.
    ///
    /// - Parameters:
    ///   - records: the records before the first observed change.
    ///   - drop: called with the name of an invalid intent, and why it is not carried out.
    ///   - carryOut: carries out an intent and reports its outcome; called in order. An intent that is refused because
    ///     the runtime stops remains in Redis.
    /// - Throws: `SystemError` if the thread cannot be started.
    package func start(
        from records: DomainRecords, drop: @escaping @Sendable (String, String) -> Void = { _, _ in },
        carryOut: @escaping @Sendable (Intent, @escaping DomainRuntime.Answer) -> Void
    ) throws(SystemError) {
        try startThread(named: "mirror") { [self] in
            var worker = ProxyWorker(settings, records, logger, at: .current, drop: drop) { [self] name, intent in
                carryOut(intent) { result in
                    let reason: String?
                    switch result {
                    case .success(let refusal):
                        reason = refusal.map { [$0.summary, $0.detail].compactMap(\.self).joined(separator: ": ") }
                    case .failure(.stopping): return
                    case .failure(let failure): reason = "\(failure)"
                    }
                    self.add(.outcome(name, declined: reason))
                }
            }
            run(&worker)
            finished.signal()
        }
    }

    /// Writes the remaining changes, if Redis responds in time, and stops.
    package func stop() {
        inbox.withLock { $0.isClosed = true }
        signal.signal()
        finished.wait()
        finished.signal()
    }

    /// The state of the mirror; while a call to Redis hangs, the state before it.
    package var state: State { currentState.withLock { $0 } }

    /// Mirrors these changes.
    package func observe(_ changes: [DomainChange]) { add(.changes(changes)) }

    /// Mirrors a node's report.
    package func observe(_ report: NodeUpdate) {
        add(.report(report, at: Timestamp.current.wall), samples: 1 + report.samples.count)
    }

    private func add(_ event: MirrorStateMachine.Event, samples: Int = 0) {
        let isFirst = inbox.withLock { inbox in
            guard inbox.samples + samples <= Self.sampleLimit || samples == 0 else {
                inbox.droppedReports += 1
                return false
            }
            inbox.events.append(event)
            inbox.samples += samples
            return inbox.events.count == 1
        }
        if isFirst { signal.signal() }
    }

    private func run(_ worker: inout ProxyWorker) {
        while true {
            _ = signal.wait(timeout: .now() + .milliseconds(worker.idleTime(at: .current)))
            let taken = inbox.withLock { inbox in
                defer { inbox = Inbox(isClosed: inbox.isClosed) }
                return inbox
            }
            if taken.droppedReports > 0 {
                logger.warning(
                    "Redis is too slow; node reports were dropped",
                    metadata: ["reports": "\(taken.droppedReports)"])
            }
            worker.work(taken.events, isLast: taken.isClosed, at: .current)
            currentState.withLock { state in
                state.isConnected = worker.isConnected
                if worker.isConnected { state.lastSync = Timestamp.current.wall }
            }
            if taken.isClosed { return }
        }
    }
}

extension PerformanceSamples {
    /// The number of samples and log lines.
    fileprivate var count: Int {
        let figures = samples.values.reduce(0) { $0 + $1.values.reduce(0) { $0 + $1.count } }
        return figures + logEntries.values.reduce(0) { $0 + $1.count }
    }
}
