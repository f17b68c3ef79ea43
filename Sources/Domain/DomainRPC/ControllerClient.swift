import Domain
import DomainWire
import GRPCCore
import Synchronization

/// Sends the domain's updates to its controller.
package final class ControllerClient: Sendable {
    private let state: Mutex<State>
    private let url: ServiceURL
    private static let messageLimit = 4 << 20

    private struct State {
        var connection: ServerConnection
        var tls: TLSSettings.Client?
    }

    /// Prepares to call the controller's register at `url`; does not connect yet.
    ///
    /// - Parameter tls: the TLS settings; nil for plaintext.
    /// - Throws: ``ServerConnectionError`` if the scheme and the TLS settings contradict each other.
    package init(url: ServiceURL, tls: TLSSettings.Client? = nil) throws(ServerConnectionError) {
        self.url = url
        state = Mutex(State(connection: try ServerConnection(url, tls: tls, messageLimit: Self.messageLimit), tls: tls))
    }

    /// Closes the connection and ends its calls.
    package func close() { state.withLock { $0.connection }.close() }

    /// Uses a new connection with these TLS settings from the next update on.
    ///
    /// - Throws: ``ServerConnectionError`` if they contradict the scheme; the former ones stay.
    package func reload(tls: TLSSettings.Client?) throws(ServerConnectionError) {
        let fresh = try ServerConnection(url, tls: tls, messageLimit: Self.messageLimit)
        state.withLock { $0 = State(connection: fresh, tls: tls) }
    }

    private func redial(_ old: ServerConnection) {
        let tls = state.withLock { $0.tls }
        guard let fresh = try? ServerConnection(url, tls: tls, messageLimit: Self.messageLimit) else { return }
        state.withLock { state in if state.connection === old { state.connection = fresh } }
        old.close()
    }

    /// The time limit of an update: below the interval, and so below the announced deadline.
    package static func timeLimit(interval seconds: Int) -> Duration { .milliseconds(min(5_000, seconds * 750)) }

    /// Sends an update and returns the controller's answer, after `deadline` at the latest. After a timeout the
    /// next update uses a new connection: the old one may lead nowhere.
    package func update(_ update: DomainUpdate, within deadline: Duration) async -> DomainUpdateOutcome {
        let message = EdgelessApi_UpdateDomainRequest(update)
        let connection = state.withLock { $0.connection }
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
