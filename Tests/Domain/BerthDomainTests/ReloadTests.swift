import Domain
import DomainDemo
import Glibc
import Redis
import TestSupport
import Testing
import WireJSON

/// SIGHUP, and the audit log.
@Suite(.serialized) struct ReloadTests {
    @Test("SIGHUP applies changed keys, names those that wait for a restart, and resets no node")
    func reload() async throws {
        let site = try DomainSite()
        let process = try await site.serve()
        let node = try site.node(1)
        #expect(try await eventually { node.calls.contains(.reset) })
        node.forgetCalls()
        try site.write("agent_hosts = [\"127.0.0.1\"]\nstatus_url = \"\(site.status)\"\ncall_deadline_seconds = 3")
        process.signal(SIGHUP)
        #expect(try await process.prints("configuration reloaded"))
        let line = try #require(process.lines.first { $0.contains("configuration reloaded") })
        #expect(line.contains("general.call_deadline_seconds,general.agent_hosts"), "\(line)")
        #expect(line.contains("waiting_for_restart=general.status_url"), "\(line)")
        let client = try OrchestratorClient(url: site.orchestrator)
        #expect(
            try await eventually {
                if case .success = try await client.start(DomainSite.function()) { true } else { false }
            })
        try site.write("agent_hosts = [\"10.0.0.0/8\"]")
        process.signal(SIGHUP)
        #expect(try await eventually { try await node.registerOnce()?.summary == "invalid node configuration" })
        #expect(!node.calls.contains(.reset))
        client.close()
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
        await node.stop()
    }

    @Test("a wrong configuration changes nothing at SIGHUP")
    func wrong() async throws {
        let site = try DomainSite()
        let process = try await site.serve()
        try TemporaryDirectory.write(Array("[[[".utf8), to: site.config)
        process.signal(SIGHUP)
        #expect(try await process.prints("the configuration was not reloaded"))
        let node = try site.node(1)
        #expect(try await eventually { node.calls.contains(.reset) })
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
        await node.stop()
    }

    @Test("SIGHUP while the configuration is a pipe or a device changes nothing, says why, and stops nothing")
    func notRegular() async throws {
        let site = try DomainSite()
        let process = try await site.serve()
        for (number, kind) in ["pipe", "/dev/zero"].enumerated() {
            unlink(site.config)
            #expect((kind == "pipe" ? mkfifo(site.config, 0o600) : symlink(kind, site.config)) == 0)
            process.signal(SIGHUP)
            #expect(
                try await eventually {
                    process.lines.count { $0.contains("which is not a regular file") } == number + 1
                })
        }
        unlink(site.config)
        try site.write("")
        process.signal(SIGHUP)
        #expect(try await process.prints("configuration reloaded"))
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
    }

    @Test("the audit log has each change of a controller, with its address, and goes on in a new file after SIGHUP")
    func audit() async throws {
        let site = try DomainSite()
        let path = "\(site.directory.path)/audit.jsonl"
        try site.write("audit_log = \"\(path)\"")
        let process = try await site.serve()
        let node = try site.node(1)
        let client = try OrchestratorClient(url: site.orchestrator)
        var id: LogicalID?
        #expect(
            try await eventually {
                id = try? await client.start(DomainSite.function()).get()
                return id != nil
            })
        let started = try #require(id)
        try await client.patch(started, mapping: [:], kind: .function)
        rename(path, "\(path).1")
        process.signal(SIGHUP)
        #expect(try await process.prints("configuration reloaded"))
        try await client.stop(started, kind: .function)
        let before = try lines("\(path).1").filter { $0["holder"]?.string == "function:\(started)" }
        #expect(before.map { $0["action"]?.string } == ["start", "patch"])
        #expect(before.allSatisfy { $0["caller"]?.string?.hasPrefix("ipv4:127.0.0.1:") == true })
        #expect(before.first?["class"]?.string == "doubler" && before.first?["decision"]?.string == "granted")
        let after = try lines(path)
        #expect(after.map { $0["action"]?.string } == ["stop"])
        client.close()
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
        await node.stop()
    }

    @Test(
        "the audit log has each intent and its outcome",
        .enabled(if: RedisServer.isInstalled, "there is no redis-server"))
    func intents() async throws {
        let server = try RedisServer()
        let site = try DomainSite()
        let path = "\(site.directory.path)/audit.jsonl"
        try site.write(
            "audit_log = \"\(path)\"", "[proxy]\nproxy_type = \"redis\"\nredis_url = \"\(server.url)\"")
        let process = try await site.serve()
        let node = NodeID(high: 7, low: 99)
        let redis = try RedisConnection(to: RedisAddress(server.url), timeout: .seconds(5))
        try redis.send(["SET", "intent:cordon:\(node)", "yes"])
        try redis.send(["RPUSH", "intents", "intent:cordon:\(node)"])
        #expect(try await eventually { try lines(path).count == 1 })
        let line = try #require(try lines(path).first)
        #expect(line["action"]?.string == "cordon" && line["decision"]?.string == "refused")
        #expect(line["node"]?.string == "\(node)" && line["reason"]?.string?.hasPrefix("unknown node") == true)
        // Also what is no valid intent.
        try redis.send(["SET", "intent:cordon:\(node)", "maybe"])
        try redis.send(["RPUSH", "intents", "intent:cordon:\(node)", "session:1"])
        #expect(try await eventually { try lines(path).count == 3 })
        let invalid = try lines(path).dropFirst()
        #expect(invalid.allSatisfy { $0["action"]?.string == "intent" && $0["decision"]?.string == "refused" })
        #expect(Set(invalid.compactMap { $0["intent"]?.string }) == ["intent:cordon:\(node)", "session:1"])
        #expect(invalid.contains { $0["reason"]?.string == "expected yes or no, not maybe" })
        process.signal(SIGTERM)
        #expect(try await process.end() == 0)
    }

    private func lines(_ path: String) throws -> [JSONValue] {
        try (TemporaryDirectory.read(path) ?? []).split(separator: 0x0A).map { try JSONValue(Array($0)) }
    }
}
