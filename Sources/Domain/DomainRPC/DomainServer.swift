import Domain
import DomainWire
import Logging

/// Serves a domain over gRPC (domain specification, section 1): functions and resources to its controller at one address,
/// registration to its nodes at another.
package final class DomainServer: Sendable {
    /// What an operator may choose.
    package struct Settings: Sendable {
        /// Where the controller reaches the domain.
        package var orchestratorURL: ServiceURL
        /// Where nodes register.
        package var nodeRegisterURL: ServiceURL
        /// How both are protected; nil for plaintext.
        package var tls: TLSSettings.Server?
        /// Whether a node may only register with a certificate that has its id among its names. Counts where clients must
        /// have certificates at all.
        package var bindsNodesToCertificates = true
        /// The names, as DNS name or URI, of certificates that may start, stop and patch; empty for whoever may connect.
        package var controllerNames: Set<String> = []
        /// The most bytes of a message: code travels in them.
        package var messageLimit = 256 << 20
        /// The most bytes of all requests at once. What is beyond is answered with RESOURCE_EXHAUSTED.
        package var memoryLimit = 1 << 30
        /// The most requests at once on one connection.
        package var requestsPerConnection = 256
        /// The most connections at once, at each of the two addresses. What is beyond is closed.
        package var connections = 4_096
        /// How long a client may take until it has said something, TLS included.
        package var greetingTime = Duration.seconds(20)
        /// How long a client may say nothing later, in which it is asked to answer a ping: 80 seconds are the least.
        package var silenceTime = Duration.seconds(100)
        /// How long a request may take to arrive.
        package var receiveTime = Duration.seconds(120)
        /// The most bytes of code that are remembered to be shared by functions that are asked for later.
        package var binaryMemory = 256 << 20

        /// The defaults, in plaintext.
        package init(orchestratorURL: ServiceURL, nodeRegisterURL: ServiceURL) {
            self.orchestratorURL = orchestratorURL
            self.nodeRegisterURL = nodeRegisterURL
        }
    }

    /// The port that the controller reaches; where the URL says 0, the one that was free.
    package let orchestratorPort: UInt16
    /// The port that nodes register at; where the URL says 0, the one that was free.
    package let nodeRegisterPort: UInt16

    private let servers: [RunningServer]
    private let budget: MemoryBudget
    private let ending = Ending()

    /// Listens and serves. Connections are taken when this returns.
    ///
    /// - Throws: ``ListenError`` that names the address, where one cannot be listened on; nothing is served then.
    package init(_ service: any DomainService, settings: Settings, logger: Logger) throws(ListenError) {
        for url in [settings.orchestratorURL, settings.nodeRegisterURL] {
            if url.scheme == .coap { throw ListenError(url: url.description, reason: "CoAP is not supported") }
            if url.scheme == .https, settings.tls == nil {
                throw ListenError(
                    url: url.description, reason: "https needs server_cert_path and server_key_path in tls_config.toml")
            }
        }
        let orchestrator = try Listener(settings.orchestratorURL)
        let nodeRegister = try Listener(settings.nodeRegisterURL)
        orchestratorPort = orchestrator.port
        nodeRegisterPort = nodeRegister.port
        budget = MemoryBudget(limit: settings.memoryLimit)

        let denials = Denials(logger: logger)
        let methods = ServedMethods(
            service: service, logger: logger, ending: ending, denials: denials,
            callers: settings.controllerNames.isEmpty ? nil : Set(settings.controllerNames.map { $0.lowercased() }))
        let registration = RegistrationService(
            methods: ServedMethods(service: service, logger: logger, ending: ending, denials: denials),
            bindsNodes: settings.bindsNodesToCertificates && settings.tls?.clientAuthority != nil)
        servers = [
            RunningServer(
                orchestrator, settings, budget, denials,
                [
                    FunctionService(methods: methods, binaries: BinaryInterner(limit: settings.binaryMemory)),
                    ResourceService(methods: methods),
                ]),
            RunningServer(nodeRegister, settings, budget, denials, [registration]),
        ]
    }

    /// The bytes of requests that are held at the moment.
    package var bytesInFlight: Int { budget.bytes }

    /// Returns once the server has been stopped.
    ///
    /// - Throws: where it ended by itself: then the domain can no longer be reached, and the process had better end.
    package func waitUntilStopped() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for server in servers { group.addTask { try await server.wait() } }
            try await group.waitForAll()
        }
    }

    /// Takes no more connections and requests, and returns once those that are being served have been answered, or after
    /// `grace`, when their connections are closed.
    package func stop(within grace: Duration = .seconds(10)) async {
        ending.begin()
        await withTaskGroup { group in
            for server in servers { group.addTask { await server.stop(within: grace) } }
        }
    }
}
