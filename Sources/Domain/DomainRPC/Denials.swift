import Logging
internal import NIOCore
import Synchronization

/// Says who was denied what, once for each caller and reason: who is denied tries again and again.
final class Denials: Sendable {
    private struct Denial: Hashable {
        let host: Substring
        let call: String
        let reason: String
    }

    private let told = Mutex<Set<Denial>>([])
    private let logger: Logger
    /// How many are remembered.
    private static let limit = 1_024

    init(logger: Logger) { self.logger = logger }

    /// Says that a call was denied, or a connection that did not come to calls.
    func tell(of peer: PeerIdentity, _ call: String, _ reason: String) {
        // Each connection comes from a port of its own.
        let host = peer.address[..<(peer.address.lastIndex(of: ":") ?? peer.address.endIndex)]
        let isNew = told.withLock { told in
            if told.count >= Self.limit { told = [] }
            return told.insert(Denial(host: host, call: call, reason: reason)).inserted
        }
        guard isNew else { return }
        let names = (peer.names ?? []).joined(separator: ",")
        logger.warning(
            "a call was denied",
            metadata: [
                "peer": "\(peer.address)", "certificate": "\(names)", "method": "\(call)", "why": "\(reason)",
            ])
    }
}

extension PeerIdentity {
    /// Who is at the other end of a connection, in the words of the transport.
    init(_ channel: any Channel) {
        let address = channel.remoteAddress
        let port = address?.port.map { ":\($0)" } ?? ""
        switch address {
        case .v4: self.init(address: "ipv4:\(address?.ipAddress ?? "")\(port)")
        case .v6: self.init(address: "ipv6:[\(address?.ipAddress ?? "")]\(port)")
        case .unixDomainSocket, nil: self.init(address: "unknown")
        }
    }
}
