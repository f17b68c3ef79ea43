import Domain
import DomainWire
import GRPCCore
import SwiftProtobuf

/// The controller, asked about its workflows.
package final class WorkflowClient: Sendable {
    /// Why there is no answer.
    package enum Failure: Error, Hashable, Sendable, CustomStringConvertible {
        /// The controller says no: it does not know the workflow, for one.
        case refused(String)
        /// It cannot be reached, or did not answer in time.
        case unreachable(String)

        /// One sentence.
        package var description: String {
            switch self {
            case .refused(let reason): "the controller refuses: \(reason)"
            case .unreachable(let reason): "the controller cannot be reached: \(reason)"
            }
        }
    }

    private let peer: Peer
    private let deadline: Duration

    /// Prepares to call the controller at `url`; does not connect yet.
    ///
    /// - Parameters:
    ///   - tls: how calls are protected; nil for plaintext.
    ///   - deadline: after which a call ends at the latest, answered or not.
    /// - Throws: ``PeerError`` where the scheme and the TLS settings do not go together.
    package init(
        url: ServiceURL, tls: TLSSettings.Client? = nil, within deadline: Duration = .seconds(5)
    ) throws(PeerError) {
        peer = try Peer(url, tls: tls, messageLimit: 4 << 20)
        self.deadline = deadline
    }

    /// Closes the connection, also under calls that wait for their answers.
    package func close() { peer.close() }

    /// The ids of the workflows that it runs, sorted.
    package func list() async throws(Failure) -> [String] {
        try await call { client, options in
            try await EdgelessApi_WorkflowInstance.Client(wrapping: client)
                .list(Google_Protobuf_Empty(), options: options)
        }.identifiers.sorted()
    }

    /// What a workflow is made of, and which domain runs each part.
    package func inspect(_ workflow: String) async throws(Failure) -> WorkflowStatus {
        let request = EdgelessApi_WorkflowId.with { $0.workflowID = workflow }
        return WorkflowStatus(
            wire: try await call { client, options in
                // The answer repeats the request, with the code of all functions.
                var options = options
                options.maxResponseMessageBytes = 256 << 20
                return try await EdgelessApi_WorkflowInstance.Client(wrapping: client)
                    .inspect(request, options: options)
            })
    }

    private func call<Answer: Sendable>(
        _ body: @escaping @Sendable (Peer.Client, CallOptions) async throws -> Answer
    ) async throws(Failure) -> Answer {
        do throws(CallFailure) {
            return try await peer.call(within: deadline, body)
        } catch {
            switch error {
            case .failed(let reason): throw .refused(reason)
            case .unreachable(let reason), .unknown(let reason): throw .unreachable(reason)
            }
        }
    }
}
