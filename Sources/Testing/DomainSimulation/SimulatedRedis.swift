import Domain
import DomainMirror
import Redis

/// A model of Redis behind a connection that loses commands and answers.
struct SimulatedRedis: MirrorConnection {
    var model = ModelRedis()
    /// The probability that the connection breaks during a command, in percent.
    var loss: Int
    var random: Xoshiro
    /// Whether it can be reached.
    private(set) var isUp = true
    /// Whether clients get answers.
    var isServing: Bool { isUp && waiting == nil }
    private(set) var isOpen = false
    /// The commands that it carries out when it goes on; nil unless its process is paused.
    private var waiting: [RedisCommand]?
    private var nextAttempt = 0
    private var delay = Self.shortestDelay

    /// Foreign keys, and the content at the last save.
    private(set) var foreignKeys: [String: ModelRedis.Value] = [:]
    private var saved: (values: [String: ModelRedis.Value], foreignKeys: [String: ModelRedis.Value]) = ([:], [:])

    private static let shortestDelay = 250
    private static let longestDelay = 4_000

    init(loss: Int, random: Xoshiro) {
        self.loss = loss
        self.random = random
    }

    // MARK: - Connection

    mutating func open(at now: Int) {
        guard !isOpen, now >= nextAttempt else { return }
        if isUp, waiting == nil { isOpen = true } else { fail(.disconnected("no route"), at: now) }
    }

    mutating func confirm(at now: Int) { delay = Self.shortestDelay }

    mutating func send(_ commands: [RedisCommand]) throws(RedisError) -> [RedisReply] {
        guard isUp, isOpen else { throw .disconnected("no route") }
        guard waiting == nil else {
            waiting? += commands
            throw .disconnected("no answer")
        }
        guard Int.random(in: 0..<100, using: &random) < loss else { return model.carryOut(commands) }
        // Any part of it may have arrived.
        _ = model.carryOut(commands.prefix(Int.random(in: 0...commands.count, using: &random)))
        throw .disconnected("no answer")
    }

    mutating func fail(_ failure: RedisError, at now: Int) {
        isOpen = false
        nextAttempt = now + delay
        delay = min(delay * 2, Self.longestDelay)
    }

    mutating func close(until time: Int) {
        isOpen = false
        nextAttempt = time
    }

    /// The domain's process restarted: the connection is new.
    mutating func resetConnection() {
        isOpen = false
        nextAttempt = 0
        delay = Self.shortestDelay
    }

    // MARK: - Faults

    /// Redis becomes unreachable.
    mutating func goDown() { (isUp, isOpen) = (false, false) }

    /// Redis is paused.
    mutating func pause() { waiting = waiting ?? [] }

    /// Redis recovers.
    ///
    /// - Parameter wasRestarted: whether changes since the last save are lost.
    mutating func recover(wasRestarted: Bool) {
        if wasRestarted && !isUp { (model.values, foreignKeys) = saved } else { _ = model.carryOut(waiting ?? []) }
        waiting = nil
        isUp = true
        model.isFull = false
        model.isReadOnly = false
    }

    mutating func save() { saved = (model.values, foreignKeys) }

    mutating func flush() {
        model.values = [:]
        foreignKeys = [:]
    }

    /// The connection breaks.
    mutating func cut() { isOpen = false }

    /// A foreign client sets a key.
    mutating func keep(_ key: String, _ value: ModelRedis.Value) {
        model.values[key] = value
        foreignKeys[key] = value
    }
}
