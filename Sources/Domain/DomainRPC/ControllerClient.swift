import Domain
import DomainWire
import GRPCCore
import Synchronization

/// Sends the domain's updates to its controller.
package final class ControllerClient: Sendable {
    private let connection: Mutex<ServerConnection>
    private let url: ServiceURL
    private let tls: TLSSettings.Client?
    private static let messageLimit = 4 << 20

    /// Prepares to call the controller's register at `url`; does not connect yet.
    ///
    /// - Parameter tls: the TLS settings; nil for plaintext.
    /// - Throws: ``ServerConnectionError`` if the scheme and the TLS settings contradict each other.
    package init(url: ServiceURL, tls: TLSSettings.Client? = nil) throws(ServerConnectionError) {
        (self.url, self.tls) = (url, tls)
        connection = Mutex(try ServerConnection(url, tls: tls, messageLimit: Self.messageLimit))
    }

    /// Closes the connection and ends its calls.
    package func close() { connection.withLock { $0 }.close() }

    private func redial(_ old: ServerConnection) {
        guard let fresh = try? ServerConnection(url, tls: tls, messageLimit: Self.messageLimit) else { return }
        connection.withLock { connection in if connection === old { connection = fresh } }
        old.close()
    }

    /// The time limit of an update: below the interval, and so below the announced deadline.
    package static func timeLimit(interval seconds: Int) -> Duration { .milliseconds(min(5_000, seconds * 750)) }

    /// Sends an update and returns the controller's answer, after `deadline` at the latest. After a timeout the
    /// next update uses a new connection: the old one may lead nowhere.
    package func update(_ update: DomainUpdate, within deadline: Duration) async -> DomainUpdateOutcome {
        let message = EdgelessApi_UpdateDomainRequest(update)
        let connection = connection.withLock { $0 }
        do throws(CallFailure) {
            let answer = try await connection.call(within: deadline) { client, options in
                try await EdgelessApi_DomainRegistration.Client(wrapping: client)
                    .updateDomain(message, options: options)
            }
            return DomainUpdateOutcome(wire: answer)
        } catch {
            if case .failed = error {} else { redial(connection) }
            return .failed(error.reason)
        }
    }
}
