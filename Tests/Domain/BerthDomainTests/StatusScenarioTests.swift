import Domain
import DomainDemo
import DomainWire
import Glibc
import TestSupport
import Testing
import WireJSON

/// `berth-domain` as a process with a status server.
@Suite(.serialized) struct StatusScenarioTests {
    private let site: DomainSite
    private let web: WebClient

    init() throws {
        signal(SIGPIPE, SIG_IGN)
        site = try DomainSite()
        web = WebClient(port: site.status.port)
    }

    private func metrics() async throws -> PrometheusText {
        try PrometheusText(await web.ask("/metrics")?.text ?? "")
    }

    /// Waits until these metrics have these values.
    private func shows(_ values: [String: Double]) async throws -> Bool {
        try await eventually {
            let metrics = try await metrics()
            return values.allSatisfy { metrics["berth_domain_\($0.key)"] == $0.value }
        }
    }

    @Test("metrics follow nodes that join and functions that start, wait and stop")
    func figures() async throws {
        try site.write("status_url = \"\(site.status)\"")
        let controller = try DemoController(url: site.controllerRegister)
        let process = try await site.serve()
        #expect(!process.text.contains("not a loopback address"))
        #expect(try await shows(["nodes{state=\"ready\"}": 0, "state_writable": 1]))
        #expect(try await metrics()["berth_domain_redis_connected"] == nil)

        let nodes = [try site.node(1, labels: ["hostname=<n1>"]), try site.node(2)]
        #expect(try await shows(["nodes{state=\"ready\"}": 2]))
        // At least a reset and a peer update for each node.
        #expect(
            try await eventually { try await metrics()["berth_domain_node_calls_total{outcome=\"done\"}"] ?? 0 >= 4 })
        let client = try OrchestratorClient(url: site.orchestrator)
        let id = try await client.start(DomainSite.function(["node_id_match_any": "\(nodes[0].node)"])).get()
        _ = try await client.start(DomainSite.function(["label_match_all": "none"]))
        #expect(
            try await shows([
                "instances{kind=\"function\",state=\"placed\"}": 1, "unknown_outcomes": 0,
                "requests_total{outcome=\"accepted\",request=\"start\"}": 1,
                "requests_total{outcome=\"refused\",request=\"start\"}": 1,
            ]))
        #expect(try await metrics()["berth_domain_controller_updates_total{outcome=\"accepted\"}"] ?? 0 >= 1)

        let page = try #require(await web.ask("/"))
        #expect(page.status == 200 && page.text.contains("<td>&lt;n1&gt;</td>") && page.text.contains("\(id)"))
        let json = try JSONValue(try #require(await web.ask("/status.json")).body)
        #expect(json["domain"]?.string == "domain-test" && json["nodes"]?.array?.count == 2)
        #expect(json["instances"]?.array?.first?["node"]?.string == "\(nodes[0].node)")
        #expect(await web.ask("/healthz")?.status == 200)
        #expect(await web.ask("/config")?.status == 404)
        #expect(await web.ask("/", "POST")?.status == 405)

        nodes[0].fallSilent()
        #expect(
            try await shows([
                "nodes{state=\"ready\"}": 1, "instances{kind=\"function\",state=\"placed\"}": 0,
                "instances{kind=\"function\",state=\"waiting\"}": 1,
            ]))
        try await client.stop(id, kind: .function)
        #expect(
            try await shows([
                "instances{kind=\"function\",state=\"waiting\"}": 0,
                "requests_total{outcome=\"accepted\",request=\"stop\"}": 1,
            ]))

        // A silent connection does not delay the shutdown.
        let silent = try #require(web.connect())
        defer { close(silent) }
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
        #expect(await web.ask("/metrics") == nil)
        client.close()
        for node in nodes { await node.stop() }
        await controller.stop()
    }

    @Test("without status_url the process only listens on the two gRPC addresses")
    func off() async throws {
        let process = try await site.serve()
        #expect(await web.ask("/") == nil)
        #expect(try listeners(of: process.pid) == [site.orchestrator.port, site.nodeRegister.port].sorted())
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
        try site.write("status_url = \"\(site.status)\"")
        let shown = try await site.serve()
        let all = [site.orchestrator.port, site.nodeRegister.port, site.status.port]
        #expect(try listeners(of: shown.pid) == all.sorted())
        shown.signal(SIGTERM)
        #expect(try await shown.end() == 0)
    }

    @Test("the metrics count a node that answers no call, until it answers one")
    func suspects() async throws {
        try site.write("status_url = \"\(site.status)\"\ncall_deadline_seconds = 1")
        let process = try await site.serve()
        let node = try site.node(1)
        #expect(try await shows(["nodes{state=\"ready\"}": 1, "nodes_suspect": 0]))
        let client = try OrchestratorClient(url: site.orchestrator)
        let id = try await client.start(DomainSite.function()).get()
        node.faults.hangs = true
        try await client.stop(id, kind: .function)
        #expect(try await shows(["nodes_suspect": 1]))
        node.faults.hangs = false
        #expect(try await shows(["nodes_suspect": 0]))
        client.close()
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
        await node.stop()
    }

    @Test("an unavailable status address exits with 69 and names it; one with TLS or without a port exits with 78")
    func wrongAddress() async throws {
        try site.write("status_url = \"\(site.orchestrator)\"")
        let taken = try site.spawn()
        #expect(try await taken.end() == 69)
        #expect(taken.text.contains("cannot listen on ") && taken.text.contains("\(site.orchestrator.port)"))
        for (url, words) in [
            ("https://127.0.0.1:1", "TLS is not supported"), ("http://127.0.0.1", "general.status_url"),
        ] {
            try site.write("status_url = \"\(url)\"")
            let process = try site.spawn()
            #expect(try await process.end() == 78)
            #expect(process.text.contains(words), "\(process.text)")
        }
    }

    @Test("a status address other than loopback is served with a warning")
    func open() async throws {
        try site.write("status_url = \"http://0.0.0.0:\(site.status.port)\"")
        let process = try await site.serve()
        #expect(process.text.contains("not a loopback address"))
        #expect(await web.ask("/healthz")?.status == 200)
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
    }

    @Test("the status shows whether Redis is connected", .enabled(if: RedisServer.isInstalled))
    func redis() async throws {
        let server = try RedisServer()
        try site.write(
            "status_url = \"\(site.status)\"", "[proxy]\nproxy_type = \"redis\"\nredis_url = \"\(server.url)\"")
        let process = try await site.serve()
        #expect(try await shows(["redis_connected": 1]))
        #expect(try await metrics()["berth_domain_redis_last_sync_timestamp_seconds"] ?? 0 > 1_700_000_000)
        try await server.stop()
        #expect(try await shows(["redis_connected": 0]))
        #expect(await web.ask("/healthz")?.status == 200)
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
    }

    /// The TCP ports that a process listens on.
    private func listeners(of pid: pid_t) throws -> [UInt16] {
        let directory = "/proc/\(pid)/fd"
        var inodes: Set<String> = []
        for number in 0..<1024 {
            var buffer = [CChar](repeating: 0, count: 64)
            let length = readlink("\(directory)/\(number)", &buffer, buffer.count)
            let target = String(decoding: buffer.prefix(max(0, length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if target.hasPrefix("socket:[") { inodes.insert(String(target.dropFirst(8).dropLast())) }
        }
        let table = try ["/proc/net/tcp", "/proc/net/tcp6"].flatMap { path in
            let bytes = try #require(TemporaryDirectory.read(path))
            return String(decoding: bytes, as: UTF8.self).split(separator: "\n").dropFirst()
        }
        return table.compactMap { line -> UInt16? in
            let words = line.split(separator: " ")
            // Local address, state (0A: listening), inode.
            guard words.count > 9, words[3] == "0A", inodes.contains(String(words[9])) else { return nil }
            return words[1].split(separator: ":").last.flatMap { UInt16($0, radix: 16) }
        }.sorted()
    }
}
