import GRPCCore
import GRPCNIOTransportHTTP2Posix
package import NIOCore
import Synchronization

/// One listening address with its services.
package final class RunningServer: Sendable {
    /// Where it listens.
    private let url: String
    private let transport: HTTP2ServerTransport.Posix
    private let server: GRPCServer<HTTP2ServerTransport.Posix>
    private let task: Task<Void, any Error>
    private let ending = Ending()

    convenience init(
        _ listener: consuming Listener, _ settings: DomainServer.Settings, _ budget: MemoryBudget, _ denials: Denials,
        _ services: [any RegistrableRPCService]
    ) {
        let connections = Mutex(0)
        let limit = settings.connections
        let (greetingTime, silenceTime) = (TimeAmount(settings.greetingTime), TimeAmount(settings.silenceTime))
        let receiveTime = TimeAmount(settings.receiveTime)
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
                    try SilenceTimeout.watch(channel, greeting: greetingTime, later: silenceTime, denials)
                }
            }
            config.channelDebuggingCallbacks.onAcceptHTTP2Stream = { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        RequestBounds(
                            messageLimit: settings.messageLimit, budget: budget, receiveTime: receiveTime),
                        position: .first)
                }
            }
        }
    }

    /// Serves where `listener` listens, without other bounds than of the size of a
    /// message, and tells of each connection.
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
        let config = HTTP2ServerTransport.Posix.Config.defaults { config in
            // Code of many megabytes travels in one message: a window of 64 KiB would wait for the network again and again.
            config.http2.targetWindowSize = 1 << 20
            // Peers that are gone are noticed, and those that look whether we are still here are let.
            config.connection.keepalive = .init(
                time: .seconds(60), timeout: .seconds(20),
                clientBehavior: .init(minPingIntervalWithoutCalls: .seconds(5), allowWithoutCalls: true))
            config.connection.maxIdleTime = .seconds(600)
            // Who answers, but does not go when told to, is sent away.
            config.connection.maxGraceTime = .seconds(60)
            configure(&config)
        }
        transport = HTTP2ServerTransport.Posix(
            listeningSocketDescriptor: Int(listener.take()), transportSecurity: security, config: config)
        let server = GRPCServer(transport: transport, services: services)
        self.server = server
        task = Task(executorPreference: LoopExecutor.shared) { try await server.serve() }
    }

    deinit { task.cancel() }

    /// Returns once it has been stopped.
    ///
    /// - Throws: where it ended by itself.
    package func wait() async throws {
        try await task.value
        guard ending.hasBegun else {
            throw ListenError(url: url, reason: "the server has ended by itself")
        }
    }

    /// Lets what is being served end, for some time.
    package func stop(within grace: Duration) async {
        ending.begin()
        let timer = Task { [task] in
            try await Task.sleep(for: grace)
            task.cancel()
        }
        // What is said to a transport that does not listen yet is lost on it.
        _ = try? await transport.listeningAddress
        server.beginGracefulShutdown()
        _ = await task.result
        timer.cancel()
    }
}
