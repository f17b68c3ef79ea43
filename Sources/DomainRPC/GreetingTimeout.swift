internal import NIOCore
internal import NIOSSL

/// Closes a connection whose client says nothing, or does not come to the end of the TLS handshake, within some time. From then
/// on the transport watches over it.
final class GreetingTimeout: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let time: TimeAmount
    private var timer: Scheduled<Void>?

    private init(_ time: TimeAmount) { self.time = time }

    /// Watches over a connection that was just taken.
    static func watch(_ channel: any Channel, _ time: TimeAmount) throws {
        let pipeline = channel.pipeline.syncOperations
        // Behind TLS only what is protected comes through.
        if let tls = try? pipeline.handler(type: NIOSSLServerHandler.self) {
            try pipeline.addHandler(GreetingTimeout(time), position: .after(tls))
        } else {
            try pipeline.addHandler(GreetingTimeout(time), position: .first)
        }
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        timer = context.eventLoop.scheduleTask(in: time) { channel.close(promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        timer?.cancel()
        context.fireChannelRead(data)
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }
}
