import Redis

/// Submits operators' intents.
package final class IntentQueue {
    private let connection: RedisConnection

    /// Creates a queue on a connection.
    package init(_ connection: RedisConnection) { self.connection = connection }

    /// Submits an intent.
    ///
    /// - Throws: `RedisError` if it was not submitted, or may not have been.
    package func send(_ request: IntentRequest) throws(RedisError) { try connection.transact(request.commands) }

    /// The current outcome of an intent; nil if the domain has not taken it yet.
    ///
    /// - Throws: `RedisError` if Redis cannot be read.
    package func outcome(of request: IntentRequest) throws(RedisError) -> IntentOutcome? {
        let replies = try connection.send(all: [["EXISTS", request.key], ["GET", request.resultKey]])
        for reply in replies { if let reason = reply.failure { throw .refused(reason) } }
        // Until the intent is taken, the outcome belongs to an earlier one.
        return replies[0] == .integer(0) ? replies[1].text.flatMap { IntentOutcome($0) } : nil
    }
}
