import Domain
import DomainMirror
import DomainSettings
import Logging
import Service
import TestSupport
import Testing

/// Section 2.1 of the domain specification.
@Suite struct ConfigurationTests {
    private func read(_ text: String) throws -> OrchestratorConfiguration {
        try OrchestratorConfiguration(toml: text, file: "orchestrator.toml")
    }

    @Test("the template parses to the defaults without a warning")
    func template() throws {
        #expect(try read(OrchestratorConfiguration.template) == OrchestratorConfiguration())
    }

    @Test("X4: keys and whole sections may be missing; the three-line snippet of the EDGELESS documentation loads")
    func snippet() throws {
        let configuration = try read("[proxy]\nproxy_type = \"Redis\"\nredis_url = \"redis://127.0.0.1:6379\"\n")
        #expect(configuration.proxyType == .redis && configuration.proxyRetention == 360)
        #expect(configuration.dataset == nil)
        #expect(try read("[general]\ndomain_id = \"domain-7000\"") == OrchestratorConfiguration())
        #expect(try read("").options == OrchestratorConfiguration().options)
    }

    @Test("a missing domain_id is a warning with the name that the domain has")
    func unnamed() throws {
        let warnings = try read("[proxy]\nproxy_type = \"Redis\"").warnings
        #expect(warnings == ["orchestrator.toml: general.domain_id is missing; the domain is called domain-7000"])
    }

    @Test("every key is read")
    func all() throws {
        let configuration = try read(
            """
            [general]
            domain_register_url = "http://10.0.0.1:7002"
            subscription_refresh_interval_sec = 5
            domain_id = "d"
            orchestrator_url = "http://0.0.0.0:1"
            orchestrator_url_announced = ""
            node_register_url = "https://0.0.0.0:2"
            node_register_coap_url = "coap://0.0.0.0:3"
            lease_min_seconds = 2
            lease_max_seconds = 100
            evictions_per_interval = 7
            call_deadline_seconds = 3
            agent_hosts = ["10.0.0.0/8", "localhost"]
            status_url = "http://127.0.0.1:7010"
            [baseline]
            orchestration_strategy = "RoundRobin"
            try_next_candidate = false
            [proxy]
            proxy_type = "REDIS"
            proxy_gc_period_seconds = 0
            schema = "seed"
            [proxy.dataset_settings]
            dataset_path = "data/run-"
            append = false
            additional_fields = "a"
            additional_header = "b"
            """)
        #expect(configuration.domainRegisterURL == "http://10.0.0.1:7002" && configuration.options.refreshInterval == 5)
        #expect(configuration.options.domainID == "d" && configuration.orchestratorURL == "http://0.0.0.0:1")
        #expect(configuration.announcedURL.isEmpty && configuration.nodeRegisterURL == "https://0.0.0.0:2")
        #expect(configuration.options.leaseMinimum == 2 && configuration.options.leaseMaximum == 100)
        #expect(configuration.options.evictionsPerInterval == 7)
        #expect(configuration.callDeadline == 3 && configuration.agentHosts.count == 2)
        #expect(configuration.statusURL == "http://127.0.0.1:7010" && OrchestratorConfiguration().statusURL.isEmpty)
        #expect(configuration.options.strategy == .roundRobin && !configuration.options.triesNextCandidate)
        #expect(configuration.proxyType == .redis && configuration.proxyRetention == 0)
        #expect(configuration.proxySchema == .seed && configuration.dataset?.path == "data/run-")
        #expect(configuration.dataset?.appends == false && configuration.dataset?.additionalHeader == "b")
        #expect(configuration.warnings.count == 1 && configuration.warnings[0].contains("CoAP"))
    }

    @Test("an unknown key and an unknown proxy type are warnings, not errors")
    func warnings() throws {
        let configuration = try read("[general]\ndomain_id = \"d\"\nnovelty = 1\n[proxy]\nproxy_type = \"etcd\"\n")
        #expect(configuration.proxyType == .none)
        #expect(configuration.warnings.contains { $0.contains("general.novelty") })
        #expect(configuration.warnings.contains { $0.contains("etcd") })
    }

    @Test(
        "the TOML forms that EDGELESS accepts are accepted: CRLF, whitespace and quotes in headers, inline tables",
        arguments: [
            "[general]\r\ndomain_id = \"d\"\r\n[proxy]\r\nproxy_type = \"Redis\"\r\n[proxy.dataset_settings]\r\ndataset_path = \"/x\"\r\n",
            "[ general ]\ndomain_id = \"d\"\n['proxy']\nproxy_type = \"Redis\"\n[ \"proxy\" . dataset_settings ]\ndataset_path = \"/x\"",
            "general = {domain_id = \"d\"}\n[proxy]\nproxy_type = \"Redis\" # {\ndataset_settings = { dataset_path = \"/x\", append = true } # x",
            "general.domain_id = 'd'\nproxy = {proxy_type = 'Redis', dataset_settings.dataset_path = '/x'}",
            "[general]\ndomain_id = \"d\"\n[[ extra ]]\na = {}\n[proxy]\nproxy_type = \"Redis\"\n[proxy.dataset_settings]\ndataset_path = \"/x\"",
        ])
    func forms(_ text: String) throws {
        let configuration = try read(text)
        #expect(configuration.options.domainID == "d" && configuration.proxyType == .redis)
        #expect(configuration.dataset?.path == "/x")
    }

    @Test(
        "random TOML-like files are parsed or refused without a trap",
        arguments: 0..<50 as Range<UInt64>)
    func random(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let signs = [
            "[", "]", "{", "}", "\"", "'", "=", ".", ",", "#", "\n", "\r\n", " ", "a", "general", "proxy", "1", "-",
            "\\",
            "true", "[a]", "[[a]]", "{a = 1}", "a = ", "{a.b = 'c'}",
        ]
        for _ in 0..<200 {
            let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                signs[Int.random(in: 0..<signs.count, using: &random)]
            }.joined()
            _ = try? read(text)
        }
    }

    @Test(
        "W3: every log filter is accepted, and its unknown parts are reported",
        arguments: [
            (nil, .notice, []), ("", .notice, []), ("=", .notice, ["="]), ("info,=", .info, ["="]), (",", .notice, []),
            ("edgeless_orc=", .notice, ["edgeless_orc="]), ("debgu", .notice, ["debgu"]),
            ("edgeless_orc=debug,info", .debug, []), ("warn, h2=off,a[b=c]=d/e", .warning, []), ("OFF", .critical, []),
            ("edgeless_orc", .trace, []), ("berth=high,error", .error, ["berth=high"]), ("info/a,b", .info, []),
        ] as [(String?, Logger.Level, [String])])
    func filters(_ text: String?, _ level: Logger.Level, _ unknown: [String]) {
        let filter = LogFilter(text)
        #expect(filter.level == level && filter.unknown == unknown)
    }

    @Test(
        "W3: an invalid value is an error that names the key",
        arguments: [
            ("[general]\nsubscription_refresh_interval_sec = 0", "subscription_refresh_interval_sec"),
            ("[general]\nsubscription_refresh_interval_sec = \"2\"", "subscription_refresh_interval_sec"),
            ("[general]\ndomain_id = 7", "domain_id"), ("[general]\ndomain_id = \"\"", "domain_id"),
            ("[baseline]\norchestration_strategy = \"random\"", "orchestration_strategy"),
            ("[proxy]\nproxy_gc_period_seconds = -1", "proxy_gc_period_seconds"),
            ("[proxy]\nschema = \"old\"", "schema"), ("[general]\nagent_hosts = [1]", "agent_hosts"),
            ("[general]\nagent_hosts = [\"10.0.0.0/99\"]", "10.0.0.0/99"),
            ("[general]\nagent_hosts = [\"10.0.0.300\"]", "10.0.0.300"), ("[general]\nagent_hosts = [\"*.a\"]", "*.a"),
            ("[general]\nlease_min_seconds = 9\nlease_max_seconds = 8", "lease_min_seconds"), ("[[[", "line 1"),
            ("[general]\nstatus_url = 7010", "general.status_url takes"),
            ("[general]\nstatus_url = \"https://h:1\"", "TLS is not supported"),
            ("[general]\ndomainid = \"a\"", "general.domain_id is missing"), ("[general", "line 1"),
            ("x = ", "orchestrator.toml"), ("proxy = 5", "proxy is a section"),
            ("[general]\ndomain_id = \"a\\u0000b\"", "line 2"),
            (Array(repeating: "a", count: 20_000).joined(separator: ".") + " = 1", "line 1"), ("x = {", "line 1"),
            ("x = {a = {b = 1}}", "line 1"), ("x = [{a = 1}]", "line 1"), ("[[a]", "line 1"),
        ])
    func errors(_ text: String, _ key: String) {
        let error = #expect(throws: ConfigurationError.self) { try read(text) }
        #expect(error?.message.contains(key) == true, "\(error?.message ?? "")")
    }

    /// A configuration whose keys all differ from the template's.
    private func changed() throws -> OrchestratorConfiguration {
        try read(
            """
            [general]
            domain_register_url = "http://10.0.0.1:7002"
            subscription_refresh_interval_sec = 5
            domain_id = "d"
            orchestrator_url = "http://0.0.0.0:1"
            orchestrator_url_announced = ""
            node_register_url = "https://0.0.0.0:2"
            lease_min_seconds = 2
            lease_max_seconds = 100
            recovery_grace_seconds = 31
            disconnect_grace_seconds = 7
            evictions_per_interval = 7
            call_deadline_seconds = 3
            message_limit_bytes = 100000
            node_limit = 7
            controller_names = ["c"]
            agent_hosts = ["10.0.0.0/8"]
            audit_log = "a.jsonl"
            status_url = "http://127.0.0.1:7010"
            [baseline]
            orchestration_strategy = "RoundRobin"
            try_next_candidate = false
            make_before_break = true
            [proxy]
            proxy_type = "Redis"
            redis_url = "redis://10.0.0.1"
            proxy_gc_period_seconds = 0
            schema = "seed"
            [proxy.dataset_settings]
            dataset_path = "data/run-"
            """)
    }

    @Test("a reload takes over the keys that it names as changed, and no others; docs/domain.md lists the others")
    func reload() throws {
        let (used, fresh) = (OrchestratorConfiguration(), try changed())
        let changes = fresh.changes(from: used)
        #expect(changes.applied.count == 13 && changes.waiting.count == 13)
        var taken = used
        taken.take(fresh)
        let (takenOver, left) = (taken.changes(from: used), fresh.changes(from: taken))
        #expect(takenOver.applied == changes.applied && takenOver.waiting.isEmpty)
        #expect(left.waiting == changes.waiting && left.applied.isEmpty)
        let root = #filePath.split(separator: "/Tests/")[0]
        let page = try #require(TemporaryDirectory.read("\(root)/docs/domain.md"))
        let text = String(decoding: page, as: UTF8.self)
        let start = try #require(text.firstRange(of: "## Reload\n")?.upperBound)
        let end = try #require(text[start...].firstRange(of: "\n## ")?.lowerBound)
        for key in changes.waiting { #expect(text[start..<end].contains("`\(key)`"), "\(key)") }
        for key in changes.applied { #expect(!text[start..<end].contains("`\(key)`"), "\(key)") }
    }
}
