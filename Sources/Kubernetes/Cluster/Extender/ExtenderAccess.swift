/// Where an extender listens, and how callers are known. Nobody who is not known is answered, except on the loopback, which
/// only the pod of the scheduler and its extender can reach.
package struct ExtenderAccess: Equatable, Sendable {
    /// The address.
    package let address: ListenAddress
    /// The files of TLS; nil for plain HTTP.
    package let tls: ServerTLS.Files?

    /// Checks what the command line says.
    ///
    /// - Throws: ``ExtenderAccessError``.
    package init(
        listen: String, certificate: String?, key: String?, clientAuthority: String?, isInsecure: Bool
    ) throws(ExtenderAccessError) {
        guard let address = ListenAddress(listen) else { throw .noAddress(listen) }
        self.address = address
        if isInsecure {
            guard certificate == nil, key == nil, clientAuthority == nil else { throw .insecureWithTLS }
            guard address.isLoopback else { throw .insecure(address) }
            tls = nil
            return
        }
        guard let certificate, let key else { throw .noCertificate }
        guard clientAuthority != nil || address.isLoopback else { throw .noAuthority(address) }
        tls = .init(certificate: certificate, key: key, clientAuthority: clientAuthority)
    }
}

/// Why a command line is refused.
package enum ExtenderAccessError: Error, Equatable, Sendable, CustomStringConvertible {
    case noAddress(String)
    case noCertificate
    case noAuthority(ListenAddress)
    case insecure(ListenAddress)
    case insecureWithTLS

    /// What is wrong, and what would be right.
    package var description: String {
        switch self {
        case .noAddress(let text):
            "--listen takes a numeric address and a port, such as 127.0.0.1:8888 or [::1]:8888, not \(text)"
        case .noCertificate:
            "--tls-certificate and --tls-key are needed; --insecure serves plain HTTP on the loopback"
        case .noAuthority(let address):
            "--tls-client-ca is needed with --listen \(address): without it callers are not known, and only the loopback"
                + " is served"
        case .insecure(let address):
            "--insecure serves the loopback only, and --listen is \(address)"
        case .insecureWithTLS:
            "--insecure excludes --tls-certificate, --tls-key and --tls-client-ca"
        }
    }
}
