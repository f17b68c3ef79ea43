internal import NIOCore
internal import NIOHTTP1

/// Sends the requests of one connection, one at a time, and takes the answers apart.
final class AnswerHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = Never
    typealias OutboundOut = HTTPClientRequestPart

    /// Who waits for an answer.
    enum Use {
        /// For all of it.
        case whole(EventLoopPromise<ClientAnswer>)
        /// For its beginning.
        case stream(EventLoopPromise<Int>)

        func fail(_ error: any Error) {
            switch self {
            case .whole(let promise): promise.fail(error)
            case .stream(let promise): promise.fail(error)
            }
        }
    }

    static let ended = "The connection to the daemon ended before its answer"

    private let limit: Int
    private var use: Use?
    private var status = 0
    private var keepsAlive = false
    private var body: [UInt8] = []
    private var isStream = false
    private var isOver = false
    private var failure: (any Error)?
    private var waiting: EventLoopPromise<[UInt8]?>?
    private var context: ChannelHandlerContext?

    init(limit: Int) { self.limit = limit }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    /// Sends a request.
    func send(_ request: ClientRequest, _ use: Use, on channel: any Channel) {
        guard self.use == nil, !isStream, channel.isActive, let context else {
            return use.fail(BerthError.closed(Self.ended))
        }
        self.use = use
        body = []
        var head = HTTPRequestHead(version: .http1_1, method: request.method, uri: request.target)
        head.headers.add(name: "Host", value: "berth")
        for (name, value) in request.headers { head.headers.add(name: name, value: value) }
        if !request.body.isEmpty {
            head.headers.add(name: "Content-Type", value: "application/json")
            head.headers.add(name: "Content-Length", value: "\(request.body.count)")
        }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if !request.body.isEmpty {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: request.body)))), promise: nil)
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    /// Gives the next piece of a stream to `promise`, when it is there.
    func piece(_ promise: EventLoopPromise<[UInt8]?>) {
        guard body.isEmpty else {
            promise.succeed(body)
            body = []
            return
        }
        if isOver { return promise.succeed(nil) }
        if let failure { return promise.fail(failure) }
        waiting = promise
        context?.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            status = Int(head.status.code)
            keepsAlive = head.isKeepAlive
            if case .stream(let promise) = use {
                isStream = true
                use = nil
                promise.succeed(status)
            }
        case .body(let buffer):
            body += buffer.readableBytesView
            guard !isStream else { return deliver() }
            if body.count > limit { fail(context, BerthError.malformed("it is too long")) }
        case .end:
            isOver = isStream
            guard !isStream else { return deliver() }
            guard case .whole(let promise) = use else { return }
            use = nil
            promise.succeed(ClientAnswer(status: status, body: body, keepsAlive: keepsAlive))
            body = []
        }
    }

    /// A stream that nobody reads is not read from the socket either: the daemon sees that its client is slow.
    func read(context: ChannelHandlerContext) {
        guard !isStream || waiting != nil else { return }
        context.read()
    }

    private func deliver() {
        guard let promise = waiting, isOver || !body.isEmpty else { return }
        waiting = nil
        piece(promise)
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(context, BerthError.closed(Self.ended))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(context, BerthError.closed("The connection to the daemon failed: \(error)"))
    }

    private func fail(_ context: ChannelHandlerContext, _ error: BerthError) {
        failure = failure ?? error
        use?.fail(error)
        use = nil
        waiting?.fail(error)
        waiting = nil
        context.close(promise: nil)
    }
}
