import Domain
import DomainDemo
import DomainRPC
import DomainWire
import GRPCCore
import Logging
import Synchronization

/// A domain that records requests and gives configured answers.
final class StubService: DomainService {
    struct Broken: Error {}

    struct State {
        var asked: [String] = []
        var updates: [NodeUpdate] = []
        var problems: [DomainRefusal?] = []
        var specifications: [Specification] = []
        var peers: [CallerIdentity?] = []
        var mappings: [[String: LogicalID]] = []
        var answer: Result<LogicalID, DomainRefusal> = .success(LogicalID(high: 1, low: 2))
        /// Whether each Start returns its own id (1, 2, …) instead of `answer`.
        var countsUp = false
        var started: UInt64 = 0
        var refusal: DomainRefusal?
        var isBroken = false
        var delay: Duration?
        /// Whether requests wait until their caller has disconnected.
        var waitsForGoing = false
    }

    let state = Mutex(State())

    private func take(_ text: String, _ change: (inout State) -> Void = { _ in }) async throws {
        let (isBroken, delay, waitsForGoing) = state.withLock { state in
            state.asked.append(text)
            state.peers.append(CallerIdentity.current)
            change(&state)
            return (state.isBroken, state.delay, state.waitsForGoing)
        }
        if waitsForGoing {
            let (ends, end) = AsyncStream<Void>.makeStream()
            await withRPCCancellationHandler {
                for await _ in ends { break }
            } onCancelRPC: {
                end.finish()
            }
        }
        if let delay { try await Task.sleep(for: delay) }
        if isBroken { throw Broken() }
    }

    func start(_ specification: Specification) async throws -> Result<LogicalID, DomainRefusal> {
        try await take("start \(specification.kind)") { $0.specifications.append(specification) }
        return state.withLock { state in
            guard state.countsUp, case .success = state.answer else { return state.answer }
            state.started += 1
            return .success(LogicalID(high: 0, low: state.started))
        }
    }

    func stop(_ id: LogicalID, kind: ComponentKind) async throws { try await take("stop \(kind) \(id)") }

    func patch(_ origin: LogicalID, mapping: [String: LogicalID], kind: ComponentKind) async throws {
        try await take("patch \(kind) \(origin)") { $0.mappings.append(mapping) }
    }

    func update(_ update: NodeUpdate, problem: DomainRefusal?) async throws -> DomainRefusal? {
        try await take("update \(update.node)") { state in
            state.updates.append(update)
            state.problems.append(problem)
        }
        return state.withLock { $0.refusal }
    }

    var asked: [String] { state.withLock { $0.asked } }
}

/// A server of a ``StubService`` on the loopback interface, and its clients.
struct Serving: Sendable {
    let stub = StubService()
    let server: DomainServer
    let orchestrator: OrchestratorClient
    let register: ServerConnection

    static let url = ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: 0)

    static func settings(_ scheme: ServiceURL.Scheme = .http) -> DomainServer.Settings {
        let url = ServiceURL(scheme: scheme, host: .ipv4("127.0.0.1"), port: 0)
        return DomainServer.Settings(orchestratorURL: url, nodeRegisterURL: url)
    }

    init(_ settings: DomainServer.Settings = settings(), tls: TLSSettings.Client? = nil) throws {
        server = try DomainServer(
            stub, settings: settings, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let scheme: ServiceURL.Scheme = tls == nil ? .http : .https
        orchestrator = try OrchestratorClient(
            url: ServiceURL(scheme: scheme, host: .ipv4("127.0.0.1"), port: server.orchestratorPort), tls: tls)
        register = try ServerConnection(
            ServiceURL(scheme: scheme, host: .ipv4("127.0.0.1"), port: server.nodeRegisterPort), tls: tls,
            messageLimit: 4 << 20)
    }

    func update(_ message: EdgelessApi_UpdateNodeRequest) async throws -> DomainRefusal? {
        try await register.call(within: .seconds(20)) { client, options in
            try await EdgelessApi_NodeRegistration.Client(wrapping: client).updateNode(message, options: options)
        }.refusal
    }

    func stop() async {
        orchestrator.close()
        register.close()
        await server.stop(within: .milliseconds(200))
    }

    /// Serves while `body` runs.
    static func serving(
        _ settings: DomainServer.Settings = settings(), tls: TLSSettings.Client? = nil,
        _ body: (Serving) async throws -> Void
    ) async throws {
        let serving = try Serving(settings, tls: tls)
        do {
            try await body(serving)
        } catch {
            await serving.stop()
            throw error
        }
        await serving.stop()
    }
}

/// A failure with a text.
func failure(_ body: () async throws -> Void) async -> String? {
    do {
        try await body()
        return nil
    } catch let error as CallFailure {
        return "\(error)"
    } catch {
        return "unexpected: \(error)"
    }
}

enum Sample {
    static let function = FunctionSpecification(
        functionClass: FunctionClass(id: "f", runtime: "RUST_WASM", version: "1", outputs: ["out"]),
        annotations: ["label_match_all": "red"], stateID: StateID(high: 3, low: 4), statePolicy: .nodeLocal,
        workflowID: "w")
    static let resource = ResourceSpecification(classType: "redis", configuration: ["url": "x"], workflowID: "w")
    static let node = NodeID(high: 5, low: 6)

    static func update(agent: String = "http://127.0.0.1:7005", invocation: String = "http://127.0.0.1:7006")
        -> NodeUpdate
    {
        NodeUpdate(
            node: node, description: NodeDescription(agentURL: agent, invocationURL: invocation), refreshDeadline: 1,
            nonce: 2)
    }

    static func binary(_ size: Int) -> FunctionSpecification {
        var function = function
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        function.functionClass.binary = Binary(digest: "", bytes: bytes)
        return function
    }
}
