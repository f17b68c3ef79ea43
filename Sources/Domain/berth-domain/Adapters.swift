import Domain
import DomainMirror
import DomainRPC
import DomainRuntime
import DomainSettings
import DomainStore
import DomainWire
import Redis
import Synchronization

/// Serves a ``DomainRuntime`` over gRPC.
struct ServedDomain: DomainService {
    let runtime: DomainRuntime
    let hosts: AgentHosts
    let code: CodeStore
    let audit: DomainAudit

    func start(_ specification: Specification) async throws -> Result<LogicalID, DomainRefusal> {
        let answer = try await place(specification)
        audit.started(specification, answer)
        return answer
    }

    private func place(_ specification: Specification) async throws -> Result<LogicalID, DomainRefusal> {
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

    func stop(_ id: LogicalID, kind: ComponentKind) async throws {
        try await audited("stop", kind, id) { try await runtime.stop(id) }
    }

    func patch(_ origin: LogicalID, mapping: [String: LogicalID], kind: ComponentKind) async throws {
        try await audited("patch", kind, origin) { try await runtime.patch(origin, mapping) }
    }

    private func audited(
        _ action: String, _ kind: ComponentKind, _ id: LogicalID, _ body: () async throws -> Void
    ) async throws {
        do { try await body() } catch {
            audit.changed(action, kind, id, problem: "\(error)")
            throw error
        }
        audit.changed(action, kind, id, problem: nil)
    }

    func update(_ update: NodeUpdate, problem: DomainRefusal?) async throws -> DomainRefusal? {
        try await runtime.update(update, problem: problem ?? hosts.problem(with: update.description.agentURL))
    }
}

/// Calls nodes and the controller over gRPC.
final class GRPCDomainTransport: DomainTransport {
    /// What a reload can change.
    struct Settings: Sendable {
        /// The interval of controller updates, in seconds.
        var interval: Int
        /// The TLS settings; nil for plaintext.
        var tls: TLSSettings.Client?
        /// The maximum size of a message, in bytes.
        var messageLimit: Int
    }

    private let url: ServiceURL
    private let controller: ControllerClient
    private let settings: Mutex<Settings>
    private let audit: DomainAudit

    /// - Parameter url: the controller's domain register.
    init(controller url: ServiceURL, _ settings: Settings, audit: DomainAudit) throws(ServerConnectionError) {
        self.url = url
        controller = try ControllerClient(url: url, tls: settings.tls)
        self.settings = Mutex(settings)
        self.audit = audit
    }

    /// Uses other settings for new connections.
    ///
    /// - Throws: `ServerConnectionError` if they contradict the controller's URL; the former ones stay.
    func reload(_ settings: Settings) throws(ServerConnectionError) {
        try controller.reload(tls: settings.tls)
        self.settings.withLock { $0 = settings }
    }

    func close() { controller.close() }

    var executor: (any TaskExecutor)? { LoopExecutor.shared }

    func client(of node: NodeID, at url: String) throws -> any NodeClient {
        let settings = settings.withLock { $0 }
        return try NodeAgent(
            node: node, url: ServiceURL(url), tls: settings.tls, messageLimit: settings.messageLimit)
    }

    func update(_ update: DomainUpdate) async -> DomainUpdateOutcome {
        let interval = settings.withLock { $0.interval }
        let outcome = await controller.update(update, within: ControllerClient.timeLimit(interval: interval))
        if outcome == .reset { audit.resetDomain(by: "\(url)") }
        return outcome
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
