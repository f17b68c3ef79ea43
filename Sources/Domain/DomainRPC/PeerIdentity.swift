import Domain
import GRPCCore
import GRPCNIOTransportHTTP2Posix
internal import X509

/// Who calls, as far as the connection proves it.
package struct PeerIdentity: Hashable, Sendable {
    /// The address that the call comes from, e.g. `ipv4:10.0.0.7:40112`.
    package var address: String
    /// The DNS names and URIs of the caller's certificate; nil where there is none, because clients need none.
    package var names: [String]?

    /// A caller.
    package init(address: String, names: [String]? = nil) {
        self.address = address
        self.names = names
    }

    /// Who makes the call that is being served in this task.
    @TaskLocal package static var current: PeerIdentity?

    /// Whether one of the names is this node: its id alone, or `urn:uuid:` and its id.
    package func isNode(_ node: NodeID) -> Bool { names?.contains { NodeID($0) == node } ?? false }
}

extension PeerIdentity {
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
