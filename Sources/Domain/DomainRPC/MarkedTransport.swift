import GRPCCore
import GRPCNIOTransportHTTP2Posix

/// The library's transport, which marks the ``CallAttempt`` of a call as sent when its stream is open.
package struct MarkedTransport: ClientTransport {
    package typealias Bytes = HTTP2ClientTransport.Posix.Bytes

    let transport: HTTP2ClientTransport.Posix

    package var retryThrottle: RetryThrottle? { transport.retryThrottle }

    package func connect() async throws { try await transport.connect() }

    package func beginGracefulShutdown() { transport.beginGracefulShutdown() }

    package func config(forMethod descriptor: MethodDescriptor) -> MethodConfig? {
        transport.config(forMethod: descriptor)
    }

    package func withStream<Value: Sendable>(
        descriptor: MethodDescriptor, options: CallOptions,
        _ closure: (RPCStream<Inbound, Outbound>, ClientContext) async throws -> Value
    ) async throws -> Value {
        try await transport.withStream(descriptor: descriptor, options: options) { stream, context in
            CallAttempt.current?.markSent()
            return try await closure(stream, context)
        }
    }
}
