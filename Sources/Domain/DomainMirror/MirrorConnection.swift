import Redis

/// A connection to the mirror's database: Redis, or a model of it.
package protocol MirrorConnection {
    /// Whether it is connected.
    var isOpen: Bool { get }
    /// Whether the database is a cluster, which refuses transactions and scripts with several keys.
    var isCluster: Bool { get }

    /// Connects, unless it is connected or the next attempt is not due. The caller then initializes the database and
    /// calls ``confirm(at:)``.
    ///
    /// - Parameter now: the monotonic clock, in milliseconds.
    mutating func open(at now: Int)

    /// The database has been initialized, or what has changed since was written.
    ///
    /// - Parameter now: the monotonic clock, in milliseconds.
    mutating func confirm(at now: Int)

    /// Sends commands in order.
    ///
    /// - Returns: the replies, including errors.
    /// - Throws: if the connection failed; the commands may have been carried out.
    mutating func send(_ commands: [RedisCommand]) throws(RedisError) -> [RedisReply]

    /// Closes the connection after a failure, and chooses when to reconnect.
    mutating func fail(_ failure: RedisError, at now: Int)

    /// Closes the connection until a time on the monotonic clock, in milliseconds.
    mutating func close(until time: Int)
}

extension MirrorConnection {
    /// No cluster.
    package var isCluster: Bool { false }

    /// The maximum number of commands in a batch.
    private static var batchLimit: Int { 5_000 }

    /// Runs `body` if connected; closes the connection if it throws.
    mutating func use(at now: Int, _ body: (inout Self) throws(RedisError) -> Void) {
        guard isOpen else { return }
        do throws(RedisError) { try body(&self) } catch { fail(error, at: now) }
    }

    /// Sends each group of commands as a transaction, in batches; one by one to a cluster.
    mutating func show(_ groups: [[RedisCommand]]) throws(RedisError) {
        var waiting: [RedisCommand] = []
        for (index, group) in groups.enumerated() {
            if group.count == 1 || isCluster {
                waiting += group
            } else if !group.isEmpty {
                waiting.append(RedisCommand("MULTI"))
                waiting += group
                waiting.append(RedisCommand("EXEC"))
            }
            guard waiting.count >= Self.batchLimit || index == groups.count - 1, !waiting.isEmpty else { continue }
            let answers = try send(waiting)
            if let refusal = Self.refusal(of: waiting, answers) { throw refusal }
            waiting = []
        }
    }

    /// The first refusal, with the name and key of its command; nil if there is none.
    static func refusal(of commands: [RedisCommand], _ answers: [RedisReply]) -> RedisError? {
        for (place, answer) in answers.enumerated() {
            guard let reason = answer.failure else { continue }
            // The answer to EXEC has those to the commands before it.
            let before = answer.array.map { $0.count - ($0.firstIndex { $0.failure != nil } ?? 0) } ?? 0
            let culprit = commands.indices.contains(place - before) ? commands[place - before] : commands[place]
            return .refused("\(culprit.subject): \(reason)")
        }
        return nil
    }

    /// Sends commands in batches and ignores errors.
    mutating func sendLeniently(_ commands: [RedisCommand]) throws(RedisError) {
        for start in stride(from: 0, to: commands.count, by: Self.batchLimit) {
            _ = try send(Array(commands[start..<min(start + Self.batchLimit, commands.count)]))
        }
    }

    /// The keys with one of these prefixes.
    mutating func keys(beginning prefixes: [String]) throws(RedisError) -> [String] {
        let letters = Set(prefixes.compactMap(\.first)).sorted().map(String.init).joined()
        var found: Set<String> = []
        var cursor = "0"
        repeat {
            let answer = try send([RedisCommand("SCAN", cursor, "MATCH", "[\(letters)]*", "COUNT", "1000")])[0]
            if let reason = answer.failure { throw .refused("SCAN: \(reason)") }
            guard let parts = answer.array, parts.count == 2, let next = parts[0].text else {
                throw .refused("an unexpected answer to SCAN")
            }
            cursor = next
            let names = (parts[1].array ?? []).compactMap(\.text)
            found.formUnion(names.filter { key in prefixes.contains { key.hasPrefix($0) } })
        } while cursor != "0"
        return found.sorted()
    }
}
