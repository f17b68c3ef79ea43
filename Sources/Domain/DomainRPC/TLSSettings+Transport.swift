import GRPCNIOTransportHTTP2Posix

extension TLSSettings.Server {
    /// The settings in the form of the transport.
    var security: HTTP2ServerTransport.Posix.TransportSecurity {
        .tls(
            certificateChain: [.file(path: identity.certificate, format: .pem)],
            privateKey: .file(path: identity.key, format: .pem)
        ) { tls in
            guard let clientAuthority else { return }
            tls.trustRoots = .certificates([.file(path: clientAuthority, format: .pem)])
            // Clients are not called by name, so there is no host name to verify; a certificate is required
            // nevertheless.
            tls.clientCertificateVerification = .noHostnameVerification
        }
    }
}

extension TLSSettings.Client {
    /// The settings in the form of the transport.
    var security: HTTP2ClientTransport.Posix.TransportSecurity {
        .tls { tls in
            tls.trustRoots = .certificates([.file(path: authority, format: .pem)])
            tls.serverCertificateVerification = .fullVerification
            if let identity {
                tls.certificateChain = [.file(path: identity.certificate, format: .pem)]
                tls.privateKey = .file(path: identity.key, format: .pem)
            }
        }
    }
}
