import Glibc
import NIOCore
internal import NIOSSL
import Service

/// The HTTP API over TCP: TLS only, for clients with a certificate of one authority. Each of them is an administrator.
package struct APITLS: Sendable {
    /// The listening TCP socket.
    package let descriptor: Int32
    private let context: NIOSSLContext

    /// Reads the certificates and listens.
    ///
    /// - Parameters:
    ///   - address: a numeric address and a port: `192.0.2.1:8443`, `[2001:db8::1]:8443`.
    ///   - certificate: the PEM file of the server's certificate, with its intermediates.
    ///   - key: the PEM file of its key.
    ///   - authority: the PEM file of the authority whose certificates clients must have.
    /// - Throws: ``ConfigurationError`` that names the setting.
    package init(
        listeningAt address: String, certificate: String, key: String, clientAuthority authority: String
    ) throws(ConfigurationError) {
        context = try Self.context(certificate: certificate, key: key, clientAuthority: authority)
        descriptor = try Self.listen(address)
    }

    /// Checks what ``init(listeningAt:certificate:key:clientAuthority:)`` takes, as far as that is possible without listening.
    ///
    /// - Throws: ``ConfigurationError`` that names the setting.
    package static func check(
        listeningAt address: String, certificate: String, key: String, clientAuthority authority: String
    ) throws(ConfigurationError) {
        _ = try context(certificate: certificate, key: key, clientAuthority: authority)
        _ = try parse(address)
    }

    private static func context(
        certificate: String, key: String, clientAuthority authority: String
    ) throws(ConfigurationError) -> NIOSSLContext {
        let chain = try read("http-tls-certificate", certificate) { try NIOSSLCertificate.fromPEMFile(certificate) }
        let secret = try read("http-tls-key", key) { try NIOSSLPrivateKey(file: key, format: .pem) }
        _ = try read("http-tls-client-ca", authority) {
            guard try !NIOSSLCertificate.fromPEMFile(authority).isEmpty else { throw NoCertificate() }
        }
        var settings = TLSConfiguration.makeServerConfigurationWithMTLS(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(secret),
            trustRoots: .file(authority))
        settings.minimumTLSVersion = .tlsv12
        settings.applicationProtocols = ["http/1.1"]
        do { return try NIOSSLContext(configuration: settings) } catch {
            throw ConfigurationError("http-tls-certificate: it does not fit http-tls-key (\(error))")
        }
    }

    private struct NoCertificate: Error {}

    private static func read<Value>(
        _ setting: String, _ path: String, _ body: () throws -> Value
    ) throws(ConfigurationError) -> Value {
        guard access(path, R_OK) == 0 else {
            throw ConfigurationError("\(setting): \(path): \(String(cString: strerror(errno)))")
        }
        do { return try body() } catch { throw ConfigurationError("\(setting): \(path) is no PEM file of that kind") }
    }

    private static func parse(_ text: String) throws(ConfigurationError) -> SocketAddress {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            throw ConfigurationError("http-tls-listen takes an address and a port such as 192.0.2.1:8443, not \(text)")
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard let address = try? SocketAddress(ipAddress: String(host), port: Int(port)) else {
            throw ConfigurationError("http-tls-listen takes a numeric address, not \(host)")
        }
        return address
    }

    private static func listen(_ text: String) throws(ConfigurationError) -> Int32 {
        let address = try parse(text)
        let family = address.protocol == .inet6 ? AF_INET6 : AF_INET
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var one: Int32 = 1
        guard descriptor >= 0,
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size)) == 0,
            address.withSockAddr({ bind(descriptor, $0, socklen_t($1)) }) == 0, Glibc.listen(descriptor, 1_024) == 0
        else {
            let reason = String(cString: strerror(errno))
            if descriptor >= 0 { close(descriptor) }
            throw ConfigurationError("http-tls-listen: cannot listen at \(text): \(reason)")
        }
        return descriptor
    }

    /// Has a connection begin with the handshake.
    func protect(_ channel: any Channel) throws {
        try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
    }

    /// Who is at the other end of a connection whose handshake is over: an administrator, by the first name that the
    /// certificate has for it.
    static func peer(of channel: any Channel, cpuLimit: Int?) async -> Result<APIPeer, Problem> {
        guard let found = try? await channel.nioSSL_peerCertificate().get() else {
            return .failure(Problem(.forbidden, "The client has no certificate"))
        }
        let names = found._subjectAlternativeNames().compactMap { String(validating: $0.contents, as: UTF8.self) }
        let credentials = PeerCredentials(uid: 0, gid: 0, label: "tls:\(names.first ?? "client")")
        return .success(
            APIPeer(credentials: credentials, role: .administrator, since: APIPeer.ticks(), cpuLimit: cpuLimit))
    }
}
