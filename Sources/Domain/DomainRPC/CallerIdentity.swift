import Domain
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Glibc
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

    /// The client's address without its port, e.g. `10.0.0.7`. Of an IPv6 address it is the network of 64 bits, e.g.
    /// `2001:db8::/64`, within which a host has as many addresses as it likes.
    package var client: String {
        let host = address.drop { $0 != ":" }.dropFirst()
        let bare = host[..<(host.lastIndex(of: ":") ?? host.endIndex)]
        guard bare.hasPrefix("["), bare.hasSuffix("]") else { return String(bare) }
        var binary = in6_addr()
        guard inet_pton(AF_INET6, String(bare.dropFirst().dropLast()), &binary) == 1 else { return String(bare) }
        withUnsafeMutableBytes(of: &binary) { for index in 8..<16 { $0[index] = 0 } }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(AF_INET6, &binary, &text, socklen_t(text.count)) != nil else { return String(bare) }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) + "/64"
    }

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
