import Redis

/// Submits operators' intents.
package final class IntentQueue {
    private let connection: RedisConnection

    /// Creates a queue on a connection.
    package init(_ connection: RedisConnection) { self.connection = connection }

    /// Submits an intent.
    ///
    /// - Throws: `RedisError` if it was not submitted, or may not have been.
    package func send(_ request: IntentRequest) throws(RedisError) {
        // One by one: a cluster refuses transactions with several keys. The last command submits the intent.
        for command in request.commands { try connection.send(command) }
    }

    /// The current outcome of an intent; nil if the domain has not taken it yet.
    ///
    /// - Throws: `RedisError` if Redis cannot be read.
    package func outcome(of request: IntentRequest) throws(RedisError) -> IntentOutcome? {
        // Until the intent is taken, the outcome belongs to an earlier one.
        guard try connection.send(["EXISTS", request.key]) == .integer(0) else { return nil }
        return try connection.send(["GET", request.resultKey]).text.flatMap { IntentOutcome($0) }
    }
}
