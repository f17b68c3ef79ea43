import Domain
import DomainRPC
import DomainWire
import SwiftProtobuf

/// A controller's client of a domain.
package final class OrchestratorClient: Sendable {
    /// The connection, for calls that no real controller makes.
    package let connection: ServerConnection
    private let deadline: Duration

    /// Prepares to call the orchestrator at `url`; does not connect yet.
    ///
    /// - Parameter deadline: the time limit for a call.
    /// - Throws: `ServerConnectionError` if the scheme and the TLS settings contradict each other.
    package init(url: ServiceURL, tls: TLSSettings.Client? = nil, within deadline: Duration = .seconds(10)) throws {
        connection = try ServerConnection(url, tls: tls, messageLimit: 256 << 20)
        self.deadline = deadline
    }

    /// Closes the connection and ends its calls.
    package func close() { connection.close() }

    /// Starts a function or resource.
    ///
    /// - Throws: if there is no answer, or a malformed one.
    package func start(_ specification: Specification) async throws -> Result<LogicalID, DomainRefusal> {
        try await connection.call(within: deadline) { client, options in
            switch specification {
            case .function(let function):
                try await EdgelessApi_FunctionInstance.Client(wrapping: client)
                    .start(EdgelessApi_SpawnFunctionRequest(function), options: options)
            case .resource(let resource):
                try await EdgelessApi_ResourceConfiguration.Client(wrapping: client)
                    .start(EdgelessApi_ResourceInstanceSpecification(resource), options: options)
            }
        }.domainAnswer()
    }

    /// Stops an instance.
    ///
    /// - Parameter kind: the service to call, right or wrong.
    /// - Throws: if there is no answer, or an error status.
    package func stop(_ id: LogicalID, kind: ComponentKind) async throws {
        try await stop(EdgelessApi_InstanceIdVariant(id), kind: kind)
    }

    /// Sets the wiring of an instance.
    ///
    /// - Parameter kind: the service to call, right or wrong.
    /// - Throws: if there is no answer, or an error status.
    package func patch(_ origin: LogicalID, mapping: [String: LogicalID], kind: ComponentKind) async throws {
        try await patch(EdgelessApi_PatchRequest(origin, mapping: mapping), kind: kind)
    }

    package func stop(_ message: EdgelessApi_InstanceIdVariant, kind: ComponentKind) async throws(CallFailure) {
        _ = try await connection.call(within: deadline) { client, options in
            switch kind {
            case .function:
                try await EdgelessApi_FunctionInstance.Client(wrapping: client).stop(message, options: options)
            case .resource:
                try await EdgelessApi_ResourceConfiguration.Client(wrapping: client).stop(message, options: options)
            }
        }
    }

    package func patch(_ message: EdgelessApi_PatchRequest, kind: ComponentKind) async throws(CallFailure) {
        _ = try await connection.call(within: deadline) { client, options in
            switch kind {
            case .function:
                try await EdgelessApi_FunctionInstance.Client(wrapping: client).patch(message, options: options)
            case .resource:
                try await EdgelessApi_ResourceConfiguration.Client(wrapping: client).patch(message, options: options)
            }
        }
    }
}
