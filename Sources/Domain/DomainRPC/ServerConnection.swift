import DomainWire
import GRPCCore
import GRPCNIOTransportHTTP2Posix
internal import NIOCore
internal import NIOSSL

/// A URL that cannot be called.
package struct ServerConnectionError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The URL.
    package let url: String
    /// The reason.
    package let reason: String

    /// The error as a sentence.
    package var description: String { "cannot call \(url): \(reason)" }
}

extension ServiceURL {
    /// The DNS name of the host; nil for an address.
    fileprivate var name: String? { if case .name(let text) = host { text } else { nil } }
}

/// A connection to a server: opened when it is first needed, kept alive, and reopened when it is lost.
package final class ServerConnection: Sendable {
    package typealias Client = GRPCClient<MarkedTransport>

    /// The server's URL.
    package let url: ServiceURL
    private let client: Client
    private let connection: Task<Void, Never>
    private let messageLimit: Int

    /// Prepares to call `url`; does not connect yet.
    ///
    /// - Throws: ``ServerConnectionError`` if the scheme and the TLS settings contradict each other: plaintext is
    ///   never used if TLS is configured, nor TLS without an authority to verify the server.
    package init(_ url: ServiceURL, tls: TLSSettings.Client?, messageLimit: Int) throws(ServerConnectionError) {
        switch (url.scheme, tls) {
        case (.coap, _): throw ServerConnectionError(url: url.description, reason: "CoAP is not supported")
        case (.https, nil):
            throw ServerConnectionError(url: url.description, reason: "https needs client_ca_path in tls_config.toml")
        case (.http, _?):
            throw ServerConnectionError(
                url: url.description, reason: "with client_ca_path in tls_config.toml the URL must be https")
        default: break
        }
        var config = HTTP2ClientTransport.Posix.Config.defaults
        config.connection.maxIdleTime = nil
        config.connection.keepalive = .init(time: .seconds(20), timeout: .seconds(10), allowWithoutCalls: true)
        config.backoff = .init(initial: .milliseconds(200), max: .seconds(5), multiplier: 1.6, jitter: 0.2)
        config.http2.authority = tls?.serverName
        if let name = tls.flatMap({ $0.serverName ?? url.name }) {
            config.channelDebuggingCallbacks.onCreateTCPConnection = { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    let tls = try pipeline.handler(type: NIOSSLClientHandler.self)
                    try pipeline.addHandler(ServerNameCheck(name: name), position: .after(tls))
                }
            }
        }
        let port = Int(url.port)
        let security = tls?.security ?? .plaintext
        let transport: HTTP2ClientTransport.Posix
        do {
            transport =
                switch url.host {
                case .ipv4(let text):
                    try .http2NIOPosix(
                        target: .ipv4(address: text, port: port), transportSecurity: security, config: config)
                case .ipv6(let text):
                    try .http2NIOPosix(
                        target: .ipv6(address: text, port: port), transportSecurity: security, config: config)
                case .name(let text):
                    try .http2NIOPosix(
                        target: .dns(host: text, port: port), transportSecurity: security, config: config)
                }
        } catch {
            throw ServerConnectionError(url: url.description, reason: "\(error)")
        }
        let client = GRPCClient(
            transport: MarkedTransport(transport: transport), interceptors: [DeadlineHeader()])
        self.url = url
        self.client = client
        self.messageLimit = messageLimit
        connection = Task(executorPreference: LoopExecutor.shared) { try? await client.runConnections() }
    }

    deinit { close() }

    /// How long an answer is listened to after its deadline.
    package static let listeningTime = Duration.seconds(120)

    /// Closes the connection and ends its calls.
    package func close() {
        client.beginGracefulShutdown()
        connection.cancel()
    }

    /// Makes a call that ends after `deadline` at the latest, even if the connection no longer responds.
    ///
    /// - Parameter late: takes the outcome of a call that was sent and not answered in time, when it comes or after
    ///   `listeningTime`; nil to give up such a call. It is not called if the call was never sent.
    package func call<Answer: Sendable>(
        within deadline: Duration, late: (@Sendable (Result<Answer, CallFailure>) -> Void)? = nil,
        _ body: @escaping @Sendable (Client, CallOptions) async throws -> Answer
    ) async throws(CallFailure) -> Answer {
        var options = CallOptions.defaults
        options.maxRequestMessageBytes = messageLimit
        let attempt = CallAttempt(within: late == nil ? deadline : deadline + Self.listeningTime)
        let listening = late.map { late in
            TimedCall<Result<Answer, CallFailure>>.Listening(
                time: Self.listeningTime, isWanted: { attempt.isSent }, take: late)
        }
        let result = await withCheckedContinuation { continuation in
            TimedCall<Result<Answer, CallFailure>>.run(
                continuation, within: deadline, listening: listening,
                otherwise: { .failure(attempt.expired(after: deadline, isListening: late != nil)) }
            ) { [client, options] in
                await CallAttempt.$current.withValue(attempt) {
                    do {
                        return .success(try await body(client, options))
                    } catch {
                        return .failure(attempt.failure(error))
                    }
                }
            }
        }
        return try result.get()
    }
}
