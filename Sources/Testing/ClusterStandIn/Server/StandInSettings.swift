import NIOCore
internal import NIOSSL

/// How the stand-in is reached, and by whom.
package struct StandInSettings: Sendable {
    /// The files of a server with TLS.
    package struct TLS: Sendable {
        /// The PEM file of the server's certificate.
        package var certificate: String
        /// The PEM file of its key.
        package var key: String
        /// The PEM file of the authority of client certificates; nil where clients need tokens.
        package var clientAuthority: String?

        /// TLS with these files.
        package init(certificate: String, key: String, clientAuthority: String? = nil) {
            self.certificate = certificate
            self.key = key
            self.clientAuthority = clientAuthority
        }

        func context() throws -> NIOSSLContext {
            let chain = try NIOSSLCertificate.fromPEMFile(certificate)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain.map { .certificate($0) },
                privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem)))
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = ["http/1.1"]
            if let clientAuthority {
                configuration.trustRoots = .file(clientAuthority)
                configuration.certificateVerification = .optionalVerification
            }
            return try NIOSSLContext(configuration: configuration)
        }
    }

    /// The numeric address.
    package var host = "127.0.0.1"
    /// The port; 0 for any.
    package var port = 0
    /// nil for HTTP without TLS.
    package var tls: TLS?
    /// The users that bearer tokens stand for.
    package var tokens: [String: StandInUser] = ["admin": .admin]
    /// Whether `/standin/…` answers administrators.
    package var hasAdminPath = true

    package init() {}
}
