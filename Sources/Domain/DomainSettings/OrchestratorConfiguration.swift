import Domain
import DomainMirror
import Service
import TOMLKit

/// The file `orchestrator.toml` (domain specification, section 2.1), with keys of our own.
///
/// Every key has the value of the template unless given, so that also the snippets of the reference's documents load; a key
/// that is unknown is no error, as in the reference, but named in ``warnings``.
package struct OrchestratorConfiguration: Equatable, Sendable {
    /// Where the mirror of the domain goes.
    package enum ProxyType: String, Equatable, Sendable {
        /// Nowhere.
        case none
        /// To Redis or Valkey.
        case redis
    }

    /// The controller's register of domains.
    package var domainRegisterURL = "http://127.0.0.1:7002"
    /// The choices that the domain itself knows.
    package var options = DomainOptions()
    /// Where the controller's requests are served.
    package var orchestratorURL = "http://127.0.0.1:7003"
    /// How the controller is told to reach that; empty for the host's own address.
    package var announcedURL = "http://127.0.0.1:7003"
    /// Where nodes register.
    package var nodeRegisterURL = "http://127.0.0.1:7004"
    /// The CoAP register, which is not supported.
    package var nodeRegisterCoAPURL: String?
    /// How long a call to a node may take, in seconds.
    package var callDeadline = 10
    /// The most bytes of a message.
    package var messageLimit = 256 << 20
    /// Where status and metrics are shown over HTTP; empty for nowhere.
    package var statusURL = ""
    /// The names of the certificates that may call the orchestrator's address; empty for all who may connect.
    package var controllerNames: [String] = []
    /// The hosts that an agent's URL may name; empty for all.
    package var agentHosts: [String] = []
    /// Where the mirror of the domain goes.
    package var proxyType = ProxyType.none
    /// How often, and after how long, old figures are removed from it, in seconds; 0 for never.
    package var proxyRetention = 360
    /// Where Redis is.
    package var redisURL = "redis://127.0.0.1:6379"
    /// Which keys the mirror has.
    package var proxySchema = Mirror.Schema.both
    /// The CSV files; nil for none.
    package var dataset: Dataset.Settings?
    /// What an operator should know of the file.
    package private(set) var warnings: [String] = []

    /// The template's values.
    package init() { options.refreshInterval = 2 }

    /// Reads a configuration.
    ///
    /// - Throws: `ConfigurationError`, which names the file, the key and what would be right.
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
        warnings += reader.unknown.map { "\(file): the key \($0) is unknown and does not count" }
    }

    private mutating func readGeneral(_ reader: inout SectionReader) throws(ConfigurationError) {
        try reader.text("general.domain_register_url", &domainRegisterURL)
        try reader.text("general.domain_id", &options.domainID)
        guard !options.domainID.isEmpty else { throw ConfigurationError("general.domain_id is empty") }
        guard !options.domainID.utf8.contains(0) else { throw ConfigurationError("general.domain_id has a NUL") }
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
            throw ConfigurationError("general.lease_min_seconds is more than general.lease_max_seconds")
        }
        try reader.number("general.recovery_grace_seconds", &options.recoveryGrace, 1...86_400)
        try reader.number("general.call_deadline_seconds", &callDeadline, 1...3_600)
        try reader.number("general.message_limit_bytes", &messageLimit, 65_536...(1 << 31))
        try reader.number("general.node_limit", &options.nodeLimit, 1...1_000_000)
        try reader.texts("general.controller_names", &controllerNames)
        try reader.texts("general.agent_hosts", &agentHosts)
        for host in agentHosts where !AgentHosts.isHost(host) {
            throw ConfigurationError(
                "general.agent_hosts: \(host) is neither a host, nor an address, nor a network such as 10.1.0.0/16")
        }
        try reader.text("general.status_url", &statusURL)
        guard statusURL.isEmpty || statusURL.hasPrefix("http://") else {
            throw ConfigurationError(
                "general.status_url takes a URL such as http://127.0.0.1:7010, without TLS: where others than this host "
                    + "are to read it, put a proxy with TLS before it")
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
            warnings.append("proxy.proxy_type: \(type) is neither none nor redis; there is no mirror")
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
        // "Do not save", as the reference's documents have it.
        dataset = settings.path.isEmpty ? nil : settings
    }

    /// The file that `-t` writes.
    package static let template = """
        [general]
        domain_register_url = "http://127.0.0.1:7002"
        subscription_refresh_interval_sec = 2
        domain_id = "domain-7000"
        orchestrator_url = "http://127.0.0.1:7003"
        orchestrator_url_announced = "http://127.0.0.1:7003"
        node_register_url = "http://127.0.0.1:7004"

        [baseline]
        orchestration_strategy = "Random"

        [proxy]
        proxy_type = "None"
        proxy_gc_period_seconds = 360
        redis_url = "redis://127.0.0.1:6379"

        [proxy.dataset_settings]
        dataset_path = ""
        append = true
        additional_fields = ""
        additional_header = ""

        """
}
