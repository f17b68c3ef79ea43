import EPASocket
import Glibc
import Host
import HostAPI
import Ledger
import Logging
import Machine
import Service

/// The settings in the form of those who use them, names resolved.
struct Settings {
    let server: EPASettings
    /// Those of the HTTP API.
    let api: APISettings
    /// The configured pools by name.
    let pools: [String: CPUSet]
    /// The housekeeping CPUs; nil for the first core.
    let housekeeping: CPUSet?
    /// How the kernel is held to the claims.
    let enforcement: EnforcementPolicy
    let logger: Logger
    let socketOwner: UInt32?
    let socketGroup: UInt32?

    /// - Parameter source: where the configuration comes from, for errors.
    init(_ configuration: DaemonConfiguration, _ source: ConfigurationSource) throws(ConfigurationError) {
        func number(
            _ name: String?, _ key: String, _ accounts: AccountFile
        ) throws(ConfigurationError) -> UInt32? {
            guard let name else { return nil }
            guard let number = accounts.number(of: name) else {
                throw source.error(
                    key, "\(key): \(name.debugDescription) is in no local account file; give its number instead")
            }
            return number
        }
        let groups = AccountFile(path: "/etc/group")
        var server = EPASettings()
        server.access = AccessPolicy(
            adminGroup: try number(configuration.adminGroup, "admin-group", groups),
            // Whoever tries Berth out on the simulated machine need not be root.
            adminUser: configuration.simulate ? geteuid() : nil,
            accessGroup: try number(configuration.accessGroup, "access-group", groups),
            isOpen: configuration.socketMode & 0o006 == 0o006)
        server.connectionsPerUID = configuration.connectionsPerUID
        server.readTimeout = configuration.readTimeout
        server.writeTimeout = configuration.writeTimeout
        server.nameLimit = configuration.nameLimit
        for name in configuration.policy {
            guard let known = EPAPolicy.names.first(where: { $0.name == name }) else {
                let names = EPAPolicy.names.map(\.name).joined(separator: ", ")
                throw source.error(
                    "policy", "unknown policy \(name.debugDescription); the policies are \(names)")
            }
            server.policy.insert(known.policy)
        }
        for name in configuration.extensions {
            guard let known = EPAExtensions.names.first(where: { $0.name == name }) else {
                let names = EPAExtensions.names.map(\.name).joined(separator: ", ")
                throw source.error(
                    "extensions", "unknown extension \(name.debugDescription); the extensions are \(names)")
            }
            server.extensions.insert(known.extension)
        }
        server.commitTimeout = configuration.commitTimeout
        server.cpusPerUID = configuration.cpusPerUID
        pools = try Self.pools(configuration, source)
        housekeeping = try Self.cpus(configuration.housekeeping, "enforcement.housekeeping", source)
        enforcement = EnforcementPolicy(
            repairs: configuration.repairs, refills: configuration.refills,
            restoresOnStop: configuration.restoresOnStop)
        let missing = [
            ("http-tls-listen", configuration.httpTLSListen),
            ("http-tls-certificate", configuration.httpTLSCertificate), ("http-tls-key", configuration.httpTLSKey),
            ("http-tls-client-ca", configuration.httpTLSClientCA),
        ].filter { $0.1 == nil }.map(\.0)
        if let first = missing.first, missing.count < 4 {
            throw source.error(
                first, "\(missing.joined(separator: ", ")): the HTTP API over TLS needs a value for each http-tls key")
        }
        self.server = server
        var api = APISettings()
        api.access = server.access
        api.nameLimit = configuration.nameLimit
        api.connectionsPerUID = configuration.connectionsPerUID
        api.cpusPerUID = configuration.cpusPerUID
        api.requestsPerSecond = configuration.httpRequestsPerSecond
        api.readTimeout = configuration.readTimeout
        api.writeTimeout = configuration.writeTimeout
        api.commitTimeout = configuration.commitTimeout
        self.api = api
        let level = Logger.Level(rawValue: configuration.logLevel) ?? .info
        let handler = LineLogHandler.standardError(level: level)
        logger = Logger(label: "berthd") { _ in handler }
        socketOwner = try number(
            configuration.socketOwner, "socket-owner", AccountFile(path: "/etc/passwd"))
        // Nor a member of the groups in the configuration file, to which only root or a member can give the socket.
        let mayGiveSocket = !configuration.simulate || geteuid() == 0
        socketGroup =
            try number(configuration.socketGroup, "socket-group", groups)
            ?? (mayGiveSocket ? server.access.accessGroup ?? server.access.adminGroup : nil)
    }

    /// The configured pools by name.
    static func pools(
        _ configuration: DaemonConfiguration, _ source: ConfigurationSource
    ) throws(ConfigurationError) -> [String: CPUSet] {
        guard let cpus = try cpus(configuration.generalPool, "pools.general", source) else { return [:] }
        return [Pool.general: cpus]
    }

    private static func cpus(
        _ list: String?, _ key: String, _ source: ConfigurationSource
    ) throws(ConfigurationError) -> CPUSet? {
        guard let list else { return nil }
        do { return try CPUSet(list: list) } catch { throw source.error(key, "\(key): \(error)") }
    }
}
