import Domain
import DomainWire
import GRPCCore
import SwiftProtobuf

/// Asks the controller about its workflows.
package final class WorkflowClient: Sendable {
    /// Why there is no answer.
    package enum Failure: Error, Hashable, Sendable, CustomStringConvertible {
        /// The controller refuses, for example because it does not know the workflow.
        case refused(String)
        /// The controller cannot be reached, or did not answer in time.
        case unreachable(String)

        /// The failure as a sentence.
        package var description: String {
            switch self {
            case .refused(let reason): "the controller refuses: \(reason)"
            case .unreachable(let reason): "the controller cannot be reached: \(reason)"
            }
        }
    }

    private let connection: ServerConnection
    private let deadline: Duration

    /// Prepares to call the controller at `url`; does not connect yet.
    ///
    /// - Parameters:
    ///   - tls: the TLS settings; nil for plaintext.
    ///   - deadline: the time limit for a call.
    /// - Throws: ``ServerConnectionError`` if the scheme and the TLS settings contradict each other.
    package init(
        url: ServiceURL, tls: TLSSettings.Client? = nil, within deadline: Duration = .seconds(5)
    ) throws(ServerConnectionError) {
        connection = try ServerConnection(url, tls: tls, messageLimit: 4 << 20)
        self.deadline = deadline
    }

    /// Closes the connection and ends its calls.
    package func close() { connection.close() }

    /// The ids of its workflows, sorted.
    package func list() async throws(Failure) -> [String] {
        try await call { client, options in
            try await EdgelessApi_WorkflowInstance.Client(wrapping: client)
                .list(Google_Protobuf_Empty(), options: options)
        }.identifiers.sorted()
    }

    /// The components of a workflow, and the domain of each.
    package func inspect(_ workflow: String) async throws(Failure) -> WorkflowStatus {
        let request = EdgelessApi_WorkflowId.with { $0.workflowID = workflow }
        return WorkflowStatus(
            wire: try await call { client, options in
                // The answer repeats the request, including the code of all functions.
                var options = options
                options.maxResponseMessageBytes = 256 << 20
                return try await EdgelessApi_WorkflowInstance.Client(wrapping: client)
                    .inspect(request, options: options)
            })
    }

    private func call<Answer: Sendable>(
        _ body: @escaping @Sendable (ServerConnection.Client, CallOptions) async throws -> Answer
    ) async throws(Failure) -> Answer {
        do throws(CallFailure) {
            return try await connection.call(within: deadline, body)
        } catch {
            switch error {
            case .failed(let reason): throw .refused(reason)
            case .unreachable(let reason), .unknown(let reason), .overdue(let reason): throw .unreachable(reason)
            }
        }
    }
}
