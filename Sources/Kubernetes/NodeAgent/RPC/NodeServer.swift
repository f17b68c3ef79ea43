import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NIOCore
import Synchronization

/// Serves the agent's gRPC services at an address.
package final class NodeServer: Sendable {
    /// What is served.
    package enum Services: Sendable {
        /// Everything, to clients with a certificate; to everybody where there are none.
        case all(NodeAgent, ServerCertificates?)
        /// Only whether the node is healthy, to everybody.
        case health
    }

    /// An address cannot be served at.
    package struct Failure: Error, Sendable, CustomStringConvertible {
        package let description: String

        package init(description: String) { self.description = description }
    }

    /// The most connections; others are closed.
    private static let connectionLimit = 256
    /// The most bytes of a request: a thousand containers have 200 kB.
    private static let messageLimit = 1 << 20
    /// The most requests at a time on a connection.
    private static let requestLimit = 64

    private let server: GRPCServer<HTTP2ServerTransport.Posix>
    private let task: Task<Void, any Error>
    /// The port; the actual one where 0 was asked for.
    package let port: Int

    /// Listens and serves.
    ///
    /// - Parameters:
    ///   - address: an IP address; all addresses of the machine where it is empty.
    ///   - port: 0 for any that is free.
    /// - Throws: ``Failure`` where it cannot listen.
    package init(_ services: Services, host: any NodeHost, address: String, port: Int) async throws(Failure) {
        let security: HTTP2ServerTransport.Posix.TransportSecurity
        var served: [any RegistrableRPCService] = [HealthService(host: host)]
        switch services {
        case .health: security = .plaintext
        case .all(let agent, let certificates):
            served += [PinningService(agent: agent), TopologyService(host: host)]
            do { security = try certificates?.security() ?? .plaintext } catch {
                throw Failure(description: "the certificates cannot be used: \(error)")
            }
        }
        var failure = ""
        for candidate in address.isEmpty ? ["::", "0.0.0.0"] : [address] {
            let listening: GRPCNIOTransportHTTP2Posix.SocketAddress =
                candidate.contains(":")
                ? .ipv6(host: candidate, port: port) : .ipv4(host: candidate, port: port)
            let transport = HTTP2ServerTransport.Posix(
                address: listening, transportSecurity: security, config: Self.config)
            let server = GRPCServer(transport: transport, services: served)
            let task = Task { try await server.serve() }
            do {
                let bound = try await transport.listeningAddress
                self.port = bound.ipv6?.port ?? bound.ipv4?.port ?? port
                (self.server, self.task) = (server, task)
                return
            } catch {
                if case .failure(let reason) = await task.result { failure = "\(reason)" } else { failure = "\(error)" }
            }
        }
        throw Failure(description: "cannot listen on \(address.isEmpty ? "" : "[\(address)]"):\(port): \(failure)")
    }

    private static var config: HTTP2ServerTransport.Posix.Config {
        let connections = Mutex(0)
        let count: @Sendable (Int) -> Int = { change in
            connections.withLock { connections in
                connections += change
                return connections
            }
        }
        return .defaults { config in
            config.rpc.maxRequestPayloadSize = messageLimit
            config.http2.maxConcurrentStreams = requestLimit
            // Silent clients are asked whether they live, and closed where they do not.
            config.connection.keepalive = .init(
                time: .seconds(60), timeout: .seconds(20),
                clientBehavior: .init(minPingIntervalWithoutCalls: .seconds(5), allowWithoutCalls: true))
            config.connection.maxIdleTime = .seconds(600)
            config.connection.maxGraceTime = .seconds(10)
            config.channelDebuggingCallbacks.onAcceptTCPConnection = { channel in
                channel.closeFuture.whenComplete { _ in _ = count(-1) }
                if count(1) > connectionLimit { channel.close(promise: nil) }
                return channel.eventLoop.makeSucceededVoidFuture()
            }
        }
    }

    /// Returns when it has been stopped.
    ///
    /// - Throws: where it stopped by itself.
    package func wait() async throws { try await task.value }

    /// Takes no more calls, and returns when those in progress have ended, or after `grace`.
    package func stop(within grace: Duration = .seconds(5)) async {
        server.beginGracefulShutdown()
        let timer = Task { [task] in
            try await Task.sleep(for: grace)
            task.cancel()
        }
        _ = await task.result
        timer.cancel()
    }
}
