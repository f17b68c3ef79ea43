import Logging
import Redis

/// A connection that is made anew, after a while, when it has broken.
struct RedisLink: MirrorLink {
    private var connection: RedisConnection?
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

    var isOpen: Bool { connection != nil }

    mutating func open(at now: Int) {
        guard connection == nil, now >= nextAttempt else { return }
        do throws(RedisError) {
            connection = try RedisConnection(to: address, timeout: timeout)
        } catch {
            fail(error, at: now)
        }
    }

    mutating func confirm() {
        delay = Self.shortestDelay
        if toldFailure != nil { logger.notice("Redis is there again, and shows all there is") }
        toldFailure = nil
    }

    mutating func send(_ commands: [RedisCommand]) throws(MirrorFailure) -> [RedisAnswer] {
        guard let connection else { throw .disconnected("there is no connection") }
        do throws(RedisError) { return try connection.send(all: commands.map(\.words)).map(RedisAnswer.init) } catch {
            throw MirrorFailure(error)
        }
    }

    mutating func close(until time: Int) {
        connection = nil
        nextAttempt = time
    }

    mutating func fail(_ failure: MirrorFailure, at now: Int) { fail(failure.error, at: now) }

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

extension MirrorFailure {
    fileprivate init(_ error: RedisError) {
        self =
            switch error {
            case .badAddress(let reason), .disconnected(let reason): .disconnected(reason)
            case .refused(let reason): .refused(reason)
            }
    }

    fileprivate var error: RedisError {
        switch self {
        case .disconnected(let reason): .disconnected(reason)
        case .refused(let reason): .refused(reason)
        }
    }
}

extension RedisAnswer {
    fileprivate init(_ reply: RedisReply) {
        self =
            switch reply {
            case .null: .null
            case .integer(let number): .integer(number)
            case .text(let text): .text(text)
            case .array(let replies): .array(replies.map(RedisAnswer.init))
            case .error(let reason): .error(reason)
            }
    }
}
