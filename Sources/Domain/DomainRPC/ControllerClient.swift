import Domain
import DomainWire
import GRPCCore

/// The controller of the domain, which is told regularly what the domain can do.
package final class ControllerClient: Sendable {
    private let peer: Peer

    /// Prepares to call the controller's register at `url`; does not connect yet.
    ///
    /// - Parameter tls: how calls are protected; nil for plaintext.
    /// - Throws: ``PeerError`` where the scheme and the TLS settings do not go together.
    package init(url: ServiceURL, tls: TLSSettings.Client? = nil) throws(PeerError) {
        peer = try Peer(url, tls: tls, messageLimit: 4 << 20)
    }

    /// Closes the connection, also under calls that wait for their answers.
    package func close() { peer.close() }

    /// Sends an update, and answers what the controller did, after `deadline` at the latest.
    package func update(_ update: DomainUpdate, within deadline: Duration) async -> DomainUpdateOutcome {
        let message = EdgelessApi_UpdateDomainRequest(update)
        do throws(CallFailure) {
            let answer = try await peer.call(within: deadline) { client, options in
                try await EdgelessApi_DomainRegistration.Client(wrapping: client)
                    .updateDomain(message, options: options)
            }
            return DomainUpdateOutcome(wire: answer)
        } catch {
            return .failed(error.reason)
        }
    }
}
