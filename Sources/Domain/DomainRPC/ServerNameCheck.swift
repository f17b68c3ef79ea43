internal import NIOCore
internal import NIOSSL
internal import NIOTLS

/// Closes a connection to a server whose certificate does not contain the requested DNS name. The TLS library also
/// accepts the called address, and checks the name only if the certificate does not contain the address.
final class ServerNameCheck: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    /// The certificate belongs to another name.
    struct WrongName: Error, CustomStringConvertible {
        let description: String
    }

    private let name: String

    init(name: String) { self.name = name }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case TLSUserEvent.handshakeCompleted = event, let problem = problem(context) {
            context.fireErrorCaught(problem)
            return context.close(promise: nil)
        }
        context.fireUserInboundEventTriggered(event)
    }

    private func problem(_ context: ChannelHandlerContext) -> WrongName? {
        guard let certificate = try? context.pipeline.syncOperations.nioSSL_peerCertificate() else {
            return WrongName(description: "the server contains no certificate")
        }
        let alternatives = certificate._subjectAlternativeNames()
        // Without alternatives the library has compared the common name.
        guard !alternatives.isEmpty else { return nil }
        let names = alternatives.filter { $0.nameType == .dnsName }.map { String(decoding: $0.contents, as: UTF8.self) }
        guard !names.contains(where: { Self.matches(name, $0) }) else { return nil }
        return WrongName(description: "the certificate is not of \(name) but of \(names.joined(separator: ", "))")
    }

    /// RFC 6125: case-insensitive; a first label `*` matches any one label.
    static func matches(_ name: String, _ pattern: String) -> Bool {
        let (name, pattern) = (name.lowercased().withoutRoot, pattern.lowercased().withoutRoot)
        guard pattern.hasPrefix("*."), let dot = name.firstIndex(of: "."), dot != name.startIndex else {
            return name == pattern
        }
        return name[dot...] == pattern.dropFirst()
    }
}

extension String {
    /// A DNS name without the trailing dot of the root.
    fileprivate var withoutRoot: Substring { hasSuffix(".") ? dropLast() : self[...] }
}
