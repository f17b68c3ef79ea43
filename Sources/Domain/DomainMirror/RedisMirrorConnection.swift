import Logging
import Redis

/// A connection to Redis that reconnects with a back-off.
struct RedisMirrorConnection: MirrorConnection {
    private var connection: RedisConnection?
    private let address: RedisAddress
    private let timeout: Duration
    private let logger: Logger
    private var nextAttempt = 0
    private var delay = Self.shortestDelay
    private var reportedFailure: String?
    /// When the database was initialized over this connection.
    private var initialized: Int?
    /// Whether Redis has refused something soon after the database was initialized, and does so again at each attempt.
    private var failedSoon = false

    /// The limits of the delay before the next attempt, in milliseconds.
    private static let shortestDelay = 250
    private static let longestDelay = 4_000
    /// How long a connection has to last after one that failed soon, in milliseconds: nodes report every few seconds.
    private static let trial = 10_000

    init(to address: RedisAddress, timeout: Duration, logger: Logger) {
        self.address = address
        self.timeout = timeout
        self.logger = logger
    }

    var isOpen: Bool { connection != nil }
    /// Whether the last failure is over.
    var isUpToDate: Bool { connection != nil && reportedFailure == nil }
    private(set) var isCluster = false

    mutating func open(at now: Int) {
        guard connection == nil, now >= nextAttempt else { return }
        do throws(RedisError) {
            let opened = try RedisConnection(to: address, timeout: timeout)
            // A user without this right probably uses no cluster.
            let about = try opened.send(all: [["INFO", "cluster"]])[0].text
            isCluster = about?.contains("cluster_enabled:1") ?? false
            connection = opened
            initialized = nil
        } catch {
            fail(error, at: now)
        }
    }

    mutating func confirm(at now: Int) {
        initialized = initialized ?? now
        guard !failedSoon || now - (initialized ?? now) >= Self.trial else { return }
        failedSoon = false
        delay = Self.shortestDelay
        if reportedFailure != nil { logger.notice("the Redis mirror is up to date again") }
        reportedFailure = nil
    }

    mutating func send(_ commands: [RedisCommand]) throws(RedisError) -> [RedisReply] {
        guard let connection else { throw .disconnected("not connected") }
        return try connection.send(all: commands.map(\.words))
    }

    mutating func close(until time: Int) {
        connection = nil
        nextAttempt = time
    }

    mutating func fail(_ error: RedisError, at now: Int) {
        connection = nil
        if case .refused = error, let initialized, now - initialized < Self.trial { failedSoon = true }
        nextAttempt = now + delay
        delay = min(delay * 2, Self.longestDelay)
        let reason = "\(error)"
        // An outage is logged once, and again if its reason changes.
        guard reportedFailure != reason else { return }
        reportedFailure = reason
        logger.warning(
            "the Redis mirror is not updated; nothing else depends on it",
            metadata: ["redis": "\(address)", "reason": "\(reason)"])
    }
}
