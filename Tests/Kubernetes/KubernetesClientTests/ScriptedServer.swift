import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization
import TestSupport

/// An HTTP server on the loopback that answers as a test says, well or badly.
final class ScriptedServer: Sendable {
    /// A request as it came.
    struct Request: Sendable {
        let method: String
        let target: String
        let fields: [String: String]
        let body: String

        var path: String { String(target.prefix { $0 != "?" }) }
        var query: [String: String] {
            var query: [String: String] = [:]
            for pair in target.drop(while: { $0 != "?" }).dropFirst().split(separator: "&") {
                let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                query[String(parts[0])] = parts.count == 2 ? String(parts[1]) : ""
            }
            return query
        }
    }

    /// What becomes of an answer, one after the other.
    enum Step: Sendable {
        case text(String)
        case pause(milliseconds: Int)
        /// Nothing more comes, and the connection stays.
        case hang
        /// The connection ends within the answer.
        case drop
    }

    struct Answer: Sendable {
        var status = 200
        var fields: [String: String] = [:]
        var steps: [Step] = []

        init(_ steps: [Step]) { self.steps = steps }

        init(_ text: String) { steps = [.text(text)] }

        init(_ status: Int, fields: [String: String] = [:], _ text: String) {
            self.status = status
            self.fields = fields
            steps = [.text(text)]
        }
    }

    let port: Int
    var requests: [Request] { seen.withLock { $0 } }

    private let channel: any Channel
    private let seen: Recorder
    private static let loops = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    final class Recorder: Sendable {
        private let state = Mutex<[Request]>([])
        func withLock<Result: Sendable>(_ body: (inout sending [Request]) -> sending Result) -> Result {
            state.withLock(body)
        }
    }

    /// Listens; the number of a request counts from 0.
    init(
        tls: TLSConfiguration? = nil, port: Int = 0,
        _ answer: @escaping @Sendable (_ request: Request, _ number: Int) -> Answer
    ) async throws {
        let seen = Recorder()
        let context = try tls.map { try NIOSSLContext(configuration: $0) }
        channel = try await ServerBootstrap(group: Self.loops)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let context {
                        try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                    }
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withErrorHandling: false)
                    try channel.pipeline.syncOperations.addHandler(Handler(seen: seen, answer: answer))
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        self.seen = seen
        self.port = channel.localAddress?.port ?? 0
    }

    func stop() async { try? await channel.close() }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let seen: Recorder
        private let answer: @Sendable (Request, Int) -> Answer
        private var head: HTTPRequestHead?
        private var body = ""

        init(seen: Recorder, answer: @escaping @Sendable (Request, Int) -> Answer) {
            self.seen = seen
            self.answer = answer
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                self.head = head
                body = ""
            case .body(let buffer): body += String(buffer: buffer)
            case .end:
                guard let head else { return }
                var fields: [String: String] = [:]
                for field in head.headers { fields[field.name.lowercased(), default: ""] += field.value }
                let request = Request(method: head.method.rawValue, target: head.uri, fields: fields, body: body)
                let number = seen.withLock { requests -> Int in
                    requests.append(request)
                    return requests.count - 1
                }
                let answer = answer(request, number)
                var response = HTTPResponseHead(version: .http1_1, status: .init(statusCode: answer.status))
                for (name, value) in answer.fields { response.headers.add(name: name, value: value) }
                context.writeAndFlush(wrapOutboundOut(.head(response)), promise: nil)
                run(answer.steps[...], context)
            }
        }

        private func run(_ steps: ArraySlice<Step>, _ context: ChannelHandlerContext) {
            guard let step = steps.first else {
                return context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            }
            switch step {
            case .text(let text):
                context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
                run(steps.dropFirst(), context)
            case .pause(let milliseconds):
                let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
                context.eventLoop.scheduleTask(in: .milliseconds(Int64(milliseconds))) {
                    bound.value.0.run(steps.dropFirst(), bound.value.1)
                }
            case .hang: break
            case .drop: context.close(promise: nil)
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
