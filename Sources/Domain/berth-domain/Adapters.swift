import Domain
import DomainMirror
import DomainRPC
import DomainRuntime
import DomainSettings
import DomainStore
import DomainWire
import Redis

/// Serves a ``DomainRuntime`` over gRPC.
struct ServedDomain: DomainService {
    let runtime: DomainRuntime
    let hosts: AgentHosts
    let code: CodeStore

    func start(_ specification: Specification) async throws -> Result<LogicalID, DomainRefusal> {
        if case .function(let function) = specification, let binary = function.functionClass.binary,
            !code.holds(binary)
        {
            do {
                // Stored here, so that a failure concerns this function only, and off the event loop threads, which
                // must not block.
                try await withTaskExecutorPreference(globalConcurrentExecutor) { try code.store(binary) }
            } catch {
                return .failure(DomainRefusal("not stored", detail: "The code could not be stored: \(error)"))
            }
        }
        return try await runtime.start(specification)
    }

    func stop(_ id: LogicalID, kind: ComponentKind) async throws { try await runtime.stop(id) }

    func patch(_ origin: LogicalID, mapping: [String: LogicalID], kind: ComponentKind) async throws {
        try await runtime.patch(origin, mapping)
    }

    func update(_ update: NodeUpdate, problem: DomainRefusal?) async throws -> DomainRefusal? {
        try await runtime.update(update, problem: problem ?? hosts.problem(with: update.description.agentURL))
    }
}

/// Calls nodes and the controller over gRPC.
struct GRPCDomainTransport: DomainTransport {
    private let controller: ControllerClient
    private let tls: TLSSettings.Client?
    private let messageLimit: Int

    private let timeLimit: Duration

    init(controller url: ServiceURL, interval: Int, tls: TLSSettings.Client?, messageLimit: Int) throws {
        do { controller = try ControllerClient(url: url, tls: tls) } catch {
            printError("\(error)")
            throw Status.configuration
        }
        self.tls = tls
        self.messageLimit = messageLimit
        timeLimit = ControllerClient.timeLimit(interval: interval)
    }

    func close() { controller.close() }

    var executor: (any TaskExecutor)? { LoopExecutor.shared }

    func client(of node: NodeID, at url: String) throws -> any NodeClient {
        try NodeAgent(node: node, url: ServiceURL(url), tls: tls, messageLimit: messageLimit)
    }

    func update(_ update: DomainUpdate) async -> DomainUpdateOutcome {
        await controller.update(update, within: timeLimit)
    }
}

extension NodeAgent: NodeClient {}

extension DomainStore: DomainRecordStore {}

extension DomainProxy.Settings {
    init(_ configuration: OrchestratorConfiguration, address: RedisAddress) {
        self.init(address: address, domainID: configuration.options.domainID)
        schema = configuration.proxySchema
        retention = configuration.proxyRetention
        dataset = configuration.dataset
    }
}

extension AgentHosts {
    /// Why the agent at this URL may not be called; nil if it may.
    func problem(with url: String) -> DomainRefusal? {
        guard !isOpen, let host = (try? ServiceURL(url))?.bareHost, !admits(host) else { return nil }
        return DomainRefusal(
            "invalid node configuration", detail: "agent_url: \(host) is not among general.agent_hosts")
    }
}
