import CHiredis
import Glibc

/// A connection to Redis or Valkey; each call waits for the replies, each no longer than the timeout. For one thread.
///
/// The process must ignore SIGPIPE, which a broken connection would raise.
package final class RedisConnection {
    private let context: UnsafeMutablePointer<redisContext>
    private let timeout: Duration

    /// Connects, authenticates where the address has a password, and chooses the database.
    ///
    /// - Parameter timeout: how long connecting and each reply may take.
    /// - Throws: ``RedisError``.
    package init(to address: RedisAddress, timeout: Duration) throws(RedisError) {
        let time = timeval(timeout)
        errno = 0
        let opened =
            switch address.endpoint {
            case .tcp(let host, let port): redisConnectWithTimeout(host, Int32(port), time)
            case .unix(let path): redisConnectUnixWithTimeout(path, time)
            }
        guard let opened else { throw .disconnected("out of memory") }
        context = opened
        self.timeout = timeout
        try check(context.pointee.err, "connect to \(address)")
        try check(redisSetTimeout(context, time), "connect to \(address)")
        if let password = address.password {
            do { try send(["AUTH"] + [address.user].compactMap(\.self) + [password]) } catch {
                // The error may repeat the password.
                guard case .refused = error else { throw error }
                throw .refused("AUTH: the user or the password in the URL is wrong, or this Redis wants none")
            }
        }
        if address.database != 0 { try send(["SELECT", "\(address.database)"]) }
    }

    deinit { redisFree(context) }

    private func check(_ result: Int32, _ action: String) throws(RedisError) {
        guard result != REDIS_OK || context.pointee.err != 0 else { return }
        // hiredis reports a timeout of a read as this error.
        let isLate = context.pointee.err == REDIS_ERR_IO && errno == EAGAIN
        let reason = isLate ? "no answer within \(timeout)" : String(cString: chiredis_error(context))
        throw .disconnected("\(action): \(reason)")
    }

    /// Sends a command.
    ///
    /// - Returns: the reply, which is not an error.
    /// - Throws: ``RedisError``.
    @discardableResult package func send(_ words: [String]) throws(RedisError) -> RedisReply {
        let replies = try send(all: [words])
        if let reason = replies[0].failure { throw .refused("\(words.prefix(2).joined(separator: " ")): \(reason)") }
        return replies[0]
    }

    /// Sends commands one after another, without waiting for the reply to each.
    ///
    /// - Returns: the replies, errors included.
    /// - Throws: ``RedisError/disconnected(_:)``; the commands may then have been done or not.
    package func send(all commands: [[String]]) throws(RedisError) -> [RedisReply] {
        for words in commands { try append(words) }
        var replies: [RedisReply] = []
        replies.reserveCapacity(commands.count)
        for _ in commands { replies.append(try next()) }
        return replies
    }

    private func append(_ words: [String]) throws(RedisError) {
        // One buffer for all words: the pointers must stay valid until the command is formatted.
        let bytes = words.map { Array($0.utf8) }
        let lengths = bytes.map(\.count)
        var all: [CChar] = []
        all.reserveCapacity(lengths.reduce(1, +))
        for word in bytes { all.append(contentsOf: word.lazy.map { CChar(bitPattern: $0) }) }
        all.append(0)
        let result = all.withUnsafeBufferPointer { buffer in
            var pointers: [UnsafePointer<CChar>?] = []
            var offset = 0
            for length in lengths {
                pointers.append(buffer.baseAddress.map { $0 + offset })
                offset += length
            }
            return redisAppendCommandArgv(context, Int32(words.count), &pointers, lengths)
        }
        try check(result, "send")
    }

    private func next() throws(RedisError) -> RedisReply {
        var reply: UnsafeMutableRawPointer?
        errno = 0
        try check(redisGetReply(context, &reply), "read an answer")
        guard let reply else { throw .disconnected("read an answer: none") }
        defer { freeReplyObject(reply) }
        return RedisReply(reply.assumingMemoryBound(to: redisReply.self).pointee)
    }
}

extension timeval {
    fileprivate init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self.init(tv_sec: Int(seconds), tv_usec: Int(attoseconds / 1_000_000_000_000))
    }
}
