import Domain
import DomainWire
import GRPCCore
import SwiftProtobuf

/// A client of one node's agent, over one connection.
package final class NodeAgent: Sendable {
    /// Which node.
    package let node: NodeID
    private let connection: ServerConnection

    /// Prepares to call the agent of `node` at `url`; does not connect yet.
    ///
    /// - Parameters:
    ///   - tls: the TLS settings; nil for plaintext.
    ///   - messageLimit: the maximum size of a message, in bytes.
    /// - Throws: ``ServerConnectionError`` if the scheme and the TLS settings contradict each other.
    package init(
        node: NodeID, url: ServiceURL, tls: TLSSettings.Client? = nil, messageLimit: Int = 256 << 20
    ) throws(ServerConnectionError) {
        self.node = node
        connection = try ServerConnection(url, tls: tls, messageLimit: messageLimit)
    }

    /// Closes the connection and ends its calls.
    package func close() { connection.close() }

    /// Makes a call.
    ///
    /// - Parameters:
    ///   - deadline: the time limit.
    ///   - late: takes the outcome of a Start that is overdue; nil to give up such a Start.
    /// - Returns: the outcome. A started component is on the node named in the answer, which may be another one.
    package func call(
        _ request: NodeCall.Request, within deadline: Duration, late: (@Sendable (CallOutcome) -> Void)? = nil
    ) async -> CallOutcome {
        do throws(CallFailure) {
            switch request {
            case .reset:
                _ = try await connection.call(within: deadline) { client, options in
                    try await EdgelessApi_NodeManagement.Client(wrapping: client)
                        .reset(Google_Protobuf_Empty(), options: options)
                }
            case .addPeer(let peer, let url):
                try await update(.add(peer, invocationURL: url), deadline)
            case .removePeer(let peer):
                try await update(.remove(peer), deadline)
            case .start(let specification):
                return await start(specification, deadline, late)
            case .stop(let component, let kind):
                let message = EdgelessApi_InstanceIdVariant(PhysicalID(node: node, component: component))
                _ = try await connection.call(within: deadline) { client, options in
                    switch kind {
                    case .function:
                        try await EdgelessApi_FunctionInstance.Client(wrapping: client).stop(message, options: options)
                    case .resource:
                        try await EdgelessApi_ResourceConfiguration.Client(wrapping: client)
                            .stop(message, options: options)
                    }
                }
            case .patch(let component, let kind, let mapping):
                let message = EdgelessApi_PatchRequest(component, mapping: mapping)
                _ = try await connection.call(within: deadline) { client, options in
                    switch kind {
                    case .function:
                        try await EdgelessApi_FunctionInstance.Client(wrapping: client).patch(message, options: options)
                    case .resource:
                        try await EdgelessApi_ResourceConfiguration.Client(wrapping: client)
                            .patch(message, options: options)
                    }
                }
            }
            return .done
        } catch {
            return CallOutcome(error)
        }
    }

    private func update(_ update: PeerUpdate, _ deadline: Duration) async throws(CallFailure) {
        let message = EdgelessApi_UpdatePeersRequest(update)
        _ = try await connection.call(within: deadline) { client, options in
            try await EdgelessApi_NodeManagement.Client(wrapping: client).updatePeers(message, options: options)
        }
    }

    private func start(
        _ specification: Specification, _ deadline: Duration, _ late: (@Sendable (CallOutcome) -> Void)?
    ) async -> CallOutcome {
        let take = late.map { late in
            { @Sendable (result: Result<EdgelessApi_StartComponentResponse, CallFailure>) in late(Self.outcome(result))
            }
        }
        let result: Result<EdgelessApi_StartComponentResponse, CallFailure>
        do throws(CallFailure) {
            result = .success(
                try await connection.call(within: deadline, late: take) { client, options in
                    switch specification {
                    case .function(let function):
                        try await EdgelessApi_FunctionInstance.Client(wrapping: client)
                            .start(EdgelessApi_SpawnFunctionRequest(function), options: options)
                    case .resource(let resource):
                        try await EdgelessApi_ResourceConfiguration.Client(wrapping: client)
                            .start(EdgelessApi_ResourceInstanceSpecification(resource), options: options)
                    }
                })
        } catch { result = .failure(error) }
        return Self.outcome(result)
    }

    private static func outcome(_ result: Result<EdgelessApi_StartComponentResponse, CallFailure>) -> CallOutcome {
        do throws(CallFailure) {
            let answer = try result.get()
            do throws(WireError) {
                switch try answer.nodeAnswer() {
                case .success(let id): return .started(id)
                case .failure(let refusal): return .refused(refusal)
                }
            } catch {
                // The node has started something without saying what.
                return .unknown("the node's answer cannot be parsed: \(error.reason)")
            }
        } catch {
            return CallOutcome(error)
        }
    }
}

extension CallOutcome {
    fileprivate init(_ failure: CallFailure) {
        switch failure {
        case .failed(let reason): self = .failed(reason)
        case .unreachable(let reason): self = .unreachable(reason)
        case .unknown(let reason): self = .unknown(reason)
        case .overdue(let reason): self = .overdue(reason)
        }
    }
}
