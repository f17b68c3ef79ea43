import ArgumentParser
import Glibc
import HostClient
import KubernetesClient
import Logging
import NodeAgent
import Service
import UnixSignals

/// A running `berth-node`.
struct NodeProcess {
    private let options: BerthNode
    private let node: String
    private let log: Logger

    /// Checks the options.
    ///
    /// - Throws: where one cannot be used; it has been said then.
    init(_ options: BerthNode) throws {
        self.options = options
        let environment = processEnvironment()
        let node = options.nodeName ?? environment["NODE_NAME"] ?? ""
        guard !node.isEmpty else {
            printError("the node's name is missing: set --node-name, or NODE_NAME in the environment")
            throw Status.usage
        }
        self.node = node
        guard (0...5).contains(options.verbosity) else {
            printError("--verbosity is a number from 0 to 5")
            throw Status.usage
        }
        let level: Logger.Level =
            switch options.verbosity {
            case 0: .warning
            case 1, 2: .notice
            case 3: .info
            case 4: .debug
            default: .trace
            }
        let handler = LineLogHandler.standardError(level: level)
        log = Logger(label: "berth-node") { _ in handler }
        try Self.checkReferenceFlags(options, log)
    }

    /// The flags of actimanager's daemon that are not needed here: a wrong value is an error in its words, another one is
    /// said to have no effect.
    private static func checkReferenceFlags(_ options: BerthNode, _ log: Logger) throws {
        if let runtime = options.containerRuntime {
            try require(["containerd", "docker", "kind"].contains(runtime), "unknown runtime \(runtime)")
        }
        if let driver = options.cgroupsDriver {
            try require(["systemd", "cgroupfs"].contains(driver), "unknown cgroups driver \(driver)")
        }
        if let period = options.reconcilePeriod {
            let problem: String?
            do throws(GoDuration.Failure) {
                problem = try GoDuration.seconds(period) > 0 ? nil : "\(period) is no time to wait"
            } catch { problem = "\(error)" }
            try require(problem == nil, "could not parse reconcile period: \(problem ?? "")")
        }
        let unneeded = [
            ("container-runtime", options.containerRuntime), ("cgroups-path", options.cgroupsPath),
            ("cgroups-driver", options.cgroupsDriver), ("reconcile-period", options.reconcilePeriod),
        ]
        for case (let name, _?) in unneeded {
            log.notice("an option of actimanager has no effect", metadata: ["option": "\(name)"])
        }
    }

    private static func require(_ holds: Bool, _ otherwise: String) throws(ExitCode) {
        guard !holds else { return }
        printError(otherwise)
        throw Status.refused
    }

    /// Runs until a signal to stop, or until a server ends by itself.
    func run() async throws {
        let certificates = try certificates()
        let client: ClusterClient
        do throws(KubernetesClient.ConfigurationError) { client = ClusterClient(try .standard()) } catch {
            printError("\(error)")
            throw Status.configuration
        }
        signal(SIGPIPE, SIG_IGN)
        // Signals are handled from here on, so that none is lost.
        let signals = await UnixSignalsSequence(trapping: [.sigterm, .sigint, .sighup, .sigquit])
        let isServed = certificates != nil || options.insecureGRPC
        let listen = options.listen ?? (isServed ? ":8089" : "127.0.0.1:8089")
        if !isServed {
            log.notice("without --tls-cert, --tls-key and --tls-client-ca only the health is served")
        }
        let host = BerthHost(socket: options.berthd)
        let agent = NodeAgent(node: node, client: client, host: host, log: log)
        var servers: [NodeServer] = []
        do throws(NodeServer.Failure) {
            let services: NodeServer.Services = isServed ? .all(agent, certificates) : .health
            servers.append(try await serve(services, host, listen))
            if let address = options.healthListen { servers.append(try await serve(.health, host, address)) }
        } catch {
            for server in servers { await server.stop() }
            printError("\(error)")
            throw Status.noAddress
        }
        log.notice(
            "serving",
            metadata: [
                "version": "\(Version.number)", "node": "\(node)", "berthd": "\(options.berthd)",
                "grpc": "\(listen)", "tls": certificates == nil ? "off" : "mutual",
                "health": "\(options.healthListen ?? "off")",
            ])
        let running = Task { await agent.run() }
        let hasFailed = await wait(for: signals, servers)
        for server in servers { await server.stop() }
        running.cancel()
        await running.value
        await client.close()
        log.notice("stopped; claims stay")
        if hasFailed { throw Status.noAddress }
    }

    private func serve(
        _ services: NodeServer.Services, _ host: BerthHost, _ address: String
    ) async throws(NodeServer.Failure) -> NodeServer {
        guard let (ip, port) = Self.endpoint(address) else {
            throw NodeServer.Failure(
                description: "\(address) is no address to listen on: use PORT, :PORT, ADDRESS:PORT or [ADDRESS]:PORT")
        }
        return try await NodeServer(services, host: host, address: ip, port: port)
    }

    /// The IP address, empty for all, and the port of a text.
    static func endpoint(_ text: String) -> (String, Int)? {
        let colon = text.lastIndex(of: ":")
        let digits = colon.map { text[text.index(after: $0)...] } ?? text[...]
        guard let port = Int(digits), (0...65_535).contains(port) else { return nil }
        var address = colon.map { text[..<$0] } ?? ""
        if address.first == "[", address.last == "]" {
            address = address.dropFirst().dropLast()
        } else if address.contains(":") {
            return nil
        }
        return (String(address), port)
    }

    private func certificates() throws -> ServerCertificates? {
        let paths = [options.tlsCert, options.tlsKey, options.tlsClientCA]
        if options.insecureGRPC {
            guard paths.allSatisfy({ $0 == nil }) else {
                printError("--insecure-grpc excludes --tls-cert, --tls-key and --tls-client-ca")
                throw Status.usage
            }
            log.warning("the gRPC services are served without TLS, to everybody who reaches the port")
            return nil
        }
        guard paths.contains(where: { $0 != nil }) else { return nil }
        guard let certificate = options.tlsCert, let key = options.tlsKey, let authority = options.tlsClientCA else {
            printError(
                "--tls-cert, --tls-key and --tls-client-ca go together: the services are only for clients with a certificate"
            )
            throw Status.usage
        }
        do throws(ServerCertificates.Failure) {
            return try ServerCertificates(
                .init(certificate: certificate, key: key, clientAuthority: authority)
            ) { [log] in
                log.error("the certificates were not renewed, the former ones stay", metadata: ["reason": "\($0)"])
            }
        } catch {
            printError("\(error)")
            throw Status.configuration
        }
    }

    /// - Returns: whether a server has ended by itself.
    private func wait(for signals: UnixSignalsSequence, _ servers: [NodeServer]) async -> Bool {
        let (events, event) = AsyncStream<Bool>.makeStream()
        let waiting = Task { for await _ in signals { event.yield(false) } }
        let serving = servers.map { server in
            Task {
                do { try await server.wait() } catch {
                    log.critical("a server has ended", metadata: ["reason": "\(error)"])
                }
                event.yield(true)
            }
        }
        defer {
            waiting.cancel()
            for task in serving { task.cancel() }
        }
        for await hasFailed in events { return hasFailed }
        return false
    }
}

/// Says on standard error why the program ends.
func printError(_ text: String) {
    let line = Array("berth-node: \(text)\n".utf8)
    _ = write(2, line, line.count)
}
