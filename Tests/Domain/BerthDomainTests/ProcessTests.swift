import Domain
import DomainDemo
import DomainSettings
import DomainWire
import Glibc
import TestSupport
import Testing

/// `berth-domain` as a process, with nodes and a controller over real connections.
@Suite(.serialized) struct ProcessTests {
    @Test("X5: -t writes the template, but never overwrites a file")
    func template() async throws {
        let site = try DomainSite()
        let path = "\(site.directory.path)/template.toml"
        #expect(try await Program.run([site.binary, "-t", path]).status == 0)
        #expect(TemporaryDirectory.read(path) == Array(OrchestratorConfiguration.template.utf8))
        try TemporaryDirectory.write([1], to: path)
        let again = try await Program.run([site.binary, "--template", path])
        #expect(again.status == 73 && again.text.contains("cannot overwrite configuration file: \(path)"))
        #expect(TemporaryDirectory.read(path) == [1])
    }

    @Test("a missing or invalid configuration exits with 78 and the reason")
    func configuration() async throws {
        let site = try DomainSite()
        let missing = try await Program.run([site.binary, "-c", "/nonexistent/o.toml"])
        #expect(missing.status == 78 && missing.text.contains("/nonexistent/o.toml"))
        for (text, word) in [
            ("[general]\nsubscription_refresh_interval_sec = 0", "subscription_refresh_interval_sec"),
            ("[general]\norchestrator_url = \"http://:7003\"", "orchestrator_url"), ("[[[", "line 1"),
        ] {
            try TemporaryDirectory.write(Array(text.utf8), to: site.config)
            let process = try site.spawn()
            #expect(try await process.end() == 78)
            #expect(process.text.contains(word), "\(process.text)")
        }
    }

    @Test("a missing configuration names -t, and a misspelled domain_id is no other domain")
    func firstSteps() async throws {
        let site = try DomainSite()
        let missing = try await Program.run([site.binary, "-c", "\(site.directory.path)/none.toml"])
        #expect(missing.text.contains("-t \(site.directory.path)/none.toml writes a template"), "\(missing)")
        try TemporaryDirectory.write(Array("[general]\ndomainid = \"mine\"\n".utf8), to: site.config)
        let process = try site.spawn()
        #expect(try await process.end() == 78)
        #expect(process.text.contains("general.domain_id is missing") && process.text.contains("general.domainid"))
    }

    @Test("the first line of a domain that serves names TLS, strategy, Redis and status address")
    func serving() async throws {
        let site = try DomainSite()
        try site.write("status_url = \"\(site.status)\"", "[baseline]\norchestration_strategy = \"RoundRobin\"")
        let program = try await site.serve()
        let line = try #require(program.lines.first { $0.contains("NOTICE: serving") })
        for word in ["tls=off", "redis=off", "strategy=RoundRobin", "status=\(site.status)"] {
            #expect(line.contains(word), "\(line)")
        }
        program.signal(SIGTERM)
        #expect(try await program.end() == 0)
    }

    @Test("W22: an address in use exits with 69 and names the address")
    func bindFailure() async throws {
        let site = try DomainSite()
        let first = try await site.serve()
        let other = try DomainSite()
        try TemporaryDirectory.write(TemporaryDirectory.read(site.config) ?? [], to: other.config)
        let second = try other.spawn()
        #expect(try await second.end() == 69)
        #expect(second.text.contains("\(site.orchestrator.port)"))
        first.signal(SIGTERM)
        #expect(try await first.end() == 0)
    }

    @Test("an orchestrator that cannot listen sends the controller nothing, and the one that serves continues")
    func failedStart() async throws {
        let site = try DomainSite()
        let controller = try DemoController(url: site.controllerRegister)
        let first = try await site.serve()
        #expect(try await eventually { controller.domains["domain-test"] != nil })
        let nonce = controller.domains["domain-test"]?.update.nonce
        let directory = "\(site.directory.path)/deep/er/state"
        let second = try Program(
            [site.binary, "-c", site.config, "--state-dir", directory], output: "\(site.directory.path)/second")
        #expect(try await second.end() == 69)
        try await Task.sleep(for: .seconds(1.5))
        #expect(controller.domains["domain-test"]?.update.nonce == nonce)
        first.signal(SIGTERM)
        #expect(try await first.end() == 0)
        await controller.stop()
    }

    @Test("the state of another domain exits with 78")
    func foreignState() async throws {
        let site = try DomainSite()
        let first = try await site.serve()
        first.signal(SIGTERM)
        #expect(try await first.end() == 0)
        let other = try DomainSite(domainID: "domain-other")
        let second = try Program(
            [other.binary, "-c", other.config, "--state-dir", "\(site.directory.path)/state"],
            output: "\(other.directory.path)/log")
        #expect(try await second.end() == 78)
        #expect(second.text.contains("\"domain-test\"") && second.text.contains("\"domain-other\""), "\(second.text)")
        #expect(try await Self.endOfService(site) == 0)
    }

    @Test("controller_names without mutual TLS exits with 78")
    func namesWithoutCertificates() async throws {
        let site = try DomainSite()
        try site.write("controller_names = [\"controller\"]")
        let process = try site.spawn()
        #expect(try await process.end() == 78)
        #expect(process.text.contains("server_ca_path"), "\(process.text)")
    }

    /// Starts a domain again and stops it.
    private static func endOfService(_ site: DomainSite) async throws -> Int32? {
        let program = try await site.serve()
        program.signal(SIGTERM)
        return try await program.end()
    }

    @Test("log lines have times where standard error is no journal")
    func times() async throws {
        let site = try DomainSite()
        let program = try await site.serve()
        program.signal(SIGTERM)
        #expect(try await program.end() == 0)
        for line in program.lines {
            #expect(line.prefixMatch(of: #/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Z]+: /#) != nil, "\(line)")
        }
    }

    @Test("a second process on the same state directory exits with 75")
    func lock() async throws {
        let site = try DomainSite()
        let first = try await site.serve()
        #expect(try await site.spawn().end() == 75)
        first.signal(SIGTERM)
        #expect(try await first.end() == 0)
    }

    @Test("a workflow survives kill -9 of the orchestrator without a reset, and moves when its node dies")
    func wholeLife() async throws {
        let site = try DomainSite()
        let controller = try DemoController(url: site.controllerRegister)
        var process = try await site.serve()
        let nodes = try (1...3).map { number in
            try site.node(
                number, labels: ["n\(number)"],
                providers: number == 3 ? [ResourceProvider(id: "log-3", classType: "file-log")] : [])
        }
        #expect(try await eventually { controller.domains["domain-test"]?.update.capabilities.cpus == 3 })
        #expect(try await eventually { nodes.allSatisfy { $0.peers.count == 3 } })

        let client = try OrchestratorClient(url: site.orchestrator)
        let pinned = "\(nodes[0].node), \(nodes[1].node)"
        let first = try await client.start(DomainSite.function(["node_id_match_any": pinned])).get()
        let second = try await client.start(DomainSite.function(["label_match_all": "n3"])).get()
        let log = try await client.start(
            .resource(ResourceSpecification(classType: "file-log", configuration: ["filename": "a.log"]))
        ).get()
        try await client.patch(first, mapping: ["out": second], kind: .function)
        try await client.patch(second, mapping: ["out": log], kind: .function)
        func host(of count: Int = 1) -> DemoNode? { nodes.first { $0.components.count == count } }
        #expect(try await eventually { nodes[2].components.count == 2 && host() != nil })
        let old = try #require(host())
        #expect(try await eventually { old.calls.contains { if case .patch = $0 { true } else { false } } })
        let nonce = try #require(controller.domains["domain-test"]?.update.nonce)
        for node in nodes { node.forgetCalls() }

        process.signal(SIGKILL)
        _ = try await process.end()
        process = try await site.serve()
        let again = try OrchestratorClient(url: site.orchestrator)
        #expect(try await eventually { (controller.domains["domain-test"]?.update.capabilities.cpus ?? 0) == 3 })
        #expect(controller.domains["domain-test"]?.update.nonce == nonce)
        try await Task.sleep(for: .seconds(2))
        #expect(nodes.allSatisfy { !$0.calls.contains(.reset) })
        #expect(nodes[2].components.count == 2 && old.components.count == 1)

        let other = try #require(nodes[0...1].first { $0.node != old.node })
        old.fallSilent()
        #expect(try await eventually { other.components.count == 1 })
        #expect(
            try await eventually {
                other.calls.contains { if case .patch(_, _, let wiring) = $0 { wiring.count == 1 } else { false } }
            })
        try await again.stop(first, kind: .function)
        try await again.stop(second, kind: .resource)
        try await again.stop(log, kind: .resource)
        #expect(try await eventually { other.components.isEmpty && nodes[2].components.isEmpty })

        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
        for client in [client, again] { client.close() }
        for node in nodes { await node.stop() }
        await controller.stop()
    }

    @Test("W21: an agent on a host that is not allowed is refused and never called")
    func agentHosts() async throws {
        let site = try DomainSite()
        try site.write("agent_hosts = [\"10.0.0.0/8\"]")
        let process = try await site.serve()
        let node = try site.node(1)
        let refusal = try await node.registerOnce()
        #expect(refusal?.summary == "invalid node configuration")
        #expect(refusal?.detail?.contains("127.0.0.1") == true)
        #expect(node.calls.isEmpty)
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
        await node.stop()
    }

    @Test("corrupt state exits with 65, names the file and leaves it unchanged")
    func damaged() async throws {
        let site = try DomainSite()
        let process = try await site.serve()
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
        let path = "\(site.directory.path)/state/domain.db"
        var bytes = try #require(TemporaryDirectory.read(path))
        for place in 4096..<4196 { bytes[place] ^= 0x55 }
        try TemporaryDirectory.write(bytes, to: path)
        let again = try site.spawn()
        #expect(try await again.end() == 65)
        #expect(again.text.contains(path) && TemporaryDirectory.read(path) == bytes)
    }
}
