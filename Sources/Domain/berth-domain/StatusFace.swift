import Domain
import DomainMirror
import DomainRuntime
import DomainSettings
import DomainStatus
import DomainWire
import Logging
import Service

/// What shows a domain's status, as the configuration wants it.
struct StatusFace {
    let configuration: OrchestratorConfiguration
    /// Where it is shown; nil for nowhere.
    let url: ServiceURL?

    /// Begins to show it where that is wanted.
    func start(_ shell: DomainRuntime, _ proxy: DomainProxy?, _ logger: Logger) async throws -> StatusServer? {
        guard let url else { return nil }
        if !url.isLoopback {
            logger.warning(
                "whoever reaches general.status_url can read the state of the domain; it is no loopback address",
                metadata: ["status": "\(url)"])
        }
        let source = StatusSource(
            domainID: configuration.options.domainID, version: Version.number, look: { shell.look($0) },
            redis: {
                proxy.map { StatusReport.RedisState(isConnected: $0.state.isConnected, lastSync: $0.state.lastSync) }
            })
        return try await StatusServer(
            source, settings: StatusServer.Settings(host: url.bareHost, port: url.port), logger: logger)
    }
}

extension ServiceURL {
    /// Whether only this host reaches it.
    fileprivate var isLoopback: Bool {
        switch host {
        case .ipv4(let text): text.hasPrefix("127.")
        case .ipv6(let text): text == "::1"
        case .name(let text): text.lowercased() == "localhost"
        }
    }
}
