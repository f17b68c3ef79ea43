import DomainView
import Redis

/// Where operators put what they want of a domain.
public final class IntentQueue {
    private let connection: RedisConnection

    /// Asks through a connection.
    public init(_ connection: RedisConnection) { self.connection = connection }

    /// Asks for something.
    ///
    /// - Throws: `RedisError` where nothing may have been asked.
    public func send(_ request: IntentRequest) throws(RedisError) { try connection.transact(request.commands) }

    /// What has become of it so far; nil where the domain has not taken it yet.
    ///
    /// - Throws: `RedisError` where Redis cannot be asked.
    public func outcome(of request: IntentRequest) throws(RedisError) -> IntentOutcome? {
        try connection.send(["GET", request.resultKey]).text.flatMap { IntentOutcome($0) }
    }
}
