internal import AsyncHTTPClient
import Glibc
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL
import Synchronization

/// Carries requests over HTTP/1.1.
///
/// Not over HTTP/2: there all requests share one connection, and one that hangs without being closed takes all of them with
/// it. Here a request that ends at its deadline ends its connection, and the next one gets another.
final class HTTPTransport: Transport {
    private let configuration: ClientConfiguration
    private let client: HTTPClient
    /// What the last security came to; certificates are parsed once.
    private let parsed = Mutex<(TransportSecurity, TLSConfiguration)?>(nil)

    /// Watches keep a connection each; calls beyond wait for one.
    private static let connectionLimit = 256

    init(_ configuration: ClientConfiguration) {
        self.configuration = configuration
        var settings = HTTPClient.Configuration(redirectConfiguration: .disallow)
        settings.httpVersion = .http1Only
        settings.timeout.connect = .seconds(10)
        settings.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = Self.connectionLimit
        // Who calls decides what is tried again.
        settings.connectionPool.retryConnectionEstablishment = false
        if let name = configuration.trust.serverName { settings.dnsOverride = [name: configuration.server.host] }
        if let proxy = configuration.proxy { settings.proxy = .server(host: proxy.host, port: proxy.port) }
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: settings)
    }

    deinit {
        // A client that is not shut down traps at its end; to shut it down twice is an error that nobody needs.
        let client = client
        Task { try? await client.shutdown() }
    }

    func close() async { try? await client.shutdown() }

    func send(_ request: TransportRequest, within limit: Duration) async throws(KubernetesError) -> TransportAnswer {
        let server = configuration.server
        let host = configuration.trust.serverName ?? server.host
        let authority = "\(host.contains(":") ? "[\(host)]" : host):\(server.port)"
        var sent = HTTPClientRequest(
            url: "\(server.isSecure ? "https" : "http")://\(authority)\(server.path)\(request.target)")
        sent.method = HTTPMethod(rawValue: request.method.rawValue)
        for field in request.fields { sent.headers.add(name: field.name, value: field.value) }
        if !request.body.isEmpty { sent.body = .bytes(ByteBuffer(bytes: request.body)) }
        if server.isSecure { sent.tlsConfiguration = try tls(request.security) }
        do {
            let answer = try await client.execute(sent, deadline: .now() + TimeAmount(limit))
            return TransportAnswer(
                status: Int(answer.status.code), retryAfter: answer.headers.first(name: "Retry-After"),
                body: answer.body.map { Array($0.readableBytesView) })
        } catch {
            throw Self.error(error, server)
        }
    }

    private func tls(_ security: TransportSecurity) throws(KubernetesError) -> TLSConfiguration {
        let known = parsed.withLock { parsed in parsed.flatMap { $0.0 == security ? $0.1 : nil } }
        if let known { return known }
        func read<Value>(_ what: String, _ body: () throws -> Value) throws(KubernetesError) -> Value {
            do { return try body() } catch { throw .credentials("The \(what) cannot be read as PEM: \(error)") }
        }
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if !configuration.trust.isVerified { tls.certificateVerification = .none }
        if let authorities = security.authorities {
            tls.trustRoots = .certificates(
                try read("certificate of the authority") { try NIOSSLCertificate.fromPEMBytes(authorities) })
        }
        if let certificate = security.certificate {
            tls.certificateChain = try read("client's certificate") {
                try NIOSSLCertificate.fromPEMBytes(certificate).map { .certificate($0) }
            }
        }
        if let key = security.key {
            tls.privateKey = .privateKey(try read("client's key") { try NIOSSLPrivateKey(bytes: key, format: .pem) })
        }
        parsed.withLock { $0 = (security, tls) }
        return tls
    }

    private static let proxyErrors: [HTTPClientError] = [
        .invalidProxyResponse, .proxyAuthenticationRequired, .httpProxyHandshakeTimeout,
    ]

    private static func error(_ error: any Error, _ server: ServerAddress) -> KubernetesError {
        switch error {
        case let error as KubernetesError: return error
        case is CancellationError: return .cancelled
        case let error as HTTPClientError where error == .cancelled: return .cancelled
        case let error as HTTPClientError where error == .deadlineExceeded: return .timedOut
        case let error as HTTPClientError where proxyErrors.contains(error):
            return .unreachable("The proxy does not lead to \(server): \(error)")
        case let error as HTTPClientError
        where [.connectTimeout, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout].contains(error):
            return .unreachable("\(server) cannot be reached in time: \(error)")
        case let error as IOError where [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH].contains(error.errnoCode):
            return .unreachable("\(server) cannot be reached: \(String(cString: strerror(error.errnoCode)))")
        case is NIOConnectionError, ChannelError.connectTimeout:
            return .unreachable("\(server) cannot be reached: \(error)")
        // Other errors of TLS come later, when something may have been sent.
        case NIOSSLError.handshakeFailed, is NIOSSLExtraError:
            return .unreachable("TLS with \(server) fails: \(error)")
        default: return .interrupted("The connection to \(server) failed: \(error)")
        }
    }
}
