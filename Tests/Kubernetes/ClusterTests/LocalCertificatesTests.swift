import Cluster
import Glibc
import NIOCore
import NIOEmbedded
import NIOSSL
import NIOTLS
import Testing

@Suite("The certificates of a scheduler and its extender")
struct LocalCertificatesTests {
    @Test("both sides take each other, and nobody else")
    func bothSidesTakeEachOther() throws {
        let pod = try LocalCertificates(addresses: ["127.0.0.1", "localhost"], now: Double(time(nil)), days: 1)
        let other = try LocalCertificates(addresses: ["127.0.0.1"], now: Double(time(nil)), days: 1)
        #expect(try handshake(server: pod.server, client: pod.client, authority: pod.authority))
        #expect(try !handshake(server: other.server, client: pod.client, authority: pod.authority))
        #expect(try !handshake(server: pod.server, client: other.client, authority: pod.authority))
    }

    /// Whether a server and a client that both know `authority` agree.
    private func handshake(
        server: LocalCertificates.Pair, client: LocalCertificates.Pair, authority: String
    ) throws -> Bool {
        let roots = NIOSSLTrustRoots.certificates([try NIOSSLCertificate(bytes: Array(authority.utf8), format: .pem)])
        func chain(_ pair: LocalCertificates.Pair) throws -> ([NIOSSLCertificateSource], NIOSSLPrivateKeySource) {
            (
                [.certificate(try NIOSSLCertificate(bytes: Array(pair.certificate.utf8), format: .pem))],
                .privateKey(try NIOSSLPrivateKey(bytes: Array(pair.key.utf8), format: .pem))
            )
        }
        let (serverChain, serverKey) = try chain(server)
        var serverSide = TLSConfiguration.makeServerConfiguration(certificateChain: serverChain, privateKey: serverKey)
        serverSide.trustRoots = roots
        serverSide.certificateVerification = .noHostnameVerification
        var clientSide = TLSConfiguration.makeClientConfiguration()
        let (clientChain, clientKey) = try chain(client)
        clientSide.certificateChain = clientChain
        clientSide.privateKey = clientKey
        clientSide.trustRoots = roots
        let near = EmbeddedChannel(handler: NIOSSLServerHandler(context: try NIOSSLContext(configuration: serverSide)))
        let far = EmbeddedChannel(
            handler: try NIOSSLClientHandler(
                context: try NIOSSLContext(configuration: clientSide), serverHostname: "localhost"))
        // A side that closes waits for the other one's goodbye, by the clock of its loop.
        defer {
            for channel in [near, far] {
                channel.close(promise: nil)
                channel.embeddedEventLoop.advanceTime(by: .minutes(1))
            }
        }
        let isDone = Completion()
        try near.pipeline.syncOperations.addHandler(isDone)
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
        near.connect(to: address, promise: nil)
        far.connect(to: address, promise: nil)
        do {
            for _ in 0..<20 {
                while let bytes = try far.readOutbound(as: ByteBuffer.self) { try near.writeInbound(bytes) }
                while let bytes = try near.readOutbound(as: ByteBuffer.self) { try far.writeInbound(bytes) }
            }
        } catch { return false }
        return isDone.isReached
    }

    private final class Completion: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        var isReached = false

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case TLSUserEvent.handshakeCompleted = event { isReached = true }
        }
    }
}
