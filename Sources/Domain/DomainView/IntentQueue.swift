import Redis

/// Submits operators' intents.
package final class IntentQueue {
    private let connection: RedisConnection

    /// Creates a queue on a connection.
    package init(_ connection: RedisConnection) { self.connection = connection }

    /// Submits intents, in order.
    ///
    /// - Throws: `RedisError` if they were not submitted, or may not have been.
    package func send(_ requests: IntentRequest...) throws(RedisError) { try send(requests) }

    /// Submits intents, in order.
    ///
    /// - Throws: `RedisError` if they were not submitted, or may not have been.
    package func send(_ requests: [IntentRequest]) throws(RedisError) {
        // No transaction: a cluster refuses those with several keys. The last command of each submits the intent.
        let commands = requests.flatMap(\.commands)
        for (command, reply) in zip(commands, try connection.send(all: commands)) {
            if let reason = reply.failure { throw .refused("\(command.prefix(2).joined(separator: " ")): \(reason)") }
        }
    }

    /// The current outcome of an intent; nil if the domain has not taken it yet.
    ///
    /// - Throws: `RedisError` if Redis cannot be read.
    package func outcome(of request: IntentRequest) throws(RedisError) -> IntentOutcome? {
        try outcomes(of: [request])[0]
    }

    /// The current outcomes of intents; nil for those that the domain has not taken yet.
    ///
    /// - Throws: `RedisError` if Redis cannot be read.
    package func outcomes(of requests: [IntentRequest]) throws(RedisError) -> [IntentOutcome?] {
        let replies = try connection.send(all: requests.flatMap { [["EXISTS", $0.key], ["GET", $0.resultKey]] })
        if let reason = replies.lazy.compactMap(\.failure).first { throw .refused("EXISTS or GET: \(reason)") }
        return requests.indices.map { index in
            let isThere = replies[2 * index] != .integer(0)
            let outcome = replies[2 * index + 1].text.flatMap { IntentOutcome($0) }
            // While the intent is there, it is not finished: another outcome belongs to an earlier one.
            return isThere && outcome?.status != .taken ? nil : outcome
        }
    }
}
