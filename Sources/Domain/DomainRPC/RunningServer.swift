import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Glibc
package import NIOCore
import Synchronization

/// A listening address with its services.
package final class RunningServer: Sendable {
    /// The address.
    private let url: String
    private let transport: HTTP2ServerTransport.Posix
    private let server: GRPCServer<HTTP2ServerTransport.Posix>
    private let task: Task<Void, any Error>
    private let shutdown = ShutdownFlag()
    /// The listening socket, which the transport closes.
    private let descriptor: Int32
    private let inode: UInt64?

    convenience init(
        _ listener: consuming Listener, _ settings: DomainServer.Settings, _ budget: MemoryBudget,
        _ denialLog: DenialLog,
        _ services: [any RegistrableRPCService]
    ) {
        let connections = Mutex(0)
        let limit = settings.connections
        let (greetingTimeout, idleTimeout) = (TimeAmount(settings.greetingTimeout), TimeAmount(settings.idleTimeout))
        let receiveTimeout = TimeAmount(settings.receiveTimeout)
        self.init(
            listener, security: settings.tls?.security ?? .plaintext, services: services
        ) { config in
            config.rpc.maxRequestPayloadSize = settings.messageLimit
            config.http2.maxConcurrentStreams = settings.requestsPerConnection
            config.channelDebuggingCallbacks.onAcceptTCPConnection = { channel in
                let count = connections.withLock { count in
                    count += 1
                    return count
                }
                channel.closeFuture.whenComplete { _ in connections.withLock { $0 -= 1 } }
                if count > limit { channel.close(promise: nil) }
                return channel.eventLoop.makeCompletedFuture {
                    try IdleTimeout.watch(channel, greeting: greetingTimeout, later: idleTimeout, denialLog)
                }
            }
            config.channelDebuggingCallbacks.onAcceptHTTP2Stream = { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        RequestBounds(
                            messageLimit: settings.messageLimit, budget: budget, receiveTimeout: receiveTimeout),
                        position: .first)
                }
            }
        }
    }

    /// Serves at `listener`, with a limit on the size of messages only. Calls `onConnection` for each new connection.
    package convenience init(
        _ listener: consuming Listener, tls: TLSSettings.Server?, messageLimit: Int,
        services: [any RegistrableRPCService],
        onConnection: @escaping @Sendable (any Channel) -> Void = { _ in }
    ) {
        self.init(listener, security: tls?.security ?? .plaintext, services: services) { config in
            config.rpc.maxRequestPayloadSize = messageLimit
            config.channelDebuggingCallbacks.onAcceptTCPConnection = { channel in
                onConnection(channel)
                return channel.eventLoop.makeSucceededVoidFuture()
            }
        }
    }

    init(
        _ listener: consuming Listener, security: HTTP2ServerTransport.Posix.TransportSecurity,
        services: [any RegistrableRPCService],
        configure: (inout HTTP2ServerTransport.Posix.Config) -> Void
    ) {
        url = listener.url
        let descriptor = listener.take()
        self.descriptor = descriptor
        inode = Self.inode(of: descriptor)
        let config = HTTP2ServerTransport.Posix.Config.defaults { config in
            // Messages with code can have many megabytes; with a window of 64 KiB they would wait for the network
            // repeatedly.
            config.http2.targetWindowSize = 1 << 20
            // Detects dead clients, and allows clients to ping the server.
            config.connection.keepalive = .init(
                time: .seconds(60), timeout: .seconds(20),
                clientBehavior: .init(minPingIntervalWithoutCalls: .seconds(5), allowWithoutCalls: true))
            config.connection.maxIdleTime = .seconds(600)
            // Closes connections of clients that do not close them when asked to.
            config.connection.maxGraceTime = .seconds(60)
            configure(&config)
        }
        transport = HTTP2ServerTransport.Posix(
            listeningSocketDescriptor: Int(descriptor), transportSecurity: security, config: config)
        let server = GRPCServer(transport: transport, services: services)
        self.server = server
        task = Task(executorPreference: LoopExecutor.shared) { try await server.serve() }
    }

    deinit { task.cancel() }

    /// Returns when the server has been stopped.
    ///
    /// - Throws: if it stopped unexpectedly.
    package func wait() async throws {
        try await task.value
        guard shutdown.hasBegun else {
            throw ListenError(url: url, reason: "the server stopped unexpectedly")
        }
    }

    /// Accepts no more connections, and returns when the listening socket is closed. Requests in progress go on.
    ///
    /// Another server that shares the socket must not listen before: two event loops that wait for the same connections
    /// are not supported by the library.
    func stopListening() async {
        shutdown.begin()
        // A shutdown before the transport listens would be ignored.
        _ = try? await transport.listeningAddress
        server.beginGracefulShutdown()
        for _ in 0..<1_000 where inode != nil && Self.inode(of: descriptor) == inode {
            try? await Task.sleep(for: .milliseconds(5))
        }
    }

    private static func inode(of descriptor: Int32) -> UInt64? {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? UInt64(status.st_ino) : nil
    }

    /// Waits for requests in progress, up to `grace`.
    package func stop(within grace: Duration) async {
        shutdown.begin()
        let timer = Task { [task] in
            try await Task.sleep(for: grace)
            task.cancel()
        }
        // A shutdown before the transport listens would be ignored.
        _ = try? await transport.listeningAddress
        server.beginGracefulShutdown()
        _ = await task.result
        timer.cancel()
    }
}
