import GRPCCore
import Logging
import Synchronization

/// Says who was denied what, once for each caller and reason: who is denied tries again and again.
final class Denials: Sendable {
    private struct Denial: Hashable {
        let host: Substring
        let method: String
        let reason: String
    }

    private let told = Mutex<Set<Denial>>([])
    private let logger: Logger
    /// How many are remembered.
    private static let limit = 1_024

    init(logger: Logger) { self.logger = logger }

    func tell(of peer: PeerIdentity, _ method: MethodDescriptor, _ reason: String) {
        // Each connection comes from a port of its own.
        let host = peer.address[..<(peer.address.lastIndex(of: ":") ?? peer.address.endIndex)]
        let isNew = told.withLock { told in
            if told.count >= Self.limit { told = [] }
            return told.insert(Denial(host: host, method: "\(method)", reason: reason)).inserted
        }
        guard isNew else { return }
        let names = (peer.names ?? []).joined(separator: ",")
        logger.warning(
            "a call was denied",
            metadata: [
                "peer": "\(peer.address)", "certificate": "\(names)", "method": "\(method)", "why": "\(reason)",
            ])
    }
}
