import Glibc
internal import HTTPTypes
internal import HummingbirdCore
package import Logging
internal import NIOCore
internal import NIOPosix
import Synchronization

/// A request that has come to its end.
package struct ServedRequest: Sendable {
    /// `GET`, `POST`.
    package let method: String
    /// The path, without a query.
    package let path: String
    /// The body.
    package let body: [UInt8]

    /// A request.
    package init(method: String, path: String, body: [UInt8]) {
        self.method = method
        self.path = path
        self.body = body
    }
}

/// What is sent back.
package struct ServedAnswer: Sendable {
    /// The HTTP status.
    package let status: Int
    /// The type of the body.
    package let contentType: String
    /// The body.
    package let body: [UInt8]

    /// An answer.
    package init(_ status: Int, _ contentType: String, _ body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    /// One line of text.
    package init(_ status: Int, line: String) {
        self.init(status, "text/plain; charset=utf-8", Array("\(line)\n".utf8))
    }
}

/// Serves HTTP at an address, on a thread of its own for connections.
package final class HTTPListener: Sendable {
    /// The bounds of a server.
    package struct Limits: Sendable {
        /// The most connections at a time; more are closed.
        package var connections = 256
        /// The most bytes of a body.
        package var body = 65_536
        /// How long a request may take from its first byte to its last.
        package var readTime = Duration.seconds(30)
        /// How long a connection may wait for its next request. Longer than clients keep connections, of which the one of
        /// kube-scheduler does for 90 s: it does not send a question again whose connection ends meanwhile.
        package var idleTime = Duration.seconds(300)

        /// The usual bounds.
        package init() {}
    }

    /// An address that cannot be listened at.
    package struct ListenError: Error, Equatable, Sendable, CustomStringConvertible {
        /// Names the address and what is wrong.
        package let description: String
    }

    private struct State {
        var listener: (any Channel)?
        var channels: [ObjectIdentifier: any Channel] = [:]
        var isStopping = false
    }

    private let address: ListenAddress
    private let tls: ServerTLS?
    private let limits: Limits
    private let respond: @Sendable (ServedRequest) async -> ServedAnswer
    private let logger: Logger
    private let state = Mutex(State())

    /// For as long as the process lives.
    private static let loops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private static let headLimit = 16_384

    /// A server; ``start()`` lets it listen.
    package init(
        _ address: ListenAddress, tls: ServerTLS? = nil, limits: Limits = Limits(), logger: Logger,
        respond: @escaping @Sendable (ServedRequest) async -> ServedAnswer
    ) {
        self.address = address
        self.tls = tls
        self.limits = limits
        self.logger = logger
        self.respond = respond
    }

    /// The port that it listens at; 0 before.
    package var port: Int { state.withLock { $0.listener?.localAddress?.port ?? 0 } }

    /// Listens from now on.
    ///
    /// - Throws: ``ListenError``.
    package func start() async throws(ListenError) {
        do { try await listen() } catch {
            let reason = (error as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(error)"
            throw ListenError(description: "cannot listen at \(address): \(reason)")
        }
    }

    private func listen() async throws {
        let limits = limits
        let setup = HTTP1Channel(
            responder: { _, _, _ in },
            configuration: HTTP1Channel.Configuration(
                additionalChannelHandlers: [RequestGuard(TimeAmount(limits.readTime))],
                idleTimeout: TimeAmount(limits.idleTime),
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: Self.headLimit, maxHeaderListSize: Self.headLimit, maxHeaderFieldCount: 100)))
        let channel = HTTP1Channel { [self] request, writer, _ in try await serve(request, writer) }
        var quiet = logger
        quiet.logLevel = .error
        let listener = try await ServerBootstrap(group: Self.loops)
            .serverChannelOption(.backlog, value: 1_024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { [self, quiet] connection in
                guard add(connection), (try? tls?.protect(connection)) != nil || tls == nil else {
                    connection.close(promise: nil)
                    return connection.eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
                }
                // Served from here on, not from a queue: a connection that is set up and dropped is a fatal error in NIO.
                return setup.setup(channel: connection, logger: quiet).map { value in
                    _ = Task { await channel.handle(value: value, logger: quiet) }
                }
            }
            .bind(host: address.host, port: address.port).get()
        state.withLock { $0.listener = listener }
    }

    /// Takes no more connections, and closes those that are open once their requests are answered, all after `grace`.
    package func stop(within grace: Duration = .seconds(5)) async {
        let (listener, channels) = state.withLock { state in
            state.isStopping = true
            return (state.listener, Array(state.channels.values))
        }
        try? await listener?.close()
        for channel in channels { channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
        let end = ContinuousClock.now + grace
        while state.withLock({ !$0.channels.isEmpty }), ContinuousClock.now < end {
            try? await Task.sleep(for: .milliseconds(5))
        }
        for channel in state.withLock({ Array($0.channels.values) }) { channel.close(promise: nil) }
    }

    /// Takes note of a connection until it closes. Returns whether it may be.
    private func add(_ channel: any Channel) -> Bool {
        let key = ObjectIdentifier(channel)
        let limit = limits.connections
        let isWithin = state.withLock { state in
            guard !state.isStopping, state.channels.count < limit else { return false }
            state.channels[key] = channel
            return true
        }
        if isWithin {
            channel.closeFuture.whenComplete { [self] _ in state.withLock { $0.channels[key] = nil } }
        }
        return isWithin
    }

    // MARK: - Requests

    private func serve(_ request: HummingbirdCore.Request, _ writer: consuming ResponseWriter) async throws {
        let (answer, closes) = try await answer(request)
        var fields: HTTPFields = [
            .contentType: answer.contentType, .contentLength: "\(answer.body.count)", .cacheControl: "no-store",
            .xContentTypeOptions: "nosniff",
        ]
        if closes { fields[.connection] = "close" }
        let head = HTTPResponse(status: .init(code: answer.status), headerFields: fields)
        let body =
            request.method == .head ? ResponseBody() : ResponseBody(byteBuffer: ByteBuffer(bytes: answer.body))
        try await writer.write(response: head, body: body)
    }

    private func answer(_ request: HummingbirdCore.Request) async throws -> (ServedAnswer, closes: Bool) {
        let path = (request.head.path ?? "").prefix { $0 != "?" && $0 != "#" }
        if let encoding = request.headers[.contentEncoding], encoding.lowercased() != "identity" {
            return (ServedAnswer(415, line: "a body is taken as it is, not with the encoding \(encoding)"), true)
        }
        let tooLarge = ServedAnswer(413, line: "a body has at most \(limits.body) bytes")
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limits.body {
            return (tooLarge, true)
        }
        let body: ByteBuffer
        do { body = try await request.body.collect(upTo: limits.body) } catch {
            guard error is NIOTooManyBytesError else { throw error }
            return (tooLarge, true)
        }
        let served = ServedRequest(method: request.method.rawValue, path: String(path), body: Array(buffer: body))
        return (await respond(served), false)
    }
}
