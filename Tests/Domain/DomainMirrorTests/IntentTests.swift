import Domain
import DomainMirror
import Redis
import TestSupport
import Testing

/// Sections 4.11 and 5.4 of the domain specification.
@Suite(.enabled(if: RedisServer.isInstalled, "there is no redis-server"))
struct IntentTests {
    private let node = NodeID.test(1)
    private let instance = LogicalID.test(1)

    private func push(_ site: ProxySite, _ intents: [(String, String?)]) throws {
        let redis = try site.redis()
        for (name, value) in intents { if let value { try redis.send(["SET", name, value]) } }
        try redis.send(["RPUSH", "intents"] + intents.map(\.0))
    }

    private func isDrained(_ site: ProxySite) throws -> Bool {
        try site.redis().send(["EXISTS", "intents"]) == .integer(0)
    }

    @Test("intents are carried out in order, and their outcomes are published")
    func outcomes() async throws {
        let site = try ProxySite()
        defer { site.proxy.stop() }
        let move = Intent.migrate(instance, to: [.test(2), .test(3)])
        site.decline(move, DomainRefusal("no valid node found", detail: "none can take it"))
        try push(
            site,
            [
                ("intent:migrate:\(instance)", "\(NodeID.test(2)),,\(NodeID.test(3))"),
                ("intent:cordon:\(node)", "yes"),
                ("intent:cordon:\(NodeID.test(2))", "no"),
            ])
        let cordons = [Intent.cordon(node, true), .cordon(.test(2), false)]
        #expect(try await eventually { site.intents == [move] + cordons })
        func result(_ key: String) throws -> String { try site.get("intent:result:\(key)") ?? "" }
        #expect(try await eventually { try result("cordon:\(node)").hasPrefix(#"{"status":"done","time":1"#) })
        #expect(
            try result("migrate:\(instance)").hasPrefix(
                #"{"status":"declined","reason":"no valid node found: none can take it","time":1"#))
        #expect(try site.get("intent:migrate:\(instance)") == nil)
        #expect(try isDrained(site))
        let time = try site.redis().send(["TTL", "intent:result:cordon:\(node)"]).integer ?? 0
        #expect(time > 0)
    }

    @Test(
        "X13: a cordon intent that says neither yes nor no is dropped with its reason, and the others of the batch run")
    func badValue() async throws {
        let site = try ProxySite()
        defer { site.proxy.stop() }
        try push(
            site,
            [
                ("intent:cordon:\(node)", "maybe"), ("intent:migrate:\(instance)", "\(node),nonsense"),
                ("intent:migrate:nonsense", "\(node)"), ("intent:migrate:\(LogicalID.test(2))", ","),
                ("intent:cordon:\(NodeID.test(2))", "yes"),
            ])
        #expect(try await eventually { try site.intents == [.cordon(.test(2), true)] && isDrained(site) })
        #expect(
            try await eventually {
                try site.get("intent:result:cordon:\(node)")?.contains("yes or no, not maybe") == true
            })
        #expect(try site.get("intent:result:migrate:\(instance)")?.contains("nonsense is not a node id") == true)
    }

    @Test("W15: entries that are not intents are dropped, and their keys are not touched")
    func foreign() async throws {
        let site = try ProxySite()
        defer { site.proxy.stop() }
        let names = ["session:1", "intent:result:x", "intent:cordon:a:b", "intent:other:\(node)", "intents2", ""]
        try push(site, names.map { ($0, "theirs") } + [("intent:cordon:\(node)", "yes")])
        #expect(try await eventually { try site.intents == [.cordon(node, true)] && isDrained(site) })
        for name in names { #expect(try site.get(name) == "theirs", "\(name)") }
    }

    @Test("an intent that is pushed twice runs once with its last value")
    func twice() async throws {
        let server = try RedisServer()
        let redis = try RedisConnection(to: RedisAddress(server.url), timeout: .seconds(5))
        try redis.send(["SET", "intent:cordon:\(node)", "no"])
        try redis.send(["RPUSH", "intents", "intent:cordon:\(node)"])
        try redis.send(["SET", "intent:cordon:\(node)", "yes"])
        try redis.send(["RPUSH", "intents", "intent:cordon:\(node)"])
        let site = try ProxySite(server: server)
        defer { site.proxy.stop() }
        #expect(try await eventually { try site.intents == [.cordon(node, true)] && isDrained(site) })
        #expect(try await eventually { try site.get("intent:result:cordon:\(node)")?.contains("done") == true })
    }

    @Test("a thousand intents at once are all taken")
    func many() async throws {
        let site = try ProxySite()
        defer { site.proxy.stop() }
        let nodes = (1...1_000).map { NodeID.test($0) }
        try push(site, nodes.map { ("intent:cordon:\($0)", "yes") })
        #expect(try await eventually { site.intents == nodes.map { .cordon($0, true) } })
    }

    @Test("a domain takes no intents from a database with another domain's name")
    func otherDomain() async throws {
        let site = try ProxySite()
        defer { site.proxy.stop() }
        #expect(try await eventually { try site.get("domain_info:domain_id") == "my-domain" })
        try site.redis().send(["SET", "domain_info:domain_id", "other"])
        try push(site, [("intent:cordon:\(node)", "yes")])
        try await Task.sleep(for: .seconds(2))
        #expect(site.intents.isEmpty)
        #expect(try site.get("domain_info:domain_id") == "other")
        #expect(try site.get("intent:cordon:\(node)") == "yes")
    }

    @Test("an intent list of another type affects nothing else")
    func otherType() async throws {
        let server = try RedisServer()
        let redis = try RedisConnection(to: RedisAddress(server.url), timeout: .seconds(5))
        try redis.send(["SET", "intents", "theirs"])
        let site = try ProxySite(server: server)
        defer { site.proxy.stop() }
        try await Task.sleep(for: .seconds(1))
        site.proxy.observe([.wiring(instance, [:])])
        #expect(try await eventually { try site.get("dependency:\(instance)") == "{}" })
        #expect(try site.get("intents") == "theirs")
        try redis.send(["DEL", "intents"])
        try push(site, [("intent:cordon:\(node)", "yes")])
        #expect(try await eventually { site.intents == [.cordon(node, true)] })
    }

    @Test("an intent whose outcome may not be written stays in the list, with its value, until it may")
    func outcomeForbidden() async throws {
        let server = try RedisServer()
        let redis = try RedisConnection(to: RedisAddress(server.url), timeout: .seconds(5))
        let rights = ["~intents", "~intent:cordon:*", "~intent:migrate:*", "~domain_info:*", "~node*", "~dependency:*"]
        try redis.send(["ACL", "SETUSER", "default", "resetkeys"] + rights)
        let site = try ProxySite(server: server)
        defer { site.proxy.stop() }
        let key = "intent:cordon:\(node)"
        #expect(try await eventually { try site.get(Mirror.identity) == "my-domain" })
        try push(site, [(key, "yes"), ("intent:cordon:\(NodeID.test(2))", "no")])
        try await Task.sleep(for: .milliseconds(1500))
        #expect(try redis.send(["LLEN", "intents"]) == .integer(2))
        #expect(try site.get(key) == "yes" && site.intents.isEmpty)
        try redis.send(["ACL", "SETUSER", "default", "~*"])
        #expect(try await eventually { site.intents == [.cordon(node, true), .cordon(.test(2), false)] })
        #expect(try await eventually { try isDrained(site) })
    }

    @Test("an intent that the end of the orchestrator interrupts is carried out after its restart")
    func interrupted() async throws {
        let server = try RedisServer()
        let redis = try RedisConnection(to: RedisAddress(server.url), timeout: .seconds(5))
        let key = "intent:cordon:\(node)"
        let first = try ProxySite(server: server)
        first.holdsAnswers = true
        try push(first, [(key, "yes")])
        #expect(try await eventually { first.intents == [.cordon(node, true)] })
        first.proxy.stop()
        #expect(try redis.send(["GET", key]).text == "yes")
        #expect(try redis.send(["GET", "intent:result:cordon:\(node)"]).text?.contains("taken") == true)
        let second = try ProxySite(server: server)
        defer { second.proxy.stop() }
        #expect(try await eventually { second.intents == [.cordon(node, true)] })
        #expect(try await eventually { try second.get("intent:result:cordon:\(node)")?.contains("done") == true })
        #expect(try second.get(key) == nil && isDrained(second))
    }

    @Test("a migration that ended before the orchestrator did is not carried out again, also with several targets")
    func interruptedAfterTheMove() async throws {
        let server = try RedisServer()
        let redis = try RedisConnection(to: RedisAddress(server.url), timeout: .seconds(5))
        let names = (1...2 as ClosedRange<UInt64>).map { "intent:migrate:\(LogicalID.test($0))" }
        for name in names {
            try redis.send(["SET", name, "\(NodeID.test(2)),\(NodeID.test(3))"])
            try redis.send(["RPUSH", "intents", name])
        }
        // The first was begun by an orchestrator that has ended, the second was not.
        try redis.send(IntentCommand.take(names[0], marking: IntentKey.taken(at: 1)).words)
        var records = DomainRecords()
        for number: UInt64 in 1...2 {
            records.apply(
                .instance(
                    InstanceRecord(
                        id: .test(number), specification: .resource(ResourceSpecification(classType: "file-log")),
                        created: number,
                        physical: PhysicalID(node: .test(3), component: ComponentID(high: 1, low: number)))
                ))
        }
        let site = try ProxySite(server: server, from: records)
        defer { site.proxy.stop() }
        #expect(try await eventually { try isDrained(site) })
        #expect(site.intents == [.migrate(.test(2), to: [.test(2), .test(3)])])
        for name in names {
            #expect(try site.get(IntentKey.result(of: name))?.contains("done") == true && site.get(name) == nil)
        }
    }

    @Test("an outcome without its intent, as an earlier version left it, is declined")
    func lost() async throws {
        let server = try RedisServer()
        let redis = try RedisConnection(to: RedisAddress(server.url), timeout: .seconds(5))
        let key = "intent:result:cordon:\(node)"
        try redis.send(["SET", key, IntentKey.taken(at: 1)])
        try redis.send(["SET", "intent:result:cordon:done", #"{"status":"done","time":1}"#])
        let site = try ProxySite(server: server)
        defer { site.proxy.stop() }
        #expect(try await eventually { try site.get(key)?.contains("it was lost, or the orchestrator ended") == true })
        #expect(try site.get("intent:result:cordon:done")?.contains("done") == true)
    }

    @Test("a cluster with one shard is mirrored, and its intents are carried out in order")
    func cluster() async throws {
        let server = try RedisServer(options: RedisServer.clusterOptions())
        let redis = try RedisConnection(to: RedisAddress(server.url), timeout: .seconds(5))
        try redis.send(["CLUSTER", "ADDSLOTSRANGE", "0", "16383"])
        #expect(
            try await eventually { try redis.send(["CLUSTER", "INFO"]).text?.contains("cluster_state:ok") == true })
        let site = try ProxySite(server: server)
        defer { site.proxy.stop() }
        site.proxy.observe([.node(.test(node)), .wiring(instance, ["out": .test(2)])])
        #expect(try await eventually { try site.get("dependency:\(instance)") != nil })
        #expect(try site.get("node:status:\(node)") != nil && site.get("dependency:last_update") != nil)
        let cordons = [Intent.cordon(node, true), .cordon(.test(2), false)]
        try push(
            site,
            [
                ("intent:cordon:\(node)", "yes"), ("session:1", "theirs"), ("intent:cordon:\(NodeID.test(3))", nil),
                ("intent:cordon:\(NodeID.test(2))", "no"),
            ])
        #expect(try await eventually { try site.intents == cordons && isDrained(site) })
        #expect(try await eventually { try site.get("intent:result:cordon:\(node)")?.contains("done") == true })
        #expect(try site.get("intent:cordon:\(node)") == nil && site.get("session:1") == "theirs")
        // Without the right to write the outcome, the intent stays.
        let rights = ["~intents", "~intent:cordon:*", "~domain_info:*", "~node*", "~dependency:*"]
        try redis.send(["ACL", "SETUSER", "default", "resetkeys"] + rights)
        try push(site, [("intent:cordon:\(node)", "no")])
        try await Task.sleep(for: .milliseconds(1500))
        #expect(try redis.send(["LLEN", "intents"]) == .integer(1) && site.get("intent:cordon:\(node)") == "no")
        #expect(site.intents == cordons)
        try redis.send(["ACL", "SETUSER", "default", "~*"])
        #expect(try await eventually { site.intents == cordons + [.cordon(node, false)] })
    }
}
