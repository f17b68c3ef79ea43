import Domain
import DomainRuntime
import TestSupport
import Testing
import WireJSON

@testable import DomainStatus

/// The metrics, the JSON and the page.
@Suite struct StatusTests {
    private static let hostile = "<script>\"x\" & 'y'</script>\\\n"

    private static func node(_ number: UInt64, isReset: Bool = true, labels: [String] = []) -> NodeRecord {
        var description = NodeDescription(agentURL: "http://10.0.0.\(number):7005", invocationURL: "")
        (description.capabilities.cpus, description.capabilities.runtimes) = (4, ["RUST_WASM"])
        description.capabilities.labels = labels
        return NodeRecord(
            id: NodeID(high: 0, low: number), nonce: 1, description: description, claims: [:], isReset: isReset)
    }

    private static func instance(
        _ number: UInt64, _ kind: ComponentKind, on node: UInt64?, named name: String = "doubler"
    ) -> DomainChange {
        let specification: Specification =
            switch kind {
            case .function:
                .function(
                    FunctionSpecification(
                        functionClass: FunctionClass(id: name, runtime: "R", version: "1"),
                        annotations: ["secret": "hush"], stateID: StateID(high: 1, low: 1), workflowID: "wf"))
            case .resource: .resource(ResourceSpecification(classType: name, configuration: ["secret": "hush"]))
            }
        return .instance(
            InstanceRecord(
                id: LogicalID(high: 1, low: number), specification: specification, created: number,
                physical: node.map {
                    PhysicalID(node: NodeID(high: 0, low: $0), component: ComponentID(high: 2, low: number))
                }))
    }

    private static func snapshot(_ changes: [DomainChange], failure: String? = nil) -> DomainSnapshot {
        var records = DomainRecords()
        for change in changes { records.apply(change) }
        var counters = DomainCounters()
        counters.count(.start, .accepted)
        counters.count(.start, .accepted)
        counters.count(.start, .refused)
        counters.count(CallOutcome.unreachable("no route"))
        counters.count(DomainUpdateOutcome.reset)
        counters.countCommit(succeeded: true)
        counters.countCommit(succeeded: false)
        return DomainSnapshot(records: records, counters: counters, failure: failure)
    }

    private static let lively: [DomainChange] = [
        .node(node(1, labels: ["x", "hostname=n1"])), .node(node(2, isReset: false)), .node(node(3)),
        .cordon(NodeID(high: 0, low: 3), true), .cordon(NodeID(high: 0, low: 99), true),
        .departed(NodeID(high: 0, low: 98), true), instance(1, .function, on: 1), instance(2, .function, on: nil),
        instance(3, .resource, on: 1, named: "file-log"),
        .wiring(LogicalID(high: 1, low: 1), ["out": LogicalID(high: 1, low: 3)]),
        .patchDue(LogicalID(high: 1, low: 1), true),
        .orphan(
            PhysicalID(node: NodeID(high: 0, low: 1), component: ComponentID(high: 2, low: 9)), .function, true),
        .unknownOutcome(NodeID(high: 0, low: 1), true),
    ]

    private static func report(
        _ snapshot: DomainSnapshot, domain: String = "d", redis: StatusReport.RedisState? = nil
    ) -> StatusReport {
        StatusReport(domainID: domain, version: "1.2.3", snapshot: snapshot, redis: redis, time: 100_000)
    }

    // MARK: - Metrics

    private static func metrics(
        _ snapshot: DomainSnapshot, domain: String = "d", redis: StatusReport.RedisState? = nil
    ) -> String {
        MetricsText.text(DomainMetrics(snapshot), domainID: domain, version: "1.2.3", redis: redis)
    }

    @Test("the metrics count the records and follow the text format strictly")
    func figures() throws {
        let text = try PrometheusText(
            Self.metrics(
                Self.snapshot(Self.lively),
                redis: StatusReport.RedisState(isConnected: true, lastSync: 1_700_000_000_042)))
        for (sample, value) in [
            ("nodes{state=\"ready\"}", 1), ("nodes{state=\"joining\"}", 1), ("nodes{state=\"cordoned\"}", 1),
            ("instances{kind=\"function\",state=\"placed\"}", 1),
            ("instances{kind=\"function\",state=\"waiting\"}", 1),
            ("instances{kind=\"resource\",state=\"placed\"}", 1),
            ("instances{kind=\"resource\",state=\"waiting\"}", 0), ("orphans", 1), ("leftovers", 1),
            ("patches_due", 1), ("unknown_outcomes", 1), ("doubts", 1), ("wirings", 1),
            ("rows", 1), ("departed_nodes", 1), ("state_writable", 1),
            ("requests_total{outcome=\"accepted\",request=\"start\"}", 2),
            ("requests_total{outcome=\"refused\",request=\"start\"}", 1),
            ("requests_total{outcome=\"failed\",request=\"stop\"}", 0),
            ("node_calls_total{outcome=\"unreachable\"}", 1), ("controller_updates_total{outcome=\"reset\"}", 1),
            ("nodes_left_total", 0), ("commits_total", 1), ("commit_failures_total", 1), ("redis_connected", 1),
            ("redis_last_sync_timestamp_seconds", 1_700_000_000.042), ("info{domain_id=\"d\",version=\"1.2.3\"}", 1),
        ] as [(String, Double)] {
            #expect(text["berth_domain_\(sample)"] == value, "\(sample)")
        }
    }

    @Test("a domain name with quotes, backslashes and line ends keeps the metrics well formed")
    func escapedLabels() throws {
        let text = Self.metrics(Self.snapshot([]), domain: Self.hostile)
        #expect(text.contains(#"domain_id="<script>\"x\" & 'y'</script>\\\n""#))
        #expect(try PrometheusText(text).families["berth_domain_info"]?.type == "gauge")
    }

    @Test("without Redis there are no Redis metrics; a state that cannot be stored is 0")
    func absent() throws {
        let text = try PrometheusText(Self.metrics(Self.snapshot([], failure: "disk full")))
        #expect(text["berth_domain_state_writable"] == 0 && text["berth_domain_redis_connected"] == nil)
        #expect(text.families.keys.allSatisfy { !$0.contains("redis") })
    }

    @Test("promtool accepts the metrics", .enabled(if: PrometheusText.promtool != nil, "there is no promtool"))
    func promtool() async throws {
        let tool = try #require(PrometheusText.promtool)
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/metrics"
        try TemporaryDirectory.write(
            Array(Self.metrics(Self.snapshot(Self.lively), domain: Self.hostile).utf8), to: path)
        let result = try await Program.run(["sh", "-c", "exec \(tool) check metrics <\(path)"])
        #expect(result.status == 0 && result.text.isEmpty, "\(result.text)")
    }

    @Test(
        "the packaged alerts use existing metrics and labels")
    func alerts() throws {
        let rules = String(decoding: try #require(TemporaryDirectory.read(Self.alertsPath)), as: UTF8.self)
        let metrics = Self.metrics(
            Self.snapshot(Self.lively), redis: StatusReport.RedisState(isConnected: true, lastSync: 1))
        let names = rules.matches(of: #/berth_domain_[a-z_]+(?:\{[^}]*\})?/#).map { String($0.output) }
        #expect(names.count >= 8)
        for name in names {
            let parts = name.split(separator: "{", maxSplits: 1)
            let label = parts.count > 1 ? parts[1].dropLast() : ""
            #expect(
                metrics.split(separator: "\n").contains {
                    $0.hasPrefix(parts[0]) && $0.contains(label)
                }, "\(name)")
        }
    }

    @Test("promtool accepts the packaged alerts", .enabled(if: PrometheusText.promtool != nil, "there is no promtool"))
    func alertRules() async throws {
        let tool = try #require(PrometheusText.promtool)
        let result = try await Program.run([tool, "check", "rules", Self.alertsPath])
        #expect(result.status == 0, "\(result.text)")
    }

    @Test(
        "the metrics parser of these tests refuses what Prometheus refuses",
        arguments: [
            "a 1\n", "# HELP a b\na 1\n", "# HELP a b\n# TYPE a gauge\na{b=c} 1\n",
            "# HELP a b\n# TYPE a gauge\na{b=\"\\q\"} 1\n", "# HELP a b\n# TYPE a gauge\na 1\na 2\n",
            "# HELP a b\n# TYPE a counter\na 1\n", "# HELP a b\n# TYPE a gauge\na 1",
            "# HELP a b\n# TYPE a gauge\nc 1\n",
            "# HELP 1a b\n# TYPE 1a gauge\n", "# HELP a b\n# TYPE a gauge\na{b=\"x\ny\"} 1\n",
        ])
    func strictness(_ text: String) { #expect(throws: PrometheusText.Wrong.self) { try PrometheusText(text) } }

    private static let alertsPath =
        "/\(#filePath.split(separator: "/Tests/")[0])/packaging/examples/berth-domain-alerts.yml"

    // MARK: - JSON

    @Test("docs/domain.md shows the actual JSON and names every metric")
    func documented() throws {
        let path = "/\(#filePath.split(separator: "/Tests/")[0])/docs/domain.md"
        let text = String(decoding: try #require(TemporaryDirectory.read(path)), as: UTF8.self)
        let section = try #require(
            text.split(separator: "## Status and metrics").last?.split(separator: "## Redis").first)
        let shown = try #require(section.split(separator: "```json\n").last?.split(separator: "```").first)
        let json = shown.split(separator: "\n").map { $0.drop { $0 == " " } }.joined()
        let workflow = "5e0c7a90-1111-4222-8333-944455566677"
        let node = try #require(NodeID("0b6f1d3e-52a4-4c7e-9d10-7a1c2f3e4d55"))
        var description = NodeDescription(agentURL: "http://10.0.0.3:7005", invocationURL: "")
        (description.capabilities.cpus, description.capabilities.runtimes) = (8, ["RUST_WASM"])
        description.capabilities.labels = ["rack=1", "hostname=n3"]
        var records = DomainRecords()
        for change in [
            DomainChange.node(
                NodeRecord(id: node, nonce: 1, description: description, claims: [:], isReset: true)),
            .instance(
                InstanceRecord(
                    id: try #require(LogicalID("99cc00dd-3456-4789-abcd-ef0123456789")),
                    specification: .resource(ResourceSpecification(classType: "file-log", workflowID: workflow)),
                    created: 1, physical: nil)),
            .instance(
                InstanceRecord(
                    id: try #require(LogicalID("11111111-2222-4333-8444-555555555555")),
                    specification: .function(
                        FunctionSpecification(
                            functionClass: FunctionClass(id: "doubler", runtime: "RUST_WASM", version: "0.1"),
                            stateID: StateID(high: 1, low: 1), workflowID: workflow)), created: 0,
                    physical: PhysicalID(node: node, component: ComponentID(high: 1, low: 1)))),
        ] { records.apply(change) }
        let report = StatusReport(
            domainID: "domain-7000", version: "0.2.0", snapshot: DomainSnapshot(records: records),
            redis: StatusReport.RedisState(isConnected: true, lastSync: 1_795_551_053_512), time: 1_795_551_053_740)
        #expect(String(decoding: StatusJSON.bytes(report), as: UTF8.self) == json)

        let metrics = try PrometheusText(Self.metrics(Self.snapshot([]), redis: report.redis))
        for name in metrics.families.keys {
            #expect(
                section.contains("`\(name)`") || section.contains("`\(name.dropFirst("berth_domain".count))`"),
                "\(name)")
        }
    }

    @Test("hostile names keep the JSON valid, and a problem with the state is included")
    func hostileJSON() throws {
        let snapshot = Self.snapshot(
            [
                .node(Self.node(1, labels: ["hostname=\(Self.hostile)"])),
                Self.instance(1, .function, on: 1, named: Self.hostile),
            ],
            failure: Self.hostile)
        let value = try JSONValue(StatusJSON.bytes(Self.report(snapshot, domain: Self.hostile)))
        #expect(value["domain"]?.string == Self.hostile && value["redis"] == nil)
        #expect(value["state"]?["problem"]?.string == Self.hostile && value["state"]?["writable"]?.boolean == false)
        #expect(value["nodes"]?.array?.first?["hostname"]?.string == Self.hostile)
        #expect(value["instances"]?.array?.first?["class"]?.string == Self.hostile)
    }

    // MARK: - Page

    @Test("the page shows nodes, instances, remaining work and Redis")
    func page() {
        let page = StatusPage.text(
            Self.report(
                Self.snapshot(Self.lively), redis: StatusReport.RedisState(isConnected: false, lastSync: 90_000)))
        for text in [
            "<h1>Domain d</h1>", "Nodes (3)", "Instances (3)", "<td>n1</td>", "<td>http://10.0.0.1:7005</td>",
            "<td>waiting</td>", "<td>file-log</td>", "Redis: not connected, last up to date: 10 s ago",
            "<td>patches due</td><td>1</td>", "<td>unknown outcomes</td><td>1</td>",
        ] { #expect(page.contains(text), "\(text)") }
        #expect(StatusPage.text(Self.report(Self.snapshot([]))).contains("Nothing."))
    }

    @Test("a Redis whose address cannot be used is shown as a problem, not as absent")
    func unusableRedis() throws {
        let redis = StatusReport.RedisState(isConnected: false, lastSync: nil, problem: "no <port>")
        let report = Self.report(Self.snapshot([]), redis: redis)
        #expect(StatusPage.text(report).contains("because its address cannot be used: no &lt;port&gt;"))
        let json = try JSONValue(StatusJSON.bytes(report))
        #expect(json["redis"]?["problem"]?.string == "no <port>" && json["redis"]?["connected"]?.boolean == false)
        #expect(try PrometheusText(Self.metrics(Self.snapshot([]), redis: redis))["berth_domain_redis_connected"] == 0)
    }

    @Test("external text is escaped in HTML")
    func escaping() {
        let snapshot = Self.snapshot(
            [
                .node(Self.node(1, labels: ["hostname=\(Self.hostile)"])),
                Self.instance(1, .resource, on: nil, named: Self.hostile),
            ],
            failure: Self.hostile)
        let page = StatusPage.text(Self.report(snapshot, domain: Self.hostile))
        #expect(!page.contains("<script") && !page.contains("'y'"))
        // Title, heading, problem, host name, class.
        #expect(page.ranges(of: "&lt;script&gt;&quot;x&quot; &amp; &#39;y&#39;&lt;/script&gt;").count == 5)
    }

    @Test("annotations and configurations are never shown")
    func secrets() {
        let report = Self.report(Self.snapshot(Self.lively))
        #expect(!StatusPage.text(report).contains("hush"))
        #expect(!String(decoding: StatusJSON.bytes(report), as: UTF8.self).contains("hush"))
    }

    @Test("the page of a large domain is limited and counts what it omits")
    func large() {
        let snapshot = Self.snapshot((1...1_500).map { Self.instance($0, .function, on: nil) })
        let page = StatusPage.text(Self.report(snapshot))
        #expect(page.contains("Instances (1500)") && page.contains("… and 500 more."))
        #expect(page.ranges(of: "<td>waiting</td>").count == 1_000)
    }
}
