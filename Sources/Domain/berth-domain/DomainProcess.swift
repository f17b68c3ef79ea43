import Domain
import DomainMirror
import DomainRPC
import DomainRuntime
import DomainSettings
import DomainStatus
import DomainStore
import DomainWire
import Glibc
import Logging
import Redis
import Service
import Storage
import UnixSignals

/// A serving `berth-domain`. Starts configuration, lock, state, domain and sockets in the correct order.
struct DomainProcess {
    let configFile: String
    let stateDirectory: String?

    func run() async throws {
        let filter = LogFilter(getenv("RUST_LOG").map { String(cString: $0) })
        let handler = LineLogHandler.standardError(level: filter.level)
        let log = Logger(label: "berth-domain") { _ in handler }
        if !filter.unknown.isEmpty {
            log.warning(
                "RUST_LOG contains an unknown level; the levels are error, warn, notice, info, debug, trace and off",
                metadata: ["ignored": "\(filter.unknown.joined(separator: ","))"])
        }
        let (configuration, tls) = try settings(log)
        let settings: DomainServer.Settings
        do { settings = try serverSettings(configuration, tls, log) } catch {
            printError("\(error)")
            throw Status.configuration
        }
        var options = configuration.options
        options.orchestratorURL = try announced(configuration, settings, log)
        let statusFrontend = StatusFrontend(
            configuration: configuration,
            url: configuration.statusURL.isEmpty ? nil : try url(configuration.statusURL, "general.status_url"))

        signal(SIGPIPE, SIG_IGN)
        // Signals are handled from here on, so that none is lost.
        let signals = await UnixSignalsSequence(trapping: [.sigterm, .sigint, .sighup])
        let directory = try stateDirectory(of: options.domainID)
        let lock = try lockState(directory)
        let (store, records) = try openStore(directory, log)
        guard records.domainID.isEmpty || records.domainID == options.domainID else {
            printError(
                "\(directory) contains the state of the domain \(records.domainID.debugDescription), and general.domain_id in "
                    + "\(configFile) is \(options.domainID.debugDescription): choose another --state-dir")
            throw Status.configuration
        }
        let code = store.code
        let audit: DomainAudit
        do throws(SystemError) {
            audit = try DomainAudit(path: configuration.auditLog) {
                log.error("the audit log cannot be written", metadata: ["reason": "\($0)"])
            }
        } catch {
            printError("\(configFile): general.audit_log: \(error)")
            throw Status.configuration
        }
        let register = try url(configuration.domainRegisterURL, "general.domain_register_url")
        let transport: GRPCDomainTransport
        do throws(ServerConnectionError) {
            transport = try GRPCDomainTransport(
                controller: register,
                GRPCDomainTransport.Settings(configuration, tls), audit: audit)
        } catch {
            printError("\(error)")
            throw Status.configuration
        }
        let proxy = proxy(configuration, log)
        let runtime = DomainRuntime(
            records: records, options: options, store: store, transport: transport, observer: proxy,
            callDeadline: .seconds(configuration.callDeadline), logger: log)
        var status: StatusServer?
        let server: DomainServer
        do {
            status = try await statusFrontend.start(runtime, proxy, log)
            server = try DomainServer(
                ServedDomain(
                    runtime: runtime, hosts: AgentHosts(configuration.agentHosts), code: code, audit: audit),
                settings: settings, logger: log)
        } catch {
            // Nobody was called yet: another orchestrator at this address is not affected.
            await status?.stop()
            printError("\(error)")
            throw Status.noAddress
        }
        try runtime.begin()
        let redis = configuration.redisAddress
        try proxy?.start(
            from: records, drop: { name, problem in audit.dropped(name, from: redis, problem: problem) },
            carryOut: { intent, answer in
                runtime.intent(intent) { result in
                    // One that is interrupted by the end of the program is carried out after its restart.
                    if !result.isInterrupted { audit.finished(intent, from: redis, problem: result.problem) }
                    answer(result)
                }
            })
        log.notice(
            "serving",
            metadata: [
                "domain": "\(options.domainID)", "orchestrator": "\(configuration.orchestratorURL)",
                "nodes": "\(configuration.nodeRegisterURL)", "announced": "\(options.orchestratorURL)",
                "state": "\(directory)", "instances": "\(records.instances.count)",
                "tls": tls.server == nil ? "off" : "on", "strategy": "\(options.strategy.rawValue)",
                "redis": proxy == nil ? "off" : "on",
                "status": configuration.statusURL.isEmpty ? "off" : "\(configuration.statusURL)",
            ])
        let notifier = SystemdNotifier(environment: processEnvironment())
        notifier.ready(status: "Serving domain \(options.domainID)")
        var reload = DomainReload(
            process: self, runtime: runtime, transport: transport, server: server, code: code, audit: audit, log: log,
            configuration: configuration, tls: tls)
        let hasFailed = await wait(for: signals, server, log) {
            notifier.reloading()
            await reload.run()
            notifier.ready(status: "Serving domain \(options.domainID)")
        }
        notifier.stopping()
        runtime.holdLeases()
        // Requests in progress may finish; after a while the remaining ones are refused, so that their callers get an
        // answer.
        let refusal = Task {
            try await Task.sleep(for: .seconds(4))
            runtime.stop()
        }
        await server.stop(within: .seconds(8))
        refusal.cancel()
        await status?.stop()
        runtime.stop()
        // After the runtime, which reports the outcomes of intents to it.
        proxy?.stop()
        transport.close()
        withExtendedLifetime(lock) {}
        log.notice("stopped")
        if hasFailed { throw Status.noAddress }
    }

    private enum Event {
        case reload
        case end(hasFailed: Bool)
    }

    /// Waits for a signal to stop, or until the server stops unexpectedly.
    ///
    /// - Returns: whether the server stopped.
    private func wait(
        for signals: UnixSignalsSequence, _ server: DomainServer, _ log: Logger, reload: () async -> Void
    ) async -> Bool {
        let (events, event) = AsyncStream<Event>.makeStream()
        Task {
            for await signal in signals { event.yield(signal == .sighup ? .reload : .end(hasFailed: false)) }
        }
        Task {
            do { try await server.waitUntilStopped() } catch {
                log.critical("the server has ended", metadata: ["reason": "\(error)"])
            }
            event.yield(.end(hasFailed: true))
        }
        for await event in events {
            switch event {
            case .reload: await reload()
            case .end(let hasFailed): return hasFailed
            }
        }
        return false
    }

    // MARK: - Parts

    private func settings(_ log: Logger) throws -> (OrchestratorConfiguration, TLSSettings) {
        do { return try readSettings(log) } catch {
            let isMissing = (error as? SystemError)?.errno == ENOENT && access(configFile, F_OK) != 0
            printError(isMissing ? "\(error); -t \(configFile) writes a template" : "\(error)")
            throw Status.configuration
        }
    }

    /// Reads both configuration files, and logs the warnings about them.
    ///
    /// - Parameter isReload: whether the domain is served meanwhile, so that nothing may be waited for: then the files
    ///   must be regular ones.
    func readSettings(_ log: Logger, isReload: Bool = false) throws -> (OrchestratorConfiguration, TLSSettings) {
        let text = try readText(configFile, mustBeRegular: isReload)
        let configuration = try OrchestratorConfiguration(toml: text, file: configFile)
        for warning in configuration.warnings { log.warning("\(warning)") }
        let tls = try TLSSettings(file: "tls_config.toml")
        for warning in try tls.warnings(at: time(nil)) {
            log.warning("a certificate will be refused", metadata: ["tls_config.toml": "\(warning)"])
        }
        return (configuration, tls)
    }

    /// The settings of the server.
    ///
    /// - Throws: `ConfigurationError` if they contradict each other.
    func serverSettings(
        _ configuration: OrchestratorConfiguration, _ tls: TLSSettings, _ log: Logger
    ) throws(ConfigurationError) -> DomainServer.Settings {
        var settings = DomainServer.Settings(
            orchestratorURL: try serviceURL(configuration.orchestratorURL, "general.orchestrator_url"),
            nodeRegisterURL: try serviceURL(configuration.nodeRegisterURL, "general.node_register_url"))
        settings.tls = tls.server
        settings.controllerNames = Set(configuration.controllerNames)
        guard settings.controllerNames.isEmpty || tls.server?.clientAuthority != nil else {
            throw ConfigurationError(
                "\(configFile): general.controller_names: without server_ca_path in tls_config.toml, callers need no "
                    + "certificate")
        }
        settings.messageLimit = configuration.messageLimit
        for (key, url) in [
            ("general.orchestrator_url", settings.orchestratorURL),
            ("general.node_register_url", settings.nodeRegisterURL),
        ] {
            try check(url, key, isSecure: tls.server != nil, log)
        }
        return settings
    }

    private func serviceURL(_ text: String, _ key: String) throws(ConfigurationError) -> ServiceURL {
        do throws(WireError) { return try ServiceURL(text) } catch {
            throw ConfigurationError("\(configFile): \(key): \(error.reason)")
        }
    }

    private func url(_ text: String, _ key: String) throws -> ServiceURL {
        do throws(ConfigurationError) { return try serviceURL(text, key) } catch {
            printError("\(error)")
            throw Status.configuration
        }
    }

    /// Throws if the scheme cannot be served; warns if it differs from what is served.
    private func check(
        _ url: ServiceURL, _ key: String, isSecure: Bool, _ log: Logger
    ) throws(ConfigurationError) {
        let problem: String? =
            switch url.scheme {
            case .coap: "CoAP is not supported; give http or https"
            case .https where !isSecure: "https needs server_cert_path and server_key_path in tls_config.toml"
            case .http, .https: nil
            }
        if let problem { throw ConfigurationError("\(configFile): \(key): \(problem)") }
        if url.port == 0 {
            log.warning(
                "port 0 selects any free port; other programs must be told which", metadata: ["\(key)": "\(url)"])
        }
        if url.scheme == .http, isSecure { warnOfTLS(url, key, log) }
    }

    private func warnOfTLS(_ url: ServiceURL, _ key: String, _ log: Logger) {
        log.warning(
            "this address uses TLS because tls_config.toml has a certificate; use https in its URL",
            metadata: ["\(key)": "\(url)"])
    }

    private func announced(
        _ configuration: OrchestratorConfiguration, _ settings: DomainServer.Settings, _ log: Logger
    ) throws -> String {
        let served = settings.orchestratorURL
        guard configuration.announcedURL.isEmpty else {
            let announced = try url(configuration.announcedURL, "general.orchestrator_url_announced")
            if ["0.0.0.0", "::"].contains(announced.bareHost) || announced.port == 0 {
                log.warning(
                    "a controller on another host cannot call this address; announce the host's own address",
                    metadata: ["general.orchestrator_url_announced": "\(announced)"])
            }
            if announced.scheme == .http, settings.tls != nil {
                warnOfTLS(announced, "general.orchestrator_url_announced", log)
            } else if announced.scheme != served.scheme {
                log.warning(
                    "the announced URL has another scheme than the served one",
                    metadata: [
                        "general.orchestrator_url": "\(served)", "general.orchestrator_url_announced": "\(announced)",
                    ])
            }
            return configuration.announcedURL
        }
        guard let host = HostAddress.first else {
            log.error("the host has no address to announce; set general.orchestrator_url_announced")
            return ""
        }
        return "\(served.scheme.rawValue)://\(host):\(served.port)"
    }

    /// The mirror; nil if there is none, or if its address cannot be used: the domain depends on no mirror.
    private func proxy(_ configuration: OrchestratorConfiguration, _ log: Logger) -> DomainProxy? {
        guard configuration.proxyType == .redis else { return nil }
        do throws(RedisError) {
            let address = try RedisAddress(configuration.redisURL)
            if address.ignoresDatabase {
                log.warning("\(RedisAddress.ignoredDatabase)", metadata: ["proxy.redis_url": "\(address)"])
            }
            return DomainProxy(DomainProxy.Settings(configuration, address: address), logger: log)
        } catch {
            log.error(
                "nothing is mirrored: the address of Redis cannot be used",
                metadata: ["file": "\(configFile)", "key": "proxy.redis_url", "reason": "\(error)"])
            return nil
        }
    }

    private func stateDirectory(of domainID: String) throws -> String {
        if let stateDirectory {
            guard !stateDirectory.isEmpty else {
                printError("--state-dir is empty")
                throw Status.usage
            }
            return stateDirectory
        }
        guard !domainID.contains("/"), domainID != ".", domainID != ".." else {
            printError(
                "\(configFile): general.domain_id: \(domainID.debugDescription) is not a valid directory name; set --state-dir"
            )
            throw Status.configuration
        }
        return "/var/lib/berth/domain/\(domainID)"
    }

    private func lockState(_ directory: String) throws -> StoreLock {
        do throws(SystemError) { try makeDirectories(above: directory) } catch {
            printError("cannot create the state directory: \(error); --state-dir selects another one")
            throw Status.inputOutput
        }
        do { return try StoreLock(directory: directory) } catch {
            printError("\(error)")
            if case .locked = error.reason { throw Status.running }
            throw Status.inputOutput
        }
    }

    private func openStore(_ directory: String, _ log: Logger) throws -> (DomainStore, DomainRecords) {
        let opened: DomainStore.Opened
        do {
            opened = try DomainStore.open(directory: directory, digest: BinaryInterner.digest) { log.error("\($0)") }
        } catch {
            printError("\(error)")
            throw Status.inputOutput
        }
        switch opened {
        case .ready(let store, let records):
            if let reason = store.failure {
                log.error(
                    "the state cannot be written; changes are refused until it can", metadata: ["reason": "\(reason)"])
            }
            return (store, records)
        case .untrusted(let reason):
            printError(
                "the stored state cannot be trusted: \(reason). Nothing was changed. Restore a backup of \(directory), or "
                    + "move it away to start with an empty state; the controller must then deploy its workflows again")
            throw Status.untrusted
        }
    }
}
