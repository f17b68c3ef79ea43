internal import NIOCore
internal import NIOHPACK
internal import NIOHTTP2

/// Stands before all else in the pipeline of a request's stream, and ends the stream with RESOURCE_EXHAUSTED where the message
/// is larger than one may be, or all requests together are larger than the memory for them; with DEADLINE_EXCEEDED where the
/// message does not come to its end.
///
/// The transport has a limit of its own for the size, but only resets the stream then, from which a client cannot tell what is
/// wrong.
final class RequestBounds: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let messageLimit: Int
    private let budget: MemoryBudget
    private let receiveTime: TimeAmount
    private static let shortReceiveTime = TimeAmount.seconds(20)
    private var timer: Scheduled<Void>?
    /// What every message begins with: a byte that says whether it is compressed, and its length in four bytes.
    private var prefix: [UInt8] = []
    private var isLong = false
    private var taken = (short: 0, long: 0)
    private var isRefused = false
    private var isComplete = false

    init(messageLimit: Int, budget: MemoryBudget, receiveTime: TimeAmount) {
        self.messageLimit = messageLimit
        self.budget = budget
        self.receiveTime = receiveTime
    }

    /// Most requests come to their end in the read that begins them: only the others need a timer.
    func channelReadComplete(context: ChannelHandlerContext) {
        if timer == nil, !isComplete, !isRefused { setTimer(context) }
        context.fireChannelReadComplete()
    }

    /// Short messages have little time, as little is kept for them; what has not said yet how long it is has little in memory.
    private func setTimer(_ context: ChannelHandlerContext) {
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let isShort = prefix.count == 5 && !isLong
        let time = isShort ? min(receiveTime, Self.shortReceiveTime) : receiveTime
        timer = context.eventLoop.scheduleTask(in: time) {
            let (bounds, context) = bound.value
            bounds.refuse(context, status: 4, "the request did not come to its end in time")
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

    /// Counts what a frame brings; false, and the stream is refused, where that is too much.
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
            // More than was said does not count as short either.
            if taken.short + taken.long + count > MemoryBudget.shortMessage + 5 { isLong = true }
            guard let share = takeMemory(count) else {
                refuse(context, status: 8, "too many bytes of requests at once; try again later")
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
        // To end the stream in another way says that something is wrong with it, and some clients then miss the status.
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(.rstStream(.noError))).whenComplete { _ in bound.value.close(promise: nil)
        }
    }
}
