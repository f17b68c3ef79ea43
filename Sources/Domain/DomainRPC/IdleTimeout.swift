internal import NIOCore
internal import NIOSSL

/// Closes connections of silent clients: at first after the greeting timeout, which includes the TLS handshake, later
/// after the time in which a client must answer a ping. The transport only asks such clients to close.
final class IdleTimeout: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let later: TimeAmount
    private let denialLog: DenialLog
    private var hasSpoken = false
    private var timer: Scheduled<Void>?

    private init(later: TimeAmount, _ denialLog: DenialLog) { (self.later, self.denialLog) = (later, denialLog) }

    /// Watches a new connection.
    ///
    /// - Parameters:
    ///   - greeting: the time until the first data after the handshake.
    ///   - later: the time of silence after which the connection is closed; it takes twice as long at most.
    ///   - denialLog: logs failed handshakes.
    static func watch(
        _ channel: any Channel, greeting: TimeAmount, later: TimeAmount, _ denialLog: DenialLog
    ) throws {
        let pipeline = channel.pipeline.syncOperations
        let handler = IdleTimeout(later: later, denialLog)
        // After the TLS handler, only decrypted data arrives.
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
            denialLog.log(CallerIdentity(context.channel), "TLS handshake", "\(reason)")
        }
        context.fireErrorCaught(error)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        hasSpoken = true
        context.fireChannelRead(data)
    }
}
