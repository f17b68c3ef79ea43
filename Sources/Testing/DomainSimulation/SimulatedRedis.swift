import Domain
import DomainMirror
import Redis

/// A Redis and the way to it, on which commands and answers are lost.
struct SimulatedRedis: MirrorConnection {
    var model = ModelRedis()
    /// How likely it is that the connection breaks while commands are sent, in percent.
    var loss: Int
    var random: Xoshiro
    /// Whether it can be reached.
    private(set) var isUp = true
    private(set) var isOpen = false
    private var nextAttempt = 0
    private var delay = Self.shortestDelay

    /// What it holds of others; what it had of all when it was last saved.
    private(set) var foreignKeys: [String: ModelRedis.Value] = [:]
    private var saved: (values: [String: ModelRedis.Value], foreignKeys: [String: ModelRedis.Value]) = ([:], [:])

    private static let shortestDelay = 250
    private static let longestDelay = 4_000

    init(loss: Int, random: Xoshiro) {
        self.loss = loss
        self.random = random
    }

    // MARK: - The way to it

    mutating func open(at now: Int) {
        guard !isOpen, now >= nextAttempt else { return }
        if isUp { isOpen = true } else { fail(.disconnected("no route"), at: now) }
    }

    mutating func confirm() { delay = Self.shortestDelay }

    mutating func send(_ commands: [RedisCommand]) throws(RedisError) -> [RedisReply] {
        guard isUp, isOpen else { throw .disconnected("no route") }
        guard Int.random(in: 0..<100, using: &random) < loss else { return model.carryOut(commands) }
        // All of it may have arrived.
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

    /// The domain's process is another one: its way here is new.
    mutating func resetConnection() {
        isOpen = false
        nextAttempt = 0
        delay = Self.shortestDelay
    }

    // MARK: - What happens to it

    /// It cannot be reached any more.
    mutating func goDown() { (isUp, isOpen) = (false, false) }

    /// It is as it should be again.
    ///
    /// - Parameter wasRestarted: whether what it was told since it was last saved is lost.
    mutating func recover(wasRestarted: Bool) {
        if wasRestarted && !isUp { (model.values, foreignKeys) = saved }
        isUp = true
        model.isFull = false
    }

    mutating func save() { saved = (model.values, foreignKeys) }

    mutating func flush() {
        model.values = [:]
        foreignKeys = [:]
    }

    /// The connection breaks.
    mutating func cut() { isOpen = false }

    /// Somebody else keeps something there.
    mutating func keep(_ key: String, _ value: ModelRedis.Value) {
        model.values[key] = value
        foreignKeys[key] = value
    }
}
