import Domain
import DomainRPC
import DomainWire
import SwiftProtobuf

/// A domain's orchestrator, as its controller calls it.
package final class OrchestratorClient: Sendable {
    /// The connection, for calls that no honest controller makes.
    package let connection: ServerConnection
    private let deadline: Duration

    /// Prepares to call the orchestrator at `url`; does not connect yet.
    ///
    /// - Parameter deadline: after which a call ends at the latest, answered or not.
    /// - Throws: `ServerConnectionError` where the scheme and the TLS settings do not go together.
    package init(url: ServiceURL, tls: TLSSettings.Client? = nil, within deadline: Duration = .seconds(10)) throws {
        connection = try ServerConnection(url, tls: tls, messageLimit: 256 << 20)
        self.deadline = deadline
    }

    /// Closes the connection, also under calls that wait for their answers.
    package func close() { connection.close() }

    /// Starts a function or resource.
    ///
    /// - Throws: where there is no answer, or one that cannot be understood.
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

    /// Stops one.
    ///
    /// - Parameter kind: the service that is called, right or wrong.
    /// - Throws: where there is no answer, or a status that is an error.
    package func stop(_ id: LogicalID, kind: ComponentKind) async throws {
        try await stop(EdgelessApi_InstanceIdVariant(id), kind: kind)
    }

    /// Leads the outputs of one to others.
    ///
    /// - Parameter kind: the service that is called, right or wrong.
    /// - Throws: where there is no answer, or a status that is an error.
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
