import Domain
import GRPCCore
import GRPCNIOTransportHTTP2Posix
internal import X509

/// The identity of a caller, as far as the connection proves it.
package struct CallerIdentity: Hashable, Sendable {
    /// The address that the call comes from, e.g. `ipv4:10.0.0.7:40112`.
    package var address: String
    /// The DNS names and URIs of the caller's certificate; nil if clients need no certificate.
    package var names: [String]?

    /// Creates an identity.
    package init(address: String, names: [String]? = nil) {
        self.address = address
        self.names = names
    }

    /// The caller of the request that is served by the current task.
    @TaskLocal package static var current: CallerIdentity?

    /// Whether one of the names is this node's id, alone or after `urn:uuid:`.
    package func isNode(_ node: NodeID) -> Bool { names?.contains { NodeID($0) == node } ?? false }
}

extension CallerIdentity {
    init(_ context: ServerContext) {
        self.init(address: context.remotePeer)
        let transport = context.transportSpecific as? HTTP2ServerTransport.Posix.Context
        guard let certificate = transport?.peerCertificate else { return }
        let alternatives = try? certificate.extensions.subjectAlternativeNames
        names = (alternatives.map { Array($0) } ?? []).compactMap { name in
            switch name {
            case .dnsName(let text), .uniformResourceIdentifier(let text): text
            default: nil
            }
        }
    }
}
