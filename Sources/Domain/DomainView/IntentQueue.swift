import Redis

/// Where operators put what they want of a domain.
package final class IntentQueue {
    private let connection: RedisConnection

    /// Asks through a connection.
    package init(_ connection: RedisConnection) { self.connection = connection }

    /// Asks for something.
    ///
    /// - Throws: `RedisError` where nothing may have been asked.
    package func send(_ request: IntentRequest) throws(RedisError) { try connection.transact(request.commands) }

    /// What has become of it so far; nil where the domain has not taken it yet.
    ///
    /// - Throws: `RedisError` where Redis cannot be asked.
    package func outcome(of request: IntentRequest) throws(RedisError) -> IntentOutcome? {
        let replies = try connection.send(all: [["EXISTS", request.key], ["GET", request.resultKey]])
        for reply in replies { if let reason = reply.failure { throw .refused(reason) } }
        // As long as it has not been taken, what is told is about an earlier one.
        return replies[0] == .integer(0) ? replies[1].text.flatMap { IntentOutcome($0) } : nil
    }
}
