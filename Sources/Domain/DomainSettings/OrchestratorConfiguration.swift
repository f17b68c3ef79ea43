import Domain
import DomainMirror
import Service
import TOMLKit

/// The file `orchestrator.toml` (domain specification, section 2.1), with additional keys.
///
/// Missing keys have the values of the template, so the snippets in the EDGELESS documentation load too. An unknown
/// key is not an error, as in EDGELESS, but is listed in ``warnings``.
package struct OrchestratorConfiguration: Equatable, Sendable {
    /// The kind of mirror.
    package enum ProxyType: String, Equatable, Sendable {
        /// No mirror.
        case none
        /// Redis or Valkey.
        case redis
    }

    /// The domain register of the controller.
    package var domainRegisterURL = "http://127.0.0.1:7002"
    /// The options of the domain.
    package var options = DomainOptions()
    /// Where the controller's requests are served.
    package var orchestratorURL = "http://127.0.0.1:7003"
    /// The URL announced to the controller; empty for the host's own address.
    package var announcedURL = "http://127.0.0.1:7003"
    /// Where nodes register.
    package var nodeRegisterURL = "http://127.0.0.1:7004"
    /// The CoAP register, which is not supported.
    package var nodeRegisterCoAPURL: String?
    /// How long a call to a node may take, in seconds.
    package var callDeadline = 10
    /// The maximum size of a message, in bytes.
    package var messageLimit = 256 << 20
    /// Where status and metrics are served over HTTP; empty for nowhere.
    package var statusURL = ""
    /// The certificate names that may call the orchestrator; empty for every client.
    package var controllerNames: [String] = []
    /// The hosts that an agent's URL may name; empty for all.
    package var agentHosts: [String] = []
    /// The file of the audit log; empty for none.
    package var auditLog = ""
    /// The kind of mirror.
    package var proxyType = ProxyType.none
    /// The maximum age of samples in the mirror, and the interval of their removal, in seconds; 0 to keep them.
    package var proxyRetention = 360
    /// The address of Redis.
    package var redisURL = "redis://127.0.0.1:6379"
    /// The key schema of the mirror.
    package var proxySchema = Mirror.Schema.both
    /// The CSV files; nil for none.
    package var dataset: Dataset.Settings?
    /// Warnings about the file.
    package private(set) var warnings: [String] = []

    /// Creates a configuration with the values of the template.
    package init() { options.refreshInterval = 2 }

    /// Parses a configuration.
    ///
    /// - Throws: `ConfigurationError` that names the file, the key and the expected value.
    package init(toml: String, file: String) throws(ConfigurationError) {
        self.init()
        try TOMLForm.tables.check(toml, file: file)
        let table: TOMLTable
        do { table = try TOMLTable(string: toml) } catch { throw ConfigurationError("\(file): not TOML: \(error)") }
        var reader = SectionReader(table)
        do throws(ConfigurationError) {
            try reader.needTables(["general", "baseline", "proxy", "proxy.dataset_settings"])
            try readGeneral(&reader)
            try readBaseline(&reader)
            try readProxy(&reader)
        } catch { throw ConfigurationError("\(file): \(error.message)") }
        guard reader.has("general.domain_id") || reader.unknown.isEmpty else {
            throw ConfigurationError(
                "\(file): general.domain_id is missing, and there are unknown keys: "
                    + "\(reader.unknown.joined(separator: ", ")). Set general.domain_id, or remove them")
        }
        if !reader.has("general.domain_id") {
            warnings.append("\(file): general.domain_id is missing; the domain is called \(options.domainID)")
        }
        warnings += reader.unknown.map { "\(file): unknown key \($0) is ignored" }
    }

    private mutating func readGeneral(_ reader: inout SectionReader) throws(ConfigurationError) {
        try reader.text("general.domain_register_url", &domainRegisterURL)
        try reader.text("general.domain_id", &options.domainID)
        guard !options.domainID.isEmpty else { throw ConfigurationError("general.domain_id is empty") }
        guard !options.domainID.utf8.contains(0) else { throw ConfigurationError("general.domain_id contains a NUL") }
        try reader.number("general.subscription_refresh_interval_sec", &options.refreshInterval, 1...86_400)
        try reader.text("general.orchestrator_url", &orchestratorURL)
        try reader.text("general.orchestrator_url_announced", &announcedURL)
        try reader.text("general.node_register_url", &nodeRegisterURL)
        var coap = ""
        try reader.text("general.node_register_coap_url", &coap)
        if !coap.isEmpty {
            nodeRegisterCoAPURL = coap
            warnings.append("general.node_register_coap_url: CoAP is not supported; such nodes cannot register")
        }
        try reader.number("general.lease_min_seconds", &options.leaseMinimum, 1...86_400)
        try reader.number("general.lease_max_seconds", &options.leaseMaximum, 1...86_400)
        guard options.leaseMinimum <= options.leaseMaximum else {
            throw ConfigurationError("general.lease_min_seconds exceeds general.lease_max_seconds")
        }
        try reader.number("general.recovery_grace_seconds", &options.recoveryGrace, 1...86_400)
        try reader.number("general.disconnect_grace_seconds", &options.disconnectGrace, 0...86_400)
        try reader.number("general.evictions_per_interval", &options.evictionsPerInterval, 1...1_000_000)
        try reader.number("general.call_deadline_seconds", &callDeadline, 1...3_600)
        try reader.number("general.message_limit_bytes", &messageLimit, 65_536...(1 << 31))
        try reader.number("general.node_limit", &options.nodeLimit, 1...1_000_000)
        try reader.number("general.new_nodes_per_client", &options.newNodesPerClient, 1...1_000_000)
        try reader.number("general.state_limit_bytes", &options.stateLimit, (1 << 20)...(1 << 40))
        try reader.texts("general.controller_names", &controllerNames)
        try reader.texts("general.agent_hosts", &agentHosts)
        for host in agentHosts where !AgentHosts.isHost(host) {
            throw ConfigurationError(
                "general.agent_hosts: \(host) is not a host name, an address or a network such as 10.1.0.0/16")
        }
        try reader.text("general.audit_log", &auditLog)
        try reader.text("general.status_url", &statusURL)
        guard statusURL.isEmpty || statusURL.hasPrefix("http://") else {
            throw ConfigurationError(
                "general.status_url takes a URL such as http://127.0.0.1:7010. TLS is not supported: to serve other hosts, "
                    + "put a TLS proxy in front of it")
        }
    }

    private mutating func readBaseline(_ reader: inout SectionReader) throws(ConfigurationError) {
        try reader.choice("baseline.orchestration_strategy", &options.strategy, ["Random", "RoundRobin", "LoadAware"])
        try reader.flag("baseline.try_next_candidate", &options.triesNextCandidate)
        try reader.flag("baseline.make_before_break", &options.makesBeforeBreaking)
    }

    private mutating func readProxy(_ reader: inout SectionReader) throws(ConfigurationError) {
        var type = "none"
        try reader.text("proxy.proxy_type", &type)
        if let known = ProxyType(rawValue: type.lowercased()) {
            proxyType = known
        } else {
            warnings.append("proxy.proxy_type: \(type) is neither None nor Redis; the mirror is disabled")
        }
        try reader.number("proxy.proxy_gc_period_seconds", &proxyRetention, 0...(1 << 40))
        try reader.text("proxy.redis_url", &redisURL)
        try reader.choice("proxy.schema", &proxySchema, Mirror.Schema.allCases.map(\.rawValue))
        guard reader.hasSection("proxy.dataset_settings") else { return }
        var settings = Dataset.Settings()
        try reader.text("proxy.dataset_settings.dataset_path", &settings.path)
        try reader.flag("proxy.dataset_settings.append", &settings.appends)
        try reader.text("proxy.dataset_settings.additional_fields", &settings.additionalFields)
        try reader.text("proxy.dataset_settings.additional_header", &settings.additionalHeader)
        // In the EDGELESS documentation, an empty path means "do not save".
        dataset = settings.path.isEmpty ? nil : settings
    }

    /// The file that `-t` writes.
    package static let template = """
        # The configuration of berth-domain. docs/domain.md describes further keys. All addresses are loopback addresses
        # until you change the URLs. TLS: tls_config.toml in the working directory; without it all connections use
        # plaintext.

        [general]
        # The domain register of the controller.
        domain_register_url = "http://127.0.0.1:7002"
        # The interval of updates for the controller, in seconds.
        subscription_refresh_interval_sec = 2
        # Unique among the domains of the controller. The state is in /var/lib/berth/domain/<domain_id>.
        domain_id = "domain-7000"
        # Where the controller's requests are served, and the URL announced to it ("" for the host's own address).
        orchestrator_url = "http://127.0.0.1:7003"
        orchestrator_url_announced = "http://127.0.0.1:7003"
        # Where nodes register.
        node_register_url = "http://127.0.0.1:7004"
        # Where status and metrics are served over HTTP, without access control.
        #status_url = "http://127.0.0.1:7010"
        # A file that gets a line for each change by a controller or an operator.
        #audit_log = "/var/log/berth/domain.jsonl"

        [baseline]
        # Random, RoundRobin or LoadAware.
        orchestration_strategy = "Random"

        [proxy]
        # None, or Redis for a mirror that `berth-domain proxy` reads and submits intents to.
        proxy_type = "None"
        # The maximum age of samples and log lines in the mirror, in seconds; 0 for no limit.
        proxy_gc_period_seconds = 360
        # The Redis or Valkey to mirror to; ignored with None.
        redis_url = "redis://127.0.0.1:6379"

        [proxy.dataset_settings]
        # The prefix of the names of CSV files; empty for none.
        dataset_path = ""
        # Whether to append to existing files; otherwise they are emptied at start.
        append = true
        # Text for additional first columns of each row, and of the header, such as "1" and "run"; not quoted.
        additional_fields = ""
        additional_header = ""

        """
}
