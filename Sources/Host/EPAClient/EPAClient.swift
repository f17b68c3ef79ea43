import WireJSON

/// Talks to the daemon over its EPA socket. Each call makes a connection of its own and waits for the reply.
package struct EPAClient: Sendable {
    /// The path of the socket.
    package let socket: String
    /// How long one exchange may take from connecting to the end of the reply, in seconds.
    package let timeout: Double

    /// A client. It does not connect before the first request.
    package init(socket: String, timeout: Double = 10) {
        self.socket = socket
        self.timeout = timeout
    }

    /// A reply, decoded and as it came.
    package struct Answer<Reply: Sendable>: Sendable {
        /// What the reply says.
        package let reply: Reply
        /// Its JSON text.
        package let json: [UInt8]
    }

    /// Sends a request and waits for the reply.
    ///
    /// - Throws: ``ClientError``.
    package func send<Action: EPAAction>(_ action: Action) throws(ClientError) -> Answer<Action.Reply> {
        let exchange = try Exchange(socket: socket, seconds: timeout)
        try exchange.send(action.request)
        let json = try exchange.receive()
        let value = JSONValue(scanned: json[...])
        if let error = value["error"] {
            throw .refused(message: error.string ?? "an error without a text", reply: json)
        }
        do {
            return Answer(reply: try Action.reply(try ReplyObject(value)), json: json)
        } catch {
            throw .malformedReply(socket: socket, reason: "\(error)")
        }
    }
}
