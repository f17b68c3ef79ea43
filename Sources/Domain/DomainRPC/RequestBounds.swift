internal import NIOCore
internal import NIOHPACK
internal import NIOHTTP2

/// The first handler of a request's stream. Ends the stream with RESOURCE_EXHAUSTED if the message, or all requests
/// together, are too large, and with DEADLINE_EXCEEDED if the message does not arrive completely.
///
/// The transport has its own size limit but only resets the stream, which gives the client no reason.
final class RequestBounds: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let messageLimit: Int
    private let budget: MemoryBudget
    private let receiveTimeout: TimeAmount
    private static let shortReceiveTimeout = TimeAmount.seconds(20)
    private var timer: Scheduled<Void>?
    /// The message prefix: a compression flag and a length of four bytes.
    private var prefix: [UInt8] = []
    private var isLong = false
    private var taken = (short: 0, long: 0)
    private var isRefused = false
    private var isComplete = false

    init(messageLimit: Int, budget: MemoryBudget, receiveTimeout: TimeAmount) {
        self.messageLimit = messageLimit
        self.budget = budget
        self.receiveTimeout = receiveTimeout
    }

    /// Most requests arrive in a single read; only the others need a timer.
    func channelReadComplete(context: ChannelHandlerContext) {
        if timer == nil, !isComplete, !isRefused { setTimer(context) }
        context.fireChannelReadComplete()
    }

    /// Short messages get less time, because they have a small memory reserve of their own. A message whose length is
    /// still unknown uses little memory.
    private func setTimer(_ context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let isShort = prefix.count == 5 && !isLong
        let time = isShort ? min(receiveTimeout, Self.shortReceiveTimeout) : receiveTimeout
        timer = context.eventLoop.scheduleTask(in: time) {
            let (bounds, context) = bound.value
            bounds.refuse(context, status: 4, "the request did not arrive completely in time")
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isRefused else { return }
        switch unwrapInboundIn(data) {
        case .headers(let headers): if headers.endStream { complete() }
        case .data(let payload):
            guard take(payload, context) else { return }
            if payload.endStream { complete() }
        default: break
        }
        context.fireChannelRead(data)
    }

    private func complete() {
        isComplete = true
        timer?.cancel()
    }

    /// Counts the bytes of a frame. Returns false, and refuses the stream, if they exceed a limit.
    private func take(_ payload: HTTP2Frame.FramePayload.Data, _ context: ChannelHandlerContext) -> Bool {
        if case .byteBuffer(let buffer) = payload.data {
            let count = buffer.readableBytes
            if prefix.count < 5 {
                prefix += buffer.readableBytesView.prefix(5 - prefix.count)
                let length = prefix.dropFirst().reduce(0) { $0 << 8 | Int($1) }
                if prefix.count == 5, length > messageLimit {
                    refuse(context, status: 8, "the message has \(length) bytes; \(messageLimit) are allowed")
                    return false
                }
                if prefix.count == 5 {
                    isLong = length > MemoryBudget.shortMessage
                    // There is another time for it now that this is known.
                    timer?.cancel()
                    timer = nil
                }
            }
            // A message longer than announced is not short either.
            if taken.short + taken.long + count > MemoryBudget.shortMessage + 5 { isLong = true }
            guard let share = takeMemory(count) else {
                refuse(context, status: 8, "the requests in progress use too much memory; try again later")
                return false
            }
            if share == .long { taken.long += count } else { taken.short += count }
        }
        return true
    }

    private func takeMemory(_ count: Int) -> MemoryBudget.Share? {
        if isLong, taken.short > 0 {
            guard budget.lengthen(taken.short) else { return nil }
            taken = (0, taken.long + taken.short)
        }
        return budget.take(count, for: isLong ? .long : .short)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        budget.give(short: taken.short, long: taken.long)
        taken = (0, 0)
    }

    private func refuse(_ context: ChannelHandlerContext, status: Int, _ reason: String) {
        guard !isRefused else { return }
        isRefused = true
        timer?.cancel()
        let trailers: HPACKHeaders = [
            ":status": "200", "content-type": "application/grpc", "grpc-status": "\(status)",
            "grpc-message": reason,
        ]
        context.write(wrapOutboundOut(.headers(.init(headers: trailers, endStream: true))), promise: nil)
        // Any other reset code signals an error, and some clients then ignore the status.
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(.rstStream(.noError))).whenComplete { _ in bound.value.close(promise: nil)
        }
    }
}
