import Domain
import DomainRPC
import DomainRuntime
import DomainSettings
import DomainStore
import Logging
import Redis
import Service

/// Reads configuration and certificates anew while the domain serves.
struct DomainReload {
    let process: DomainProcess
    let runtime: DomainRuntime
    let transport: GRPCDomainTransport
    let server: DomainServer
    let code: CodeStore
    let audit: DomainAudit
    let log: Logger
    /// What is in use.
    private var configuration: OrchestratorConfiguration
    private var tls: TLSSettings
    /// The content of the certificates and keys in use; nil if they could not be read.
    private var certificates: [[UInt8]]?

    init(
        process: DomainProcess, runtime: DomainRuntime, transport: GRPCDomainTransport, server: DomainServer,
        code: CodeStore, audit: DomainAudit, log: Logger, configuration: OrchestratorConfiguration, tls: TLSSettings
    ) {
        (self.process, self.runtime, self.transport, self.server) = (process, runtime, transport, server)
        (self.code, self.audit, self.log) = (code, audit, log)
        (self.configuration, self.tls) = (configuration, tls)
        certificates = try? tls.contents()
    }

    /// Applies what can be changed. If anything is wrong, everything stays as it was.
    mutating func run() async {
        do { try audit.reopen() } catch {
            log.error("the audit log cannot be opened anew", metadata: ["reason": "\(error)"])
        }
        do { try await apply() } catch {
            log.error("the configuration was not reloaded, and stays as it was", metadata: ["reason": "\(error)"])
        }
    }

    private mutating func apply() async throws {
        let (fresh, freshTLS) = try process.readSettings(log, isReload: true)
        // A domain that was started with such an address can still renew its certificates.
        if let problem = fresh.redisProblem, configuration.redisProblem == nil {
            throw ConfigurationError("\(process.configFile): proxy.redis_url: \(problem)")
        }
        let contents = try freshTLS.contents()
        let changes = fresh.changes(from: configuration)
        let isRenewed = freshTLS != tls || contents != certificates
        // The addresses stay until a restart.
        var served = fresh
        (served.orchestratorURL, served.nodeRegisterURL) = (
            configuration.orchestratorURL, configuration.nodeRegisterURL
        )
        let settings = try process.serverSettings(served, freshTLS, log)
        // First what may fail.
        try transport.reload(GRPCDomainTransport.Settings(fresh, freshTLS))
        let serverKeys: Set = ["general.controller_names", "general.agent_hosts", "general.message_limit_bytes"]
        if isRenewed || !serverKeys.isDisjoint(with: changes.applied) {
            try await server.reload(
                ServedDomain(runtime: runtime, hosts: AgentHosts(fresh.agentHosts), code: code, audit: audit),
                settings: settings)
        }
        runtime.configure(fresh.options, callDeadline: .seconds(fresh.callDeadline), reconnects: isRenewed)
        configuration.take(fresh)
        (tls, certificates) = (freshTLS, contents)
        log.notice(
            "configuration reloaded",
            metadata: [
                "changed": "\((changes.applied + (isRenewed ? ["certificates"] : [])).joined(separator: ","))",
                "waiting_for_restart": "\(changes.waiting.joined(separator: ","))",
            ])
    }
}

extension GRPCDomainTransport.Settings {
    init(_ configuration: OrchestratorConfiguration, _ tls: TLSSettings) {
        self.init(
            interval: configuration.options.refreshInterval, tls: tls.client, messageLimit: configuration.messageLimit)
    }
}

extension OrchestratorConfiguration {
    /// The address of Redis without its password.
    var redisAddress: String { (try? RedisAddress(redisURL)).map { "\($0)" } ?? "" }

    /// Why the address of Redis cannot be used; nil if it can, or if there is no mirror.
    var redisProblem: String? {
        guard proxyType == .redis else { return nil }
        do throws(RedisError) { _ = try RedisAddress(redisURL) } catch { return "\(error)" }
        return nil
    }
}

extension Result<DomainRefusal?, DomainRuntime.Failure> {
    /// Whether the program ends before it is decided.
    var isInterrupted: Bool { if case .failure(.stopping) = self { true } else { false } }

    /// Why a request was not carried out; nil if it was.
    var problem: String? {
        switch self {
        case .success(let refusal): refusal?.sentence
        case .failure(let failure): "\(failure)"
        }
    }
}
