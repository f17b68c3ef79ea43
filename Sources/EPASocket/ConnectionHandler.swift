import NIOCore
import NIOPosix
import Service
import WireJSON

/// One connection: reads a request, writes the reply, closes.
///
/// A client that sends slowly, reads slowly, leaves early or goes on sending has no effect on others: every wait has a
/// deadline, and a full buffer suspends nobody but its client.
final class ConnectionHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State {
        /// Collecting the request.
        case reading
        /// The request is complete and being answered; further input is of no interest.
        case answering
        /// The reply to a request that was cut off is written; what the client still sends is thrown away, so that it
        /// gets to read the reply instead of a reset connection.
        case lingering
        /// Nothing more is to be done.
        case closed
    }

    /// The most bytes that are thrown away for a client that goes on sending.
    private static let lingerLimit = 1 << 20

    private let server: EPAServer
    private let settings: EPAServer.Settings
    private var state = State.reading
    private var reader = RequestReader()
    private var peer: Peer?
    private var role: AccessPolicy.Role?
    private var deadline: Scheduled<Void>?
    private var lingered = 0

    init(server: EPAServer) {
        self.server = server
        settings = server.settings
    }

    // MARK: - Events

    func channelActive(context: ChannelHandlerContext) {
        let found = try? context.channel.pipeline.syncOperations.withUnsafeTransportIfAvailable(
            of: NIOBSDSocket.Handle.self
        ) { descriptor in try? Peer(descriptor: descriptor) }
        guard let peer = found ?? nil else {
            refuse("The credentials of the connection cannot be read", context)
            return
        }
        self.peer = peer
        guard server.register.enter(peer.uid, limit: settings.connectionsPerUID) else {
            deny(peer, "Too many connections of uid \(peer.uid): the limit is \(settings.connectionsPerUID)", context)
            return
        }
        role = settings.access.role(of: peer)
        if role == nil {
            deny(peer, "uid \(peer.uid) may not use this socket: it is in neither the access nor the admin group", context)
            return
        }
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        deadline = context.eventLoop.scheduleTask(in: .seconds(Int64(settings.readTimeout))) {
            handler.value.expire(bound.value)
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let piece = unwrapInboundIn(data)
        switch state {
        case .reading: act(on: reader.receive(piece.readableBytesView), context)
        case .lingering:
            lingered += piece.readableBytes
            if lingered > Self.lingerLimit { context.close(promise: nil) }
        case .answering, .closed: break
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event else { return context.fireUserInboundEventTriggered(event) }
        switch state {
        case .reading:
            if let step = reader.end() { act(on: step, context) } else { context.close(promise: nil) }
        case .lingering: context.close(promise: nil)
        case .answering, .closed: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The client is gone (EPIPE, ECONNRESET): nobody is left to tell.
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        state = .closed
        deadline?.cancel()
        if let peer { server.register.leave(peer.uid) }
        peer = nil
    }

    // MARK: - Steps

    private func act(on step: RequestReader.Step, _ context: ChannelHandlerContext) {
        switch step {
        case .wait: break
        case .reject(let text): refuse(text, context)
        case .request(let value): answer(value, context)
        }
    }

    private func answer(_ value: JSONValue, _ context: ChannelHandlerContext) {
        guard let peer, let role else { return }
        state = .answering
        deadline?.cancel()
        let loop = context.eventLoop
        let handler = NIOLoopBound(self, eventLoop: loop)
        let bound = NIOLoopBound(context, eventLoop: loop)
        server.face.answer(
            value, from: peer, isAdministrator: role == .administrator, options: settings.options
        ) { bytes in
            if loop.inEventLoop {
                handler.value.write(bytes, bound.value, lingers: false)
            } else {
                loop.execute { handler.value.write(bytes, bound.value, lingers: false) }
            }
        }
    }

    /// Answers with an error although the request may not have been read to its end.
    private func refuse(_ text: String, _ context: ChannelHandlerContext) {
        deadline?.cancel()
        write(EPAReply.error(text), context, lingers: true)
    }

    private func deny(_ peer: Peer, _ text: String, _ context: ChannelHandlerContext) {
        server.journalist.denied(peer, reason: text)
        refuse(text, context)
    }

    private func expire(_ context: ChannelHandlerContext) {
        guard state == .reading else { return }
        // A client that never sent anything gets the answer too: it may be waiting for one.
        act(on: reader.expire(seconds: settings.readTimeout), context)
    }

    private func write(_ bytes: [UInt8], _ context: ChannelHandlerContext, lingers: Bool) {
        guard state == .reading || state == .answering else { return }
        state = lingers ? .lingering : .answering
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(wrapOutboundOut(context.channel.allocator.buffer(bytes: bytes)), promise: written)
        var isDone = false
        written.futureResult.assumeIsolated().whenComplete { result in
            isDone = true
            handler.value.deadline?.cancel()
            if case .success = result, lingers {
                bound.value.close(mode: .output, promise: nil)
                handler.value.limit(.seconds(1), bound.value)
            } else {
                bound.value.close(promise: nil)
            }
        }
        if !isDone { limit(.seconds(Int64(settings.writeTimeout)), context) }
    }

    /// Closes the connection when the time is over.
    private func limit(_ time: TimeAmount, _ context: ChannelHandlerContext) {
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        deadline = context.eventLoop.scheduleTask(in: time) { bound.value.close(promise: nil) }
    }
}
