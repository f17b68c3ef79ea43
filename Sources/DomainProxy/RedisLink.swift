import Logging
import Redis

/// A connection that is made anew, after a while, when it has broken.
struct RedisLink {
    /// The connection; nil while there is none.
    private(set) var connection: RedisConnection?
    private let address: RedisAddress
    private let timeout: Duration
    private let logger: Logger
    private var nextAttempt = 0
    private var delay = Self.shortestDelay
    private var toldFailure: String?

    /// The bounds of the wait before the next attempt, in milliseconds.
    private static let shortestDelay = 250
    private static let longestDelay = 4_000

    init(to address: RedisAddress, timeout: Duration, logger: Logger) {
        self.address = address
        self.timeout = timeout
        self.logger = logger
    }

    /// Makes a connection where there is none and it is time to try.
    ///
    /// - Parameters:
    ///   - now: a clock that nobody sets, in milliseconds.
    ///   - prepare: what has to be done before it is of use.
    mutating func open(at now: Int, prepare: (RedisConnection) throws(RedisError) -> Void) {
        guard connection == nil, now >= nextAttempt else { return }
        do throws(RedisError) {
            let connection = try RedisConnection(to: address, timeout: timeout)
            try prepare(connection)
            self.connection = connection
            delay = Self.shortestDelay
            if toldFailure != nil { logger.notice("Redis is there again, and shows all there is") }
            toldFailure = nil
        } catch {
            fail(error, at: now)
        }
    }

    /// Uses the connection; where that fails it is given up. Does nothing without one.
    mutating func use(at now: Int, _ body: (RedisConnection) throws(RedisError) -> Void) {
        guard let connection else { return }
        do throws(RedisError) { try body(connection) } catch { fail(error, at: now) }
    }

    /// Gives the connection up until a time of the clock that nobody sets, in milliseconds.
    mutating func close(until time: Int) {
        connection = nil
        nextAttempt = time
    }

    private mutating func fail(_ error: RedisError, at now: Int) {
        connection = nil
        nextAttempt = now + delay
        delay = min(delay * 2, Self.longestDelay)
        let reason = "\(error)"
        // An outage is told once, and again where its reason changes.
        guard toldFailure != reason else { return }
        toldFailure = reason
        logger.warning(
            "the domain is not shown in Redis until it can be; nothing else depends on it",
            metadata: ["redis": "\(address)", "reason": "\(reason)"])
    }
}
