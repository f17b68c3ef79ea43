import Domain
import DomainWire
import GRPCCore
import Logging
import SwiftProtobuf

/// Behaviour shared by all methods: identifies the caller, and converts errors to a status (domain specification,
/// section 1.4).
struct ServedMethods: Sendable {
    let service: any DomainService
    let logger: Logger
    let denialLog: DenialLog
    let shutdown: ShutdownFlag
    /// The certificate names of which a caller must have one; nil for every caller.
    var callers: Set<String>?

    init(
        service: any DomainService, logger: Logger, shutdown: ShutdownFlag, denialLog: DenialLog,
        callers: Set<String>? = nil
    ) {
        self.service = service
        self.logger = logger
        self.shutdown = shutdown
        self.callers = callers
        self.denialLog = denialLog
    }

    func serve<Answer>(
        _ context: ServerContext, _ body: () async throws -> Answer
    ) async throws -> Answer {
        let caller = CallerIdentity(context)
        do {
            if let callers, callers.isDisjoint(with: (caller.names ?? []).map { $0.lowercased() }) {
                throw RPCError(
                    code: .permissionDenied,
                    message: "the certificate has none of the names in general.controller_names")
            }
            return try await CallerIdentity.$current.withValue(caller) { try await body() }
        } catch let error as RPCError {
            if error.code == .permissionDenied { denialLog.log(caller, "\(context.descriptor)", error.message) }
            throw error
        } catch let error as WireError {
            throw RPCError(code: .invalidArgument, message: error.reason)
        } catch {
            logger.error(
                "a request failed",
                metadata: ["method": "\(context.descriptor)", "caller": "\(context.remotePeer)", "error": "\(error)"])
            throw RPCError(code: .internalError, message: "the domain could not handle the request")
        }
    }

    /// Starts an instance. If the caller has disconnected, nobody will ever refer to the new instance, so it is
    /// stopped.
    func start(
        _ specification: Specification, _ context: ServerContext
    ) async throws -> Result<LogicalID, DomainRefusal> {
        let answer = try await service.start(specification)
        // During a shutdown all calls count as cancelled, but their callers still receive the answer.
        guard case .success(let id) = answer, context.cancellation.isCancelled, !shutdown.hasBegun else {
            return answer
        }
        try await service.stop(id, kind: specification.kind)
        logger.notice(
            "stopped a new instance because its caller has disconnected",
            metadata: ["instance": "\(id)", "caller": "\(context.remotePeer)"])
        throw RPCError(code: .cancelled, message: "the caller disconnected")
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

/// The service `FunctionInstance` for the controller.
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

    /// From this size on, code is hashed off the event loop threads, because other connections would have to wait.
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

/// The service `ResourceConfiguration` for the controller.
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

/// The service `NodeRegistration` for nodes.
struct RegistrationService: EdgelessApi_NodeRegistration.SimpleServiceProtocol {
    let methods: ServedMethods
    /// Whether a node needs its own certificate.
    let bindsNodes: Bool

    func updateNode(
        request: EdgelessApi_UpdateNodeRequest, context: ServerContext
    ) async throws -> EdgelessApi_UpdateNodeResponse {
        try await methods.serve(context) {
            var update = try NodeUpdate(wire: request)
            update.client = CallerIdentity.current?.client ?? ""
            if bindsNodes, CallerIdentity.current?.isNode(update.node) != true {
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

    /// What is wrong with a node's URLs; nil if they can be used.
    static func problem(_ description: NodeDescription) -> DomainRefusal? {
        for (field, text) in [("agent_url", description.agentURL), ("invocation_url", description.invocationURL)] {
            func refuse(_ reason: String) -> DomainRefusal {
                DomainRefusal("invalid node configuration", detail: "\(field): \(reason)")
            }
            do throws(WireError) {
                let url = try ServiceURL(text)
                if field == "agent_url", url.scheme == .coap {
                    return refuse("\(text.quoted): agents cannot be called over CoAP; use http or https")
                }
            } catch {
                return refuse(error.reason)
            }
        }
        return nil
    }
}
