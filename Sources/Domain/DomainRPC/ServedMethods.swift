import Domain
import DomainWire
import GRPCCore
import Logging
import SwiftProtobuf

/// What all methods do alike: say who calls, and turn what goes wrong into a status (domain specification, section 1.4).
struct ServedMethods: Sendable {
    let service: any DomainService
    let logger: Logger
    let denials: Denials
    let ending: Ending
    /// The names of certificates that callers must have one of; nil for anybody.
    var callers: Set<String>?

    init(
        service: any DomainService, logger: Logger, ending: Ending, denials: Denials, callers: Set<String>? = nil
    ) {
        self.service = service
        self.logger = logger
        self.ending = ending
        self.callers = callers
        self.denials = denials
    }

    func serve<Answer>(
        _ context: ServerContext, _ body: () async throws -> Answer
    ) async throws -> Answer {
        let peer = PeerIdentity(context)
        do {
            if let callers, callers.isDisjoint(with: (peer.names ?? []).map { $0.lowercased() }) {
                throw RPCError(
                    code: .permissionDenied,
                    message: "the certificate has none of the names in general.controller_names")
            }
            return try await PeerIdentity.$current.withValue(peer) { try await body() }
        } catch let error as RPCError {
            if error.code == .permissionDenied { denials.tell(of: peer, "\(context.descriptor)", error.message) }
            throw error
        } catch let error as WireError {
            throw RPCError(code: .invalidArgument, message: error.reason)
        } catch {
            logger.error(
                "a request could not be taken",
                metadata: ["method": "\(context.descriptor)", "peer": "\(context.remotePeer)", "error": "\(error)"])
            throw RPCError(code: .internalError, message: "the domain could not take the request")
        }
    }

    /// Starts something. Where nobody waits for the answer any more, nobody will ever name what was started: it is stopped.
    func start(
        _ specification: Specification, _ context: ServerContext
    ) async throws -> Result<LogicalID, DomainRefusal> {
        let answer = try await service.start(specification)
        // Who waits while the server ends still gets the answer, although all calls count as cancelled then.
        guard case .success(let id) = answer, context.cancellation.isCancelled, !ending.hasBegun else { return answer }
        try await service.stop(id, kind: specification.kind)
        logger.notice(
            "stopped again what was started: who asked for it has gone",
            metadata: ["instance": "\(id)", "peer": "\(context.remotePeer)"])
        throw RPCError(code: .cancelled, message: "nobody waited for the answer any more")
    }

    func stop(
        _ request: EdgelessApi_InstanceIdVariant, _ kind: ComponentKind, _ context: ServerContext
    ) async throws -> Google_Protobuf_Empty {
        try await serve(context) {
            try await service.stop(try LogicalID(wire: request), kind: kind)
            return Google_Protobuf_Empty()
        }
    }

    func patch(
        _ request: EdgelessApi_PatchRequest, _ kind: ComponentKind, _ context: ServerContext
    ) async throws -> Google_Protobuf_Empty {
        try await serve(context) {
            let patch = try request.domainPatch()
            try await service.patch(patch.origin, mapping: patch.mapping, kind: kind)
            return Google_Protobuf_Empty()
        }
    }
}

/// The service `FunctionInstance`, for the controller.
struct FunctionService: EdgelessApi_FunctionInstance.SimpleServiceProtocol {
    let methods: ServedMethods
    let binaries: BinaryInterner

    func start(
        request: EdgelessApi_SpawnFunctionRequest, context: ServerContext
    ) async throws -> EdgelessApi_StartComponentResponse {
        try await methods.serve(context) {
            switch await read(request) {
            case .success(let function):
                return EdgelessApi_StartComponentResponse(try await methods.start(.function(function), context))
            case .failure(let error):
                let refusal = DomainRefusal("Invalid function instance creation request", detail: error.reason)
                return EdgelessApi_StartComponentResponse(Result<LogicalID, DomainRefusal>.failure(refusal))
            }
        }
    }

    /// Code from this size on is read apart from the network's threads, whose other connections would wait while it is hashed.
    private static let largeCode = 1 << 20

    private func read(_ request: EdgelessApi_SpawnFunctionRequest) async -> Result<FunctionSpecification, WireError> {
        @Sendable func read() -> Result<FunctionSpecification, WireError> {
            Result { () throws(WireError) in try FunctionSpecification(wire: request, binaries: binaries) }
        }
        guard request.code.binary.count >= Self.largeCode else { return read() }
        return await withTaskExecutorPreference(globalConcurrentExecutor) { read() }
    }

    func stop(request: EdgelessApi_InstanceIdVariant, context: ServerContext) async throws -> Google_Protobuf_Empty {
        try await methods.stop(request, .function, context)
    }

    func patch(request: EdgelessApi_PatchRequest, context: ServerContext) async throws -> Google_Protobuf_Empty {
        try await methods.patch(request, .function, context)
    }
}

/// The service `ResourceConfiguration`, for the controller.
struct ResourceService: EdgelessApi_ResourceConfiguration.SimpleServiceProtocol {
    let methods: ServedMethods

    func start(
        request: EdgelessApi_ResourceInstanceSpecification, context: ServerContext
    ) async throws -> EdgelessApi_StartComponentResponse {
        try await methods.serve(context) {
            let answer: Result<LogicalID, DomainRefusal>
            do {
                answer = try await methods.start(.resource(try ResourceSpecification(wire: request)), context)
            } catch let error as RPCError {
                throw error
            } catch let error as WireError {
                answer = .failure(DomainRefusal("Invalid resource specification", detail: error.reason))
            } catch {
                methods.logger.error("a resource could not be started", metadata: ["error": "\(error)"])
                answer = .failure(DomainRefusal("Resource creation rejected"))
            }
            return EdgelessApi_StartComponentResponse(answer)
        }
    }

    func stop(request: EdgelessApi_InstanceIdVariant, context: ServerContext) async throws -> Google_Protobuf_Empty {
        try await methods.stop(request, .resource, context)
    }

    func patch(request: EdgelessApi_PatchRequest, context: ServerContext) async throws -> Google_Protobuf_Empty {
        try await methods.patch(request, .resource, context)
    }
}

/// The service `NodeRegistration`, for the nodes.
struct RegistrationService: EdgelessApi_NodeRegistration.SimpleServiceProtocol {
    let methods: ServedMethods
    /// Whether a node must have a certificate of its own.
    let bindsNodes: Bool

    func updateNode(
        request: EdgelessApi_UpdateNodeRequest, context: ServerContext
    ) async throws -> EdgelessApi_UpdateNodeResponse {
        try await methods.serve(context) {
            let update = try NodeUpdate(wire: request)
            if bindsNodes, PeerIdentity.current?.isNode(update.node) != true {
                throw RPCError(
                    code: .permissionDenied,
                    message: """
                        the certificate is not that of node \(update.node): it needs the id as a DNS name or as the URI \
                        urn:uuid:\(update.node)
                        """)
            }
            let problem = Self.problem(update.description)
            let refusal = try await methods.service.update(update, problem: problem)
            return EdgelessApi_UpdateNodeResponse(problem ?? refusal)
        }
    }

    /// What is wrong with the URLs of a node; nil where they can be used.
    static func problem(_ description: NodeDescription) -> DomainRefusal? {
        for (field, text) in [("agent_url", description.agentURL), ("invocation_url", description.invocationURL)] {
            func refuse(_ reason: String) -> DomainRefusal {
                DomainRefusal("invalid node configuration", detail: "\(field): \(reason)")
            }
            do throws(WireError) {
                let url = try ServiceURL(text)
                if field == "agent_url", url.scheme == .coap {
                    return refuse("\(text.quoted): agents are not reached over CoAP; http or https is needed")
                }
            } catch {
                return refuse(error.reason)
            }
        }
        return nil
    }
}
