import Domain
import DomainWire
import Logging
import Synchronization

/// Serves a domain over gRPC (domain specification, section 1): functions and resources for its controller at one
/// address, registration for its nodes at another.
package final class DomainServer: Sendable {
    /// The settings of a server.
    package struct Settings: Sendable {
        /// Where the controller reaches the domain.
        package var orchestratorURL: ServiceURL
        /// Where nodes register.
        package var nodeRegisterURL: ServiceURL
        /// The TLS settings of both addresses; nil for plaintext.
        package var tls: TLSSettings.Server?
        /// Whether a node may only register with a certificate that contains its id. Applies if clients must have
        /// certificates.
        package var bindsNodesToCertificates = true
        /// The DNS names or URIs of certificates that may start, stop and patch; empty for every client.
        package var controllerNames: Set<String> = []
        /// The maximum size of a message, in bytes; messages contain the code of functions.
        package var messageLimit = 256 << 20
        /// The maximum size of all requests in progress, in bytes. Requests beyond it fail with RESOURCE_EXHAUSTED.
        package var memoryLimit = 1 << 30
        /// The maximum number of concurrent requests on a connection.
        package var requestsPerConnection = 256
        /// The maximum number of connections at each of the two addresses. Further connections are closed.
        package var connections = 4_096
        /// How long a client may take to send its first data after the TLS handshake.
        package var greetingTimeout = Duration.seconds(20)
        /// How long a client may then stay silent, during which it must answer a ping; at least 80 seconds.
        package var idleTimeout = Duration.seconds(100)
        /// How long a request may take to arrive.
        package var receiveTimeout = Duration.seconds(120)
        /// The maximum size of remembered code, in bytes, which later functions can share.
        package var binaryMemory = 256 << 20

        /// Creates the default settings, in plaintext.
        package init(orchestratorURL: ServiceURL, nodeRegisterURL: ServiceURL) {
            self.orchestratorURL = orchestratorURL
            self.nodeRegisterURL = nodeRegisterURL
        }
    }

    /// The port for the controller; the actual one if the URL says 0.
    package let orchestratorPort: UInt16
    /// The port for nodes; the actual one if the URL says 0.
    package let nodeRegisterPort: UInt16

    private let budget: MemoryBudget
    private let denialLog: DenialLog
    private let binaries: BinaryInterner
    private let logger: Logger
    private let state: Mutex<State>

    /// The servers of both addresses, with the same settings.
    private final class Generation: Sendable {
        let servers: [RunningServer]
        let shutdown: ShutdownFlag

        init(_ servers: [RunningServer], _ shutdown: ShutdownFlag) {
            (self.servers, self.shutdown) = (servers, shutdown)
        }

        /// Returns when both have been stopped.
        func wait() async throws {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for server in servers { group.addTask { try await server.wait() } }
                try await group.waitForAll()
            }
        }

        func stopListening() async {
            shutdown.begin()
            await withTaskGroup { group in
                for server in servers { group.addTask { await server.stopListening() } }
            }
        }

        func stop(within grace: Duration) async {
            shutdown.begin()
            await withTaskGroup { group in
                for server in servers { group.addTask { await server.stop(within: grace) } }
            }
        }
    }

    private struct State {
        /// The sockets of the orchestrator and of the node register; nil after the server was stopped.
        var sockets: (orchestrator: ListeningSocket, nodeRegister: ListeningSocket)?
        var current: Generation
        /// Whether `current` is being replaced.
        var isReloading = false
    }

    /// Starts to listen and serve. Connections are accepted when this returns.
    ///
    /// - Throws: ``ListenError`` that names the address, if it is not available; nothing is served then.
    package init(_ service: any DomainService, settings: Settings, logger: Logger) throws(ListenError) {
        try Self.checkSchemes(settings)
        let orchestrator = try Listener(settings.orchestratorURL)
        let nodeRegister = try Listener(settings.nodeRegisterURL)
        orchestratorPort = orchestrator.port
        nodeRegisterPort = nodeRegister.port
        budget = MemoryBudget(limit: settings.memoryLimit)
        denialLog = DenialLog(logger: logger)
        binaries = BinaryInterner(limit: settings.binaryMemory)
        self.logger = logger
        let sockets = (
            orchestrator: try ListeningSocket(of: orchestrator), nodeRegister: try ListeningSocket(of: nodeRegister)
        )
        let first = Self.serve(
            orchestrator, nodeRegister, service, settings, budget, denialLog, binaries, logger)
        state = Mutex(State(sockets: sockets, current: first))
    }

    /// Serves with other settings from now on, at the same addresses. Existing connections are closed when their
    /// requests in progress are answered; clients connect again.
    ///
    /// - Throws: ``ListenError`` if the settings cannot be used; the former ones stay.
    package func reload(_ service: any DomainService, settings: Settings) async throws(ListenError) {
        try Self.checkSchemes(settings)
        guard let sockets = state.withLock({ $0.sockets }) else { return }
        let (orchestrator, nodeRegister) = (sockets.orchestrator, sockets.nodeRegister)
        let orchestratorListener = try orchestrator.listener()
        let nodeRegisterListener = try nodeRegister.listener()
        let former = state.withLock { state in
            state.isReloading = true
            return state.current
        }
        // Meanwhile new connections wait in the queue of the sockets.
        await former.stopListening()
        let fresh = Self.serve(
            orchestratorListener, nodeRegisterListener, service, settings, budget, denialLog, binaries, logger)
        state.withLock { state in
            state.current = fresh
            state.isReloading = false
        }
        Task { await former.stop(within: .seconds(10)) }
    }

    private static func checkSchemes(_ settings: Settings) throws(ListenError) {
        for url in [settings.orchestratorURL, settings.nodeRegisterURL] {
            if url.scheme == .coap { throw ListenError(url: url.description, reason: "CoAP is not supported") }
            if url.scheme == .https, settings.tls == nil {
                throw ListenError(
                    url: url.description, reason: "https needs server_cert_path and server_key_path in tls_config.toml")
            }
        }
    }

    private static func serve(
        _ orchestrator: consuming Listener, _ nodeRegister: consuming Listener, _ service: any DomainService,
        _ settings: Settings, _ budget: MemoryBudget, _ denialLog: DenialLog, _ binaries: BinaryInterner,
        _ logger: Logger
    ) -> Generation {
        let shutdown = ShutdownFlag()
        let methods = ServedMethods(
            service: service, logger: logger, shutdown: shutdown, denialLog: denialLog,
            callers: settings.controllerNames.isEmpty ? nil : Set(settings.controllerNames.map { $0.lowercased() }))
        let registration = RegistrationService(
            methods: ServedMethods(service: service, logger: logger, shutdown: shutdown, denialLog: denialLog),
            bindsNodes: settings.bindsNodesToCertificates && settings.tls?.clientAuthority != nil)
        let servers = [
            RunningServer(
                orchestrator, settings, budget, denialLog,
                [FunctionService(methods: methods, binaries: binaries), ResourceService(methods: methods)]),
            RunningServer(nodeRegister, settings, budget, denialLog, [registration]),
        ]
        return Generation(servers, shutdown)
    }

    /// The size of all requests in progress, in bytes.
    package var bytesInFlight: Int { budget.bytes }

    /// Returns when the server has been stopped.
    ///
    /// - Throws: if the server stopped unexpectedly. The domain is then unreachable and the process should exit.
    package func waitUntilStopped() async throws {
        while true {
            let generation = state.withLock { $0.current }
            try await generation.wait()
            // A reload replaces it.
            while state.withLock({ $0.isReloading }) { try await Task.sleep(for: .milliseconds(10)) }
            if state.withLock({ $0.current === generation }) { return }
        }
    }

    /// Accepts no more connections and requests. Returns when the requests in progress are answered, or after `grace`,
    /// when their connections are closed.
    package func stop(within grace: Duration = .seconds(10)) async {
        let last = state.withLock { state in
            state.sockets = nil
            return state.current
        }
        await last.stop(within: grace)
    }
}
