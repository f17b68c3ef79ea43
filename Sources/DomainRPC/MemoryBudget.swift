internal import NIOCore
internal import NIOHPACK
internal import NIOHTTP2
import Synchronization

/// How many bytes of requests a server holds at once, over all its connections: those of every request from its first byte
/// until it is answered. A request that would go beyond the limit is answered with RESOURCE_EXHAUSTED, the others go on.
///
/// Counted is what comes over the wire; while a message is read it is in memory up to three times.
final class MemoryBudget: Sendable {
    /// The most bytes.
    let limit: Int
    private let held = Mutex(0)

    init(limit: Int) { self.limit = limit }

    /// The bytes held at the moment.
    var bytes: Int { held.withLock { $0 } }

    /// Takes some more; false, and nothing is taken, where that is too much.
    func take(_ count: Int) -> Bool {
        held.withLock { held in
            guard count <= limit - held else { return false }
            held += count
            return true
        }
    }

    /// Gives some back.
    func give(_ count: Int) { held.withLock { $0 -= count } }
}

/// Stands before all else in the pipeline of a stream, counts what comes in, and ends the stream where that is too much.
final class MemoryBudgetHandler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let budget: MemoryBudget
    private var taken = 0
    private var isRefused = false

    init(_ budget: MemoryBudget) { self.budget = budget }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isRefused else { return }
        if case .data(let payload) = unwrapInboundIn(data) {
            let count = payload.data.readableBytes
            guard budget.take(count) else { return refuse(context) }
            taken += count
        }
        context.fireChannelRead(data)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        budget.give(taken)
        taken = 0
    }

    private func refuse(_ context: ChannelHandlerContext) {
        isRefused = true
        let trailers: HPACKHeaders = [
            ":status": "200", "content-type": "application/grpc", "grpc-status": "8",
            "grpc-message": "too many bytes of requests at once; try again later",
        ]
        let frame = HTTP2Frame.FramePayload.headers(.init(headers: trailers, endStream: true))
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(frame)).whenComplete { _ in bound.value.close(promise: nil) }
    }
}
