import Domain
import DomainMirror
import DomainRuntime
import DomainSettings
import DomainStatus
import DomainWire
import Logging
import Service

/// Starts the status server according to the configuration.
struct StatusFrontend {
    let configuration: OrchestratorConfiguration
    /// The address; nil for none.
    let url: ServiceURL?

    /// Starts the server, if there is an address.
    func start(_ runtime: DomainRuntime, _ proxy: DomainProxy?, _ logger: Logger) async throws -> StatusServer? {
        guard let url else { return nil }
        if !url.isLoopback {
            logger.warning(
                "general.status_url is not a loopback address: everyone who can reach it can read the state of the domain",
                metadata: ["status": "\(url)"])
        }
        let problem = configuration.redisProblem
        let source = StatusSource(
            domainID: configuration.options.domainID, version: Version.number,
            withSnapshot: { runtime.withSnapshot($0) },
            redis: {
                proxy.map { StatusReport.RedisState(isConnected: $0.state.isConnected, lastSync: $0.state.lastSync) }
                    ?? problem.map { StatusReport.RedisState(isConnected: false, lastSync: nil, problem: $0) }
            })
        return try await StatusServer(
            source, settings: StatusServer.Settings(host: url.bareHost, port: url.port), logger: logger)
    }
}

extension ServiceURL {
    /// Whether only this host can reach it.
    fileprivate var isLoopback: Bool {
        switch host {
        case .ipv4(let text): text.hasPrefix("127.")
        case .ipv6(let text): text == "::1"
        case .name(let text): text.lowercased() == "localhost"
        }
    }
}
