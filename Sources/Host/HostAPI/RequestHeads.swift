import NIOCore
import NIOHTTP1

/// Applies what RFC 9112 says about a request's version and `Host` field, before the request is translated to a form that has
/// neither.
final class RequestHeads: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    /// A request without the one `Host` field that it needs.
    struct HostFieldError: Error {
        /// How many there are.
        let count: Int
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(var head) = unwrapInboundIn(data) else { return context.fireChannelRead(data) }
        let hosts = head.headers["Host"].count
        guard hosts == 1 || (hosts == 0 && head.version == .http1_0) else {
            return context.fireErrorCaught(HostFieldError(count: hosts))
        }
        // Clients of HTTP/1.0 take the end of the connection for the end of the answer (RFC 9112, section 9.3).
        if !head.isKeepAlive { head.headers.replaceOrAdd(name: "Connection", value: "close") }
        context.fireChannelRead(wrapInboundOut(.head(head)))
    }
}
