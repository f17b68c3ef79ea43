import Glibc
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import Synchronization

/// Keeps a server running: if it stops unexpectedly, for example because the process has run out of file descriptors,
/// it is started again.
final class StatusListener: Sendable {
    private struct State {
        var server: Server<HTTP1Channel>?
        var isStopping = false
    }

    private let state = Mutex(State())
    private let pages: StatusPages
    private let settings: StatusServer.Settings
    private let group: any EventLoopGroup
    private let logger: Logger

    /// The delay before it is started again.
    private static let pause = Duration.seconds(1)
    /// The maximum size of a request's head, in bytes.
    private static let headLimit = 16_384

    init(
        _ pages: StatusPages, _ settings: StatusServer.Settings, _ group: any EventLoopGroup, _ logger: Logger
    ) {
        self.pages = pages
        self.settings = settings
        self.group = group
        self.logger = logger
    }

    /// Serves until it is stopped, or fails to listen the first time.
    ///
    /// - Parameter report: receives the port whenever it listens, and the error when it cannot.
    func serve(_ report: @escaping @Sendable (Result<UInt16, StatusServer.ListenError>) -> Void) async {
        let hasListened = Mutex(false)
        while true {
            let server = makeServer { port in
                hasListened.withLock { $0 = true }
                report(.success(port))
            }
            let isStopping = state.withLock { state in
                state.server = server
                return state.isStopping
            }
            if isStopping { return }
            var reason = "it stopped unexpectedly"
            do { try await server.run() } catch {
                reason = Self.reason(error)
                let address = "http://\(settings.host):\(settings.port)"
                report(.failure(StatusServer.ListenError(description: "cannot listen on \(address): \(reason)")))
            }
            guard !state.withLock({ $0.isStopping }), hasListened.withLock({ $0 }) else { return }
            logger.error("the status server stopped and will be restarted", metadata: ["reason": "\(reason)"])
            try? await Task.sleep(for: Self.pause)
        }
    }

    /// Accepts no more connections; returns when there are none left.
    func stop() async {
        let server = state.withLock { state in
            state.isStopping = true
            return state.server
        }
        try? await server?.shutdownGracefully()
    }

    private func makeServer(_ listens: @escaping @Sendable (UInt16) -> Void) -> Server<HTTP1Channel> {
        let (pages, lifetime) = (pages, TimeAmount(settings.lifetime))
        let channel = HTTP1Channel(
            responder: { request, writer, _ in
                let answer = await pages.answer(request.method, request.head.path ?? "")
                let head = HTTPResponse(status: answer.status, headerFields: answer.fields)
                let body = request.method == .head ? ResponseBody() : ResponseBody(byteBuffer: answer.body)
                try await writer.write(response: head, body: body)
            },
            configuration: HTTP1Channel.Configuration(
                additionalChannelHandlers: [ConnectionLifetime(lifetime)], idleTimeout: TimeAmount(settings.idleTime),
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: Self.headLimit, maxHeaderListSize: Self.headLimit, maxHeaderFieldCount: 100)))
        var quiet = logger
        quiet.logLevel = .error
        return Server(
            childChannelSetup: channel,
            configuration: ServerConfiguration(
                address: .hostname(settings.host, port: Int(settings.port)),
                availableConnectionsDelegate: MaximumAvailableConnections(settings.connections, logger: quiet)),
            onServerRunning: { channel in
                listens((channel.localAddress?.port).flatMap { UInt16(exactly: $0) } ?? 0)
            },
            eventLoopGroup: group, logger: quiet)
    }

    private static func reason(_ error: any Error) -> String {
        guard let error = error as? IOError else { return "\(error)" }
        return String(cString: strerror(error.errnoCode))
    }
}
