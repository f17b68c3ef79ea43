import Glibc
import Host
import HostAPI
import Kernel
import Service
import Synchronization

/// The HTTP API on its Unix socket, and over TLS where that is configured.
final class APIEndpoint {
    private let socket: SocketFile
    private let server: APIServer
    private let remote: APIServer?
    private let tls: APITLS?
    private let configuration: Box

    /// The configuration in force, for those who ask.
    private final class Box: Sendable {
        let value: Mutex<DaemonConfiguration>
        init(_ configuration: DaemonConfiguration) { value = Mutex(configuration) }
    }

    /// Serves at `path` from when this returns.
    ///
    /// - Throws: `SocketFileError`; `ConfigurationError` where TLS is configured wrongly; `SystemError` where the socket's
    ///   directory cannot be made.
    init(
        _ path: String, _ host: Host, _ configuration: DaemonConfiguration, _ settings: Settings,
        _ decisionLog: DecisionLog, verifier: Verifier?
    ) throws {
        tls = try configuration.httpTLS.map { settings throws(ConfigurationError) in
            try APITLS(
                listeningAt: settings.address, certificate: settings.certificate, key: settings.key,
                clientAuthority: settings.clientAuthority)
        }
        try Daemon.makeDirectory(of: path)
        socket = try SocketFile(
            listeningAt: path, mode: configuration.socketMode, owner: settings.socketOwner, group: settings.socketGroup)
        let box = Box(configuration)
        self.configuration = box
        var providers = APIProviders(version: Version.number, machine: configuration.machineKind)
        providers.verification = verifier.map { KernelVerification(host: host, verifier: $0) }
        providers.configuration = {
            let configuration = box.value.withLock { $0 }
            return DaemonConfiguration.keys.map { ($0, configuration.shown($0)) }
        }
        server = APIServer(
            host: host, descriptor: socket.descriptor, providers: providers, settings: settings.api,
            decisionLog: decisionLog, logger: settings.logger)
        remote = tls.map { tls in
            APIServer(
                host: host, descriptor: tls.descriptor, tls: tls, providers: providers, settings: settings.api,
                decisionLog: decisionLog, logger: settings.logger)
        }
        server.start()
        remote?.start()
    }

    /// Takes the settings that may change while it serves.
    func reload(_ configuration: DaemonConfiguration, _ settings: Settings) {
        self.configuration.value.withLock { $0 = configuration }
        server.settings = settings.api
        remote?.settings = settings.api
    }

    /// Removes the socket and takes no more connections; returns once those that are open have been answered.
    func stop(within grace: Duration) async {
        socket.remove()
        let other = remote
        async let ended: Void? = other?.stop(within: grace)
        await server.stop(within: grace)
        await ended
        close(socket.descriptor)
        if let tls { close(tls.descriptor) }
    }
}
