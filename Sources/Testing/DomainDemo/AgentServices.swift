import Domain
import DomainWire
import GRPCCore
import SwiftProtobuf
import Synchronization

extension NodeCall.Request {
    fileprivate var isPeerUpdate: Bool {
        switch self {
        case .addPeer, .removePeer: true
        case .reset, .start, .stop, .patch: false
        }
    }
}

/// Behaviour shared by all methods of a ``DemoNode``'s agent: records the call, and applies the configured faults.
struct AgentMethods: Sendable {
    let nodeState: DemoNodeState

    func serve<Answer>(
        _ call: NodeCall.Request?, _ body: () throws -> Answer
    ) async throws -> Answer {
        let faults = nodeState.state.withLock { state in
            if let call { state.calls.append(call) }
            return state.faults
        }
        if faults.hangs { try await Task.sleep(for: .seconds(86_400)) }
        if call?.isPeerUpdate == true {
            while nodeState.state.withLock({ $0.faults.holdsPeerUpdates }) {
                try await Task.sleep(for: .milliseconds(10))
            }
        }
        if let delay = faults.delay { try await Task.sleep(for: delay) }
        if faults.fails { throw RPCError(code: .internalError, message: "the node fails, as it was told to") }
        let answer = try body()
        if faults.closesAfterExecuting {
            nodeState.closeConnections()
            throw RPCError(code: .unavailable, message: "closed")
        }
        return answer
    }

    /// Parses a message; a malformed one is INVALID_ARGUMENT.
    func read<Value>(_ body: () throws(WireError) -> Value) throws -> Value {
        do throws(WireError) {
            return try body()
        } catch {
            throw RPCError(code: .invalidArgument, message: error.reason)
        }
    }

    func start(_ specification: Specification) async throws -> EdgelessApi_StartComponentResponse {
        try await serve(.start(specification)) {
            nodeState.start(specification).map { EdgelessApi_StartComponentResponse($0) }
                ?? EdgelessApi_StartComponentResponse()
        }
    }

    /// An EDGELESS node ignores a Stop of an unknown function, and returns INTERNAL for an unknown resource.
    func stop(_ request: EdgelessApi_InstanceIdVariant, _ kind: ComponentKind) async throws -> Google_Protobuf_Empty {
        let id = try read { () throws(WireError) in try PhysicalID(wire: request) }
        return try await serve(.stop(id.component, kind)) {
            guard nodeState.stop(id.component, kind) || kind == .function else {
                throw RPCError(code: .internalError, message: "there is no resource \(id.component)")
            }
            return Google_Protobuf_Empty()
        }
    }

    func patch(_ request: EdgelessApi_PatchRequest, _ kind: ComponentKind) async throws -> Google_Protobuf_Empty {
        let patch = try read { () throws(WireError) in try request.nodePatch() }
        return try await serve(.patch(patch.origin, kind, patch.mapping)) {
            guard nodeState.has(patch.origin, kind) || kind == .function else {
                throw RPCError(code: .internalError, message: "there is no resource \(patch.origin)")
            }
            return Google_Protobuf_Empty()
        }
    }
}

struct AgentFunctions: EdgelessApi_FunctionInstance.SimpleServiceProtocol {
    let agent: AgentMethods
    let binaries = BinaryInterner()

    func start(
        request: EdgelessApi_SpawnFunctionRequest, context: ServerContext
    ) async throws -> EdgelessApi_StartComponentResponse {
        let function = try agent.read { () throws(WireError) in
            try FunctionSpecification(wire: request, binaries: binaries)
        }
        return try await agent.start(.function(function))
    }

    func stop(request: EdgelessApi_InstanceIdVariant, context: ServerContext) async throws -> Google_Protobuf_Empty {
        try await agent.stop(request, .function)
    }

    func patch(request: EdgelessApi_PatchRequest, context: ServerContext) async throws -> Google_Protobuf_Empty {
        try await agent.patch(request, .function)
    }
}

struct AgentResources: EdgelessApi_ResourceConfiguration.SimpleServiceProtocol {
    let agent: AgentMethods

    func start(
        request: EdgelessApi_ResourceInstanceSpecification, context: ServerContext
    ) async throws -> EdgelessApi_StartComponentResponse {
        try await agent.start(.resource(try ResourceSpecification(wire: request)))
    }

    func stop(request: EdgelessApi_InstanceIdVariant, context: ServerContext) async throws -> Google_Protobuf_Empty {
        try await agent.stop(request, .resource)
    }

    func patch(request: EdgelessApi_PatchRequest, context: ServerContext) async throws -> Google_Protobuf_Empty {
        try await agent.patch(request, .resource)
    }
}

struct AgentManagement: EdgelessApi_NodeManagement.SimpleServiceProtocol {
    let agent: AgentMethods

    func updatePeers(
        request: EdgelessApi_UpdatePeersRequest, context: ServerContext
    ) async throws -> Google_Protobuf_Empty {
        let update = try agent.read { () throws(WireError) in try PeerUpdate(wire: request) }
        let call: NodeCall.Request? =
            switch update {
            case .add(let node, let url): .addPeer(node, invocationURL: url)
            case .remove(let node): .removePeer(node)
            case .clear: nil
            }
        return try await agent.serve(call) {
            agent.nodeState.update(update)
            return Google_Protobuf_Empty()
        }
    }

    func reset(request: Google_Protobuf_Empty, context: ServerContext) async throws -> Google_Protobuf_Empty {
        try await agent.serve(.reset) {
            agent.nodeState.reset()
            return Google_Protobuf_Empty()
        }
    }
}
