internal import NIOCore
internal import NIOSSL

/// Closes a connection whose client says nothing: at first within the time for a greeting, the TLS handshake included, later
/// within the time in which it has to answer a ping. The transport only asks such a client to go.
final class SilenceTimeout: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let later: TimeAmount
    private let denials: Denials
    private var hasSpoken = false
    private var timer: Scheduled<Void>?

    private init(later: TimeAmount, _ denials: Denials) { (self.later, self.denials) = (later, denials) }

    /// Watches over a connection that was just taken.
    ///
    /// - Parameters:
    ///   - greeting: how long it may take until something comes that is no part of the handshake.
    ///   - later: after how long a silence it is closed; at most twice that passes.
    ///   - denials: is told of handshakes that fail.
    static func watch(
        _ channel: any Channel, greeting: TimeAmount, later: TimeAmount, _ denials: Denials
    ) throws {
        let pipeline = channel.pipeline.syncOperations
        let handler = SilenceTimeout(later: later, denials)
        // Behind TLS only what is protected comes through.
        if let tls = try? pipeline.handler(type: NIOSSLServerHandler.self) {
            try pipeline.addHandler(handler, position: .after(tls))
        } else {
            try pipeline.addHandler(handler, position: .first)
        }
        handler.setTimer(greeting, channel)
    }

    private func setTimer(_ time: TimeAmount, _ channel: any Channel) {
        let bound = NIOLoopBound(self, eventLoop: channel.eventLoop)
        timer = channel.eventLoop.scheduleTask(in: time) {
            let handler = bound.value
            guard handler.hasSpoken else { return channel.close(promise: nil) }
            handler.hasSpoken = false
            handler.setTimer(handler.later, channel)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case NIOSSLError.handshakeFailed(let reason) = error {
            denials.tell(of: PeerIdentity(context.channel), "TLS handshake", "\(reason)")
        }
        context.fireErrorCaught(error)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        hasSpoken = true
        context.fireChannelRead(data)
    }
}
