import Domain
import DomainMirror
import Glibc
import Redis
import TestSupport
import Testing

/// Section 5 of the domain specification, with a real redis-server.
@Suite(.enabled(if: RedisServer.isInstalled, "there is no redis-server"))
struct MirrorOverTimeTests {
    private let node = NodeID.test(1)

    @Test("R1, R5: a fresh Redis has the domain's name and no timestamps")
    func fresh() async throws {
        let site = try ProxySite()
        defer { site.proxy.stop() }
        #expect(try await eventually { try site.get("domain_info:domain_id") == "my-domain" })
        let presence = Mirror.presence(of: "my-domain")
        #expect(try site.all().filter { $0.key != presence } == ["domain_info:domain_id": ["my-domain"]])
        let lifetime = try site.redis().send(["TTL", presence]).integer ?? 0
        #expect((1...15).contains(lifetime))
    }

    @Test("a second domain does not replace the mirror of one that runs, and takes its place when that one stops")
    func secondDomain() async throws {
        let server = try RedisServer()
        let redis = try RedisConnection(to: RedisAddress(server.url), timeout: .seconds(5))
        try redis.send(["SET", Mirror.identity, "other"])
        try redis.send(["SET", Mirror.presence(of: "other"), "1"])
        let site = try ProxySite(server: server)
        defer { site.proxy.stop() }
        site.proxy.observe([.wiring(.test(1), [:])])
        try await Task.sleep(for: .milliseconds(1500))
        #expect(try redis.send(["GET", Mirror.identity]).text == "other")
        #expect(try redis.send(["EXISTS", "dependency:\(LogicalID.test(1))"]) == .integer(0))
        try redis.send(["DEL", Mirror.presence(of: "other")])
        #expect(try await eventually(seconds: 60) { try site.get(Mirror.identity) == "my-domain" })
        #expect(try await eventually { try site.get("dependency:\(LogicalID.test(1))") == "{}" })
    }

    @Test("a domain that stops leaves the database to the next one at once")
    func successor() async throws {
        let server = try RedisServer()
        let first = try ProxySite(server: server)
        #expect(try await eventually { try first.get(Mirror.identity) == "my-domain" })
        first.proxy.stop()
        #expect(try first.get(Mirror.presence(of: "my-domain")) == nil)
    }

    @Test("R2: a provider is mirrored with a timestamp that only changes with it")
    func provider() async throws {
        let site = try ProxySite()
        defer { site.proxy.stop() }
        let provider = ResourceProvider(id: "node-1-resource-1-provider", classType: "rc-1", outputs: ["out"])
        site.proxy.observe([.node(.test(node, providers: [provider]))])
        let key = "provider:node-1-resource-1-provider"
        #expect(try await eventually { try site.get(key) != nil })
        #expect(try site.get(key) == #"{"class_type":"rc-1","node_id":"\#(node)","outputs":["out"]}"#)
        let stamp = try #require(try site.get("provider:last_update"))
        site.proxy.observe([.patchDue(.test(1), true)])
        site.proxy.observe(NodeUpdate.test(node))
        #expect(try await eventually { try site.redis().send(["EXISTS", "node:health:\(node)"]) == .integer(1) })
        #expect(try site.get("provider:last_update") == stamp)
    }

    @Test("R3: a node's capabilities are mirrored, and removed with it")
    func capabilities() async throws {
        let site = try ProxySite()
        defer { site.proxy.stop() }
        site.proxy.observe([.node(.test(node))])
        site.proxy.observe(NodeUpdate.test(node))
        let key = "node:capabilities:\(node)"
        #expect(try await eventually { try site.get(key)?.hasPrefix(#"{"num_cpus":0,"#) == true })
        let stamp = try #require(try site.get("node:capabilities:last_update"))
        try await Task.sleep(for: .milliseconds(5))
        site.proxy.observe([.nodeRemoved(node)])
        #expect(try await eventually { try site.get("node:capabilities:last_update") != stamp })
        #expect(try !site.all().keys.contains { $0.contains("\(node)") })
    }

    @Test("R4: ten wirings of five channels are mirrored")
    func wirings() async throws {
        let site = try ProxySite()
        defer { site.proxy.stop() }
        var wirings: [LogicalID: [String: LogicalID]] = [:]
        for origin in 0..<10 {
            wirings[.test(UInt64(origin))] = Dictionary(
                uniqueKeysWithValues: (0..<5).map { ("out-\($0)", LogicalID.test(UInt64(100 + $0 * origin))) })
        }
        for (origin, wiring) in wirings { site.proxy.observe([.wiring(origin, wiring)]) }
        #expect(try await eventually { try site.all().count { $0.key.hasPrefix("dependency:00") } == 10 })
        for (origin, wiring) in wirings {
            let text = wiring.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\"\($0.value)\"" }.joined(separator: ",")
            #expect(try site.get("dependency:\(origin)") == "{\(text)}")
        }
    }

    @Test(
        "W6: what others keep in the database is there as before, intents that wait included; only what is our own goes"
    )
    func ownKeysOnly() async throws {
        let server = try RedisServer()
        let redis = try RedisConnection(to: RedisAddress(server.url), timeout: .seconds(5))
        let foreign = [
            "session:1", "nodes:other", "node:other", "instances", "dinner", "intent:other", "performance:mine",
            "performance:a:b",
        ]
        for key in foreign { try redis.send(["SET", key, "theirs"]) }
        let own = ["instance:\(LogicalID.test(9))", "node:health:\(node)", "provider:gone", "node:capabilities:x"]
        for key in own { try redis.send(["SET", key, "old"]) }
        let site = try ProxySite(server: server)
        defer { site.proxy.stop() }
        #expect(try await eventually { try site.get("domain_info:domain_id") == "my-domain" })
        let all = try site.all()
        for key in foreign { #expect(all[key] == ["theirs"]) }
        for key in own { #expect(all[key] == nil, "\(key)") }
        // The timestamp shows that something was removed.
        #expect(all["instance:last_update"] != nil && all["provider:last_update"] != nil)
        let commands = try redis.send(["INFO", "commandstats"]).text ?? ""
        #expect(!commands.contains("flush"))
    }

    @Test("X9: a Redis that starts after the domain gets everything")
    func lateRedis() async throws {
        let directory = try TemporaryDirectory()
        let early = try RedisServer(in: directory)
        try await early.stop()
        let site = try ProxySite(server: early)
        defer { site.proxy.stop() }
        site.proxy.observe([.node(.test(node))])
        site.proxy.observe([.wiring(.test(1), [:])])
        try await Task.sleep(for: .milliseconds(600))
        let late = try RedisServer(in: directory)
        #expect(try await eventually { try site.get("dependency:\(LogicalID.test(1))") == "{}" })
        #expect(try site.get("node:capabilities:\(node)") != nil)
        withExtendedLifetime(late) {}
    }

    @Test("W2: nobody waits for a hanging or absent Redis, and the mirror is up to date when it returns")
    func outage() async throws {
        let directory = try TemporaryDirectory()
        let server = try RedisServer(in: directory)
        let site = try ProxySite(server: server)
        defer { site.proxy.stop() }
        site.proxy.observe([.node(.test(node))])
        #expect(try await eventually { try site.get("node:capabilities:\(node)") != nil })
        server.signal(SIGSTOP)
        for number in 0..<2_000 as Range<UInt64> { site.proxy.observe([.wiring(.test(number), [:])]) }
        site.proxy.observe([.nodeRemoved(node)])
        try await Task.sleep(for: .seconds(1))
        server.signal(SIGCONT)
        func wirings() throws -> Int { try site.all().count { $0.key.hasPrefix("dependency:0") } }
        #expect(try await eventually { try wirings() == 2_000 && (try site.get("node:capabilities:\(node)")) == nil })
        try await server.stop()
        for number in 0..<1_000 as Range<UInt64> { site.proxy.observe([.instanceRemoved(.test(number))]) }
        let again = try RedisServer(in: directory)
        #expect(try await eventually { try wirings() == 1_000 })
        site.proxy.observe([.wiring(.test(5_000), [:])])
        #expect(try await eventually { try site.get("dependency:\(LogicalID.test(5_000))") == "{}" })
        withExtendedLifetime(again) {}
    }

    @Test("a flushed database is rewritten without a restart")
    func flushed() async throws {
        let site = try ProxySite()
        defer { site.proxy.stop() }
        site.proxy.observe([.node(.test(node))])
        #expect(try await eventually { try site.get("node:capabilities:\(node)") != nil })
        try site.redis().send(["FLUSHALL"])
        #expect(try await eventually { try site.get("node:capabilities:\(node)") != nil })
    }

    @Test("refused writes are retried until they succeed")
    func refused() async throws {
        let site = try ProxySite()
        defer { site.proxy.stop() }
        #expect(try await eventually { try site.get("domain_info:domain_id") != nil })
        try site.redis().send(["CONFIG", "SET", "maxmemory", "1"])
        site.proxy.observe([.node(.test(node))])
        try await Task.sleep(for: .seconds(1))
        #expect(try site.get("node:capabilities:\(node)") == nil)
        try site.redis().send(["CONFIG", "SET", "maxmemory", "0"])
        #expect(try await eventually { try site.get("node:capabilities:\(node)") != nil })
    }

    @Test("a key of another type is replaced by the series")
    func otherTypes() async throws {
        let server = try RedisServer()
        let redis = try RedisConnection(to: RedisAddress(server.url), timeout: .seconds(5))
        let component = ComponentID(high: 5, low: 5)
        let series = "performance:\(component):function_execution_time"
        try redis.send(["SET", "node:health:\(node)", "{}"])
        try redis.send(["SET", series, "{}"])
        var records = DomainRecords()
        records.apply(.node(.test(node)))
        let site = try ProxySite(server: server, from: records)
        defer { site.proxy.stop() }
        #expect(try await eventually { try site.get("domain_info:domain_id") != nil })
        site.proxy.observe(
            NodeUpdate.test(node, samples: [component: [Sample(seconds: 10, nanoseconds: 5_000_000, value: 0.5)]]))
        #expect(try await eventually { try site.all()[series] == ["10.005:0.5"] })
        #expect(try site.all()["node:health:\(node)"]?.count == 1)
        #expect(try site.all()["performance:function_execution_time:\(component)"] == ["0.5,10.005"])
    }

    @Test("W26: a report from before a node's departure is not mirrored after it")
    func order() async throws {
        let site = try ProxySite()
        defer { site.proxy.stop() }
        for _ in 0..<50 {
            site.proxy.observe([.node(.test(node))])
            site.proxy.observe(NodeUpdate.test(node))
            site.proxy.observe([.nodeRemoved(node)])
            site.proxy.observe([.node(.test(node))])
            site.proxy.observe(NodeUpdate.test(node, memoryFree: 7))
        }
        site.proxy.observe([.wiring(.test(1), [:])])
        #expect(try await eventually { try site.get("dependency:\(LogicalID.test(1))") != nil })
        let members = try site.all()["node:health:\(node)"] ?? []
        #expect(members.count == 1 && members[0].hasPrefix(#"{"mem_free":7,"#))
    }

    @Test("X11: with a period of a second no sample is much older than that")
    func retention() async throws {
        let site = try ProxySite { $0.retention = 1 }
        defer { site.proxy.stop() }
        site.proxy.observe([.node(.test(node))])
        let component = ComponentID(high: 5, low: 5)
        var time = timespec()
        for number in 0..<30 as Range<Int32> {
            clock_gettime(CLOCK_REALTIME, &time)
            let sample = Sample(seconds: Int64(time.tv_sec), nanoseconds: UInt32(time.tv_nsec), value: Double(number))
            site.proxy.observe(NodeUpdate.test(node, memoryFree: number, samples: [component: [sample]]))
            try await Task.sleep(for: .milliseconds(100))
        }
        let keys = [
            "node:health:\(node)", "performance:\(component):function_execution_time",
            "performance:function_execution_time:\(component)",
        ]
        for key in keys {
            let members = try site.all()[key] ?? []
            #expect(!members.isEmpty && members.count < 28, "\(key): \(members.count) of 30")
        }
        #expect(try await eventually { try site.all()["node:health:\(node)"] == nil })
    }

    @Test("W23: changes are written in transactions, and keys are found with SCAN")
    func commands() async throws {
        let site = try ProxySite { $0.retention = 1 }
        defer { site.proxy.stop() }
        for number in 1...20 as ClosedRange<UInt64> { site.proxy.observe([.node(.test(.test(number)))]) }
        #expect(try await eventually { try site.get("node:capabilities:\(NodeID.test(20))") != nil })
        try await Task.sleep(for: .seconds(2))
        let text = try site.redis().send(["INFO", "commandstats"]).text ?? ""
        #expect(text.contains("cmdstat_multi") && text.contains("cmdstat_scan"))
        #expect(!text.contains("cmdstat_keys"))
    }

    @Test(
        "whatever happens to the domain and to Redis, in the end Redis shows the domain and nothing else",
        arguments: 1...4 as ClosedRange<UInt64>)
    func equalToState(seed: UInt64) async throws {
        var random = Xoshiro(seed: seed)
        let directory = try TemporaryDirectory()
        var server = try RedisServer(in: directory)
        let site = try ProxySite(server: server)
        defer { site.proxy.stop() }
        var records = DomainRecords()
        for step in 0..<400 {
            let change = Self.change(&random, UInt64(step))
            records.apply(change)
            site.proxy.observe([change])
            if step % 100 == 99 {
                try await server.stop()
                if Bool.random(using: &random) { try await Task.sleep(for: .milliseconds(400)) }
                server = try RedisServer(in: directory)
            } else if Int.random(in: 0..<20, using: &random) == 0 {
                try await Task.sleep(for: .milliseconds(30))
            }
        }
        var mirror = Mirror(domainID: ProxySite.domainID, schema: .both)
        var expected: [String: [String]] = [:]
        for command in mirror.begin(with: records, at: 0) where command.words[0] == "SET" {
            expected[command.words[1]] = [command.words[2]]
        }
        func values(_ keys: [String: [String]]) -> [String: [String]] {
            keys.filter { !$0.key.hasSuffix(":last_update") }
        }
        _ = try await eventually { try values(site.all()) == values(expected) }
        // Shows the difference.
        let (shown, wanted) = (values(try site.all()), values(expected))
        #expect(shown.filter { wanted[$0.key] != $0.value } == [:], "seed \(seed): too much")
        #expect(wanted.filter { shown[$0.key] != $0.value } == [:], "seed \(seed): too little")
    }

    private static func change(_ random: inout Xoshiro, _ number: UInt64) -> DomainChange {
        let node = NodeID.test(.random(in: 1...6, using: &random))
        let id = LogicalID.test(.random(in: 1...20, using: &random))
        switch Int.random(in: 0..<8, using: &random) {
        case 0, 1:
            let names = (0..<Int.random(in: 0...3, using: &random)).map { "provider-\($0)" }
            var record = NodeRecord.test(node, providers: names.map { ResourceProvider(id: $0, classType: "c") })
            // Two nodes may claim a name, but never with the same number.
            for name in names { record.claims[name] = number }
            return .node(record)
        case 2: return .nodeRemoved(node)
        case 3, 4:
            let isPlaced = Bool.random(using: &random)
            return .instance(
                InstanceRecord(
                    id: id, specification: .resource(ResourceSpecification(classType: "c")), created: 1,
                    physical: isPlaced ? PhysicalID(node: node, component: ComponentID(high: 1, low: 1)) : nil))
        case 5: return .instanceRemoved(id)
        case 6: return .cordon(node, Bool.random(using: &random))
        default: return .wiring(id, ["out": .test(.random(in: 1...20, using: &random))])
        }
    }
}
