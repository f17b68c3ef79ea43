internal import NIOCore
internal import NIOHPACK
internal import NIOHTTP2

/// Stands before all else in the pipeline of a request's stream, and ends the stream with RESOURCE_EXHAUSTED where the message
/// is larger than one may be, or all requests together are larger than the memory for them.
///
/// The transport has a limit of its own, but only resets the stream then, from which a client cannot tell what is wrong.
final class RequestBounds: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let messageLimit: Int
    private let budget: MemoryBudget
    /// What every message begins with: a byte that says whether it is compressed, and its length in four bytes.
    private var prefix: [UInt8] = []
    private var taken = 0
    private var isRefused = false

    init(messageLimit: Int, budget: MemoryBudget) {
        self.messageLimit = messageLimit
        self.budget = budget
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isRefused else { return }
        if case .data(let payload) = unwrapInboundIn(data), case .byteBuffer(let buffer) = payload.data {
            let count = buffer.readableBytes
            if prefix.count < 5 {
                prefix += buffer.readableBytesView.prefix(5 - prefix.count)
                let length = prefix.dropFirst().reduce(0) { $0 << 8 | Int($1) }
                if prefix.count == 5, length > messageLimit {
                    return refuse(context, "the message has \(length) bytes; \(messageLimit) are allowed")
                }
            }
            guard budget.take(count) else {
                return refuse(context, "too many bytes of requests at once; try again later")
            }
            taken += count
        }
        context.fireChannelRead(data)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        budget.give(taken)
        taken = 0
    }

    private func refuse(_ context: ChannelHandlerContext, _ reason: String) {
        isRefused = true
        let trailers: HPACKHeaders = [
            ":status": "200", "content-type": "application/grpc", "grpc-status": "8", "grpc-message": reason,
        ]
        let frame = HTTP2Frame.FramePayload.headers(.init(headers: trailers, endStream: true))
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(frame)).whenComplete { _ in bound.value.close(promise: nil) }
    }
}
