import GRPCNIOTransportHTTP2Posix

extension TLSSettings.Server {
    /// What the transport is told.
    var security: HTTP2ServerTransport.Posix.TransportSecurity {
        .tls(
            certificateChain: [.file(path: identity.certificate, format: .pem)],
            privateKey: .file(path: identity.key, format: .pem)
        ) { tls in
            guard let clientAuthority else { return }
            tls.trustRoots = .certificates([.file(path: clientAuthority, format: .pem)])
            // Clients are not reached at a name that their certificates could have; a certificate is demanded all the same.
            tls.clientCertificateVerification = .noHostnameVerification
        }
    }
}

extension TLSSettings.Client {
    /// What the transport is told.
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
