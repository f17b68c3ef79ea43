import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import Synchronization

/// Keeps one connection within its limits: of time to send a request, to read an answer, and to last. What is no HTTP gets
/// an answer that says so.
final class ConnectionGuard: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let settings: APISettings
    private let whole: WholeRequests
    private let began = NIODeadline.now()
    private var readTimer: Scheduled<Void>?
    private var writeTimer: Scheduled<Void>?
    /// Requests whose answer has not come to its end.
    private var unanswered = 0
    /// Whether the connection ends with the answer in hand.
    private var isLast = false
    private var hasFailed = false
    /// Whether the request in hand has not come to its end.
    private var isIncomplete = false
    /// What is said once the requests before it are answered.
    private var deferred: Problem?
    /// Whether the client sends no request after the last one.
    private var isOver = false

    init(_ settings: APISettings, _ whole: WholeRequests) {
        self.settings = settings
        self.whole = whole
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let pipeline = context.pipeline.syncOperations
        if let translation = try? pipeline.handler(type: HTTP1ToHTTPServerCodec.self) {
            try? pipeline.addHandler(RequestHeads(), position: .before(translation))
        }
        startReadTimer(context)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        readTimer?.cancel()
        writeTimer?.cancel()
    }

    // MARK: - The end of what the client sends

    private var isInputClosed = false
    private var onInputClosed: (() -> Void)?

    /// Calls `body` when the client sends nothing more, or at once where it does not already. Call it on the event loop; a later
    /// call replaces an earlier one.
    func whenInputCloses(_ body: @escaping () -> Void) {
        onInputClosed = body
        if isInputClosed { body() }
    }

    private func noteInputClosed() {
        isInputClosed = true
        onInputClosed?()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed { noteInputClosed() }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        noteInputClosed()
        context.fireChannelInactive()
    }

    // MARK: - Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !hasFailed, deferred == nil else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            isOver = head.headerFields[.connection] == "close"
            unanswered += 1
            isIncomplete = true
            startReadTimer(context)
        case .body: break
        case .end:
            isIncomplete = false
            whole.count()
            readTimer?.cancel()
            readTimer = nil
        }
        context.fireChannelRead(data)
    }

    /// A request, the first one included, must come to its end in time; how long a connection may wait for its next request
    /// is another matter.
    private func startReadTimer(_ context: ChannelHandlerContext) {
        guard readTimer == nil || unanswered > 0 else { return }
        readTimer?.cancel()
        let context = NIOLoopBound(context, eventLoop: context.eventLoop)
        let handler = NIOLoopBound(self, eventLoop: context.value.eventLoop)
        readTimer = context.value.eventLoop.scheduleTask(in: .seconds(Int64(settings.readTimeout))) {
            handler.value.fail(context.value, Problem(.requestTimeout))
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        switch error {
        // What follows the last request is not looked at (RFC 9112, section 9.6).
        case HTTPParserError.closedConnection where isOver: break
        case HTTPParserError.headerOverflow: fail(context, Problem(.headersTooLarge))
        case let error as HTTPParserError: fail(context, Problem(.badRequest, "The request is not HTTP/1.1: \(error)"))
        case let error as RequestHeads.HostFieldError:
            fail(
                context,
                Problem(.badRequest, "The request has \(error.count) Host fields and needs one (RFC 9112, section 3.2)")
            )
        case is NIOHTTPDecoderError: fail(context, Problem(.headersTooLarge))
        case let error where "\(type(of: error))".hasSuffix("ConversionError"):
            fail(context, Problem(.badRequest, "The request has a malformed method or path"))
        default: context.fireErrorCaught(error)
        }
    }

    /// Answers with `problem`, once the requests before are answered, and ends the connection.
    private func fail(_ context: ChannelHandlerContext, _ problem: Problem) {
        guard !hasFailed, deferred == nil else { return }
        // An earlier request that waits for its answer would take this one for it.
        guard unanswered == (isIncomplete ? 1 : 0) else {
            deferred = problem
            return
        }
        hasFailed = true
        var answer = APIAnswer(problem)
        answer.fields[.connection] = "close"
        let head = HTTPResponse(status: answer.status, headerFields: answer.fields)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(answer.body)), promise: nil)
        finish(context, .end(nil), promise: nil)
    }

    // MARK: - Answers

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !hasFailed else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        switch unwrapOutboundIn(data) {
        case .head(var head):
            if NIODeadline.now() - began > .seconds(Int64(settings.lifetime)) {
                head.headerFields[.connection] = "close"
            }
            if isOver, unanswered == 1 { head.headerFields[.connection] = "close" }
            isLast = head.headerFields[.connection] == "close"
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .end(let trailers):
            unanswered -= 1
            guard isLast else {
                context.write(data, promise: promise)
                guard let problem = deferred, unanswered <= (isIncomplete ? 1 : 0) else { return }
                deferred = nil
                return fail(context, problem)
            }
            finish(context, .end(trailers), promise: promise)
        case .body: context.write(data, promise: promise)
        }
    }

    /// Ends the answer and then the connection, once all is sent: a client that still sends a body must not lose it.
    private func finish(_ context: ChannelHandlerContext, _ part: HTTPResponsePart, promise: EventLoopPromise<Void>?) {
        let sent = promise ?? context.eventLoop.makePromise()
        let context = NIOLoopBound(context, eventLoop: context.eventLoop)
        sent.futureResult.assumeIsolatedUnsafeUnchecked().whenComplete { _ in context.value.close(promise: nil) }
        context.value.writeAndFlush(wrapOutboundOut(part), promise: sent)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        writeTimer?.cancel()
        writeTimer = nil
        if !context.channel.isWritable {
            let channel = context.channel
            writeTimer = context.eventLoop.scheduleTask(in: .seconds(Int64(settings.writeTimeout))) {
                channel.close(promise: nil)
            }
        }
        context.fireChannelWritabilityChanged()
    }
}

/// How many requests of a connection have come to their end. The stream of a body ends also where the connection does.
final class WholeRequests: Sendable {
    private let ended = Atomic(0)

    func count() { ended.add(1, ordering: .relaxed) }

    /// Whether the request of this number, from 1, has come to its end.
    func includes(_ number: Int) -> Bool { ended.load(ordering: .relaxed) >= number }
}
