import Domain
import DomainWire
import GRPCCore

/// Sends the domain's updates to its controller.
package final class ControllerClient: Sendable {
    private let connection: ServerConnection

    /// Prepares to call the controller's register at `url`; does not connect yet.
    ///
    /// - Parameter tls: the TLS settings; nil for plaintext.
    /// - Throws: ``ServerConnectionError`` if the scheme and the TLS settings contradict each other.
    package init(url: ServiceURL, tls: TLSSettings.Client? = nil) throws(ServerConnectionError) {
        connection = try ServerConnection(url, tls: tls, messageLimit: 4 << 20)
    }

    /// Closes the connection and ends its calls.
    package func close() { connection.close() }

    /// Sends an update and returns the controller's answer, after `deadline` at the latest.
    package func update(_ update: DomainUpdate, within deadline: Duration) async -> DomainUpdateOutcome {
        let message = EdgelessApi_UpdateDomainRequest(update)
        do throws(CallFailure) {
            let answer = try await connection.call(within: deadline) { client, options in
                try await EdgelessApi_DomainRegistration.Client(wrapping: client)
                    .updateDomain(message, options: options)
            }
            return DomainUpdateOutcome(wire: answer)
        } catch {
            return .failed(error.reason)
        }
    }
}
