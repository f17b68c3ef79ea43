import Domain
import DomainMirror
import DomainRPC
import DomainRuntime
import DomainSettings
import DomainStore
import DomainWire
import Redis

/// The domain as the gRPC server sees it.
struct ServedDomain: DomainService {
    let shell: DomainRuntime
    let hosts: AgentHosts
    let code: CodeStore

    func start(_ specification: Specification) async throws -> Result<LogicalID, DomainRefusal> {
        if case .function(let function) = specification, let binary = function.functionClass.binary,
            !code.holds(binary)
        {
            do {
                // Here, so that a failure is this function's alone; apart from the network's threads, which must not wait.
                try await withTaskExecutorPreference(globalConcurrentExecutor) { try code.keep(binary) }
            } catch {
                return .failure(DomainRefusal("not stored", detail: "The code could not be stored: \(error)"))
            }
        }
        return try await shell.start(specification)
    }

    func stop(_ id: LogicalID, kind: ComponentKind) async throws { try await shell.stop(id) }

    func patch(_ origin: LogicalID, mapping: [String: LogicalID], kind: ComponentKind) async throws {
        try await shell.patch(origin, mapping)
    }

    func update(_ update: NodeUpdate, problem: DomainRefusal?) async throws -> DomainRefusal? {
        try await shell.update(update, problem: problem ?? hosts.problem(with: update.description.agentURL))
    }
}

/// The domain's calls, carried by gRPC.
struct Outside: DomainOutside {
    private let controller: ControllerClient
    private let tls: TLSSettings.Client?
    private let messageLimit: Int

    init(controller url: ServiceURL, tls: TLSSettings.Client?, messageLimit: Int) throws {
        do { controller = try ControllerClient(url: url, tls: tls) } catch {
            printError("\(error)")
            throw Status.configuration
        }
        self.tls = tls
        self.messageLimit = messageLimit
    }

    func close() { controller.close() }

    var executor: (any TaskExecutor)? { LoopExecutor.shared }

    func agent(of node: NodeID, at url: String) throws -> any NodeCaller {
        Agent(agent: try NodeAgent(node: node, url: ServiceURL(url), tls: tls, messageLimit: messageLimit))
    }

    func update(_ update: DomainUpdate) async -> DomainUpdateOutcome {
        await controller.update(update, within: .seconds(5))
    }

    private struct Agent: NodeCaller {
        let agent: NodeAgent

        func call(_ request: NodeCall.Request, within deadline: Duration) async -> CallOutcome {
            await agent.call(request, within: deadline)
        }

        func close() { agent.close() }
    }
}

/// The store as the domain's owner sees it.
final class StoreKeeper: DomainKeeper {
    private let store: DomainStore

    init(_ store: DomainStore) { self.store = store }

    func keep(_ changes: [DomainChange], before: DomainRecords) throws { try store.keep(changes, before: before) }

    var failure: String? { store.failure }

    func maintain(_ records: DomainRecords, isIdle: Bool) { store.maintain(records, isIdle: isIdle) }

    func close(_ records: DomainRecords) { store.close(records) }
}

extension DomainProxy.Settings {
    init(_ configuration: OrchestratorConfiguration, address: RedisAddress) {
        self.init(address: address, domainID: configuration.options.domainID)
        schema = configuration.proxySchema
        retention = configuration.proxyRetention
        dataset = configuration.dataset
    }
}

extension AgentHosts {
    /// Why the agent of a node may not be called; nil where it may.
    func problem(with url: String) -> DomainRefusal? {
        guard !isOpen, let host = (try? ServiceURL(url))?.bareHost, !admits(host) else { return nil }
        return DomainRefusal(
            "invalid node configuration", detail: "agent_url: \(host) is not among general.agent_hosts")
    }
}
