import Domain
import DomainMirror
import Glibc
import Redis
import TestSupport
import Testing

/// No intent is lost or carried out twice, whatever Redis does.
@Suite(.enabled(if: RedisServer.isInstalled, "there is no redis-server"))
struct IntentSafetyTests {
    private let node = NodeID.test(1)

    private func isDrained(_ site: ProxySite) throws -> Bool {
        try site.redis().send(["EXISTS", "intents"]) == .integer(0)
    }

    private func result(_ site: ProxySite, _ node: NodeID) throws -> String {
        try site.get("intent:result:cordon:\(node)") ?? ""
    }

    private static func submission(_ node: NodeID, _ value: String) -> [[String]] {
        [["SET", "intent:cordon:\(node)", value], ["RPUSH", "intents", "intent:cordon:\(node)"]]
    }

    @Test(
        "intents that are submitted while Redis pauses for longer than the timeout are each carried out once, in order")
    func pause() async throws {
        let site = try ProxySite()
        defer { site.proxy.stop() }
        #expect(try await eventually { try site.get(Mirror.identity) == ProxySite.domainID })
        var expected: [Intent] = []
        for round in 0..<4 as Range<UInt64> {
            let nodes = (1...3).map { NodeID.test(round * 10 + $0) }
            // The domain's next commands are carried out when it has given up on them.
            let commands = nodes.flatMap { Self.submission($0, "yes") } + [["CLIENT", "PAUSE", "1200", "ALL"]]
            _ = try site.redis().send(all: commands)
            expected += nodes.map { .cordon($0, true) }
            #expect(try await eventually { try isDrained(site) })
            #expect(site.intents == expected)
            for node in nodes { #expect(try result(site, node).contains("done")) }
        }
    }

    @Test("an outcome whose removal from the list Redis carries out after the timeout is not repeated")
    func pausedRemoval() async throws {
        let site = try ProxySite()
        defer { site.proxy.stop() }
        #expect(try await eventually { try site.get(Mirror.identity) == ProxySite.domainID })
        site.holdsAnswers = true
        _ = try site.redis().send(all: Self.submission(node, "yes"))
        #expect(try await eventually { site.intents == [.cordon(node, true)] })
        site.server.signal(SIGSTOP)
        site.holdsAnswers = false
        try await Task.sleep(for: .milliseconds(900))
        site.server.signal(SIGCONT)
        #expect(try await eventually { try isDrained(site) && result(site, node).contains("done") })
        _ = try site.redis().send(all: Self.submission(node, "no"))
        #expect(try await eventually { site.intents == [.cordon(node, true), .cordon(node, false)] })
        #expect(try await eventually { try isDrained(site) })
    }

    @Test(
        "without a right that is needed to take an intent or to record its outcome, it stays and is not carried out",
        arguments: [
            ["-del"], ["-lrem"], ["-set"], ["-lrange"], ["-getrange"], ["-eval"],
            ["resetkeys", "%R~intent:cordon:*", "~intents", "~intent:result:*", "~domain_info:*"],
            ["resetkeys", "~intent:cordon:*", "%R~intents", "~intent:result:*", "~domain_info:*"],
            ["resetkeys", "~intent:cordon:*", "~intents", "%R~intent:result:*", "~domain_info:*"],
            ["resetkeys", "~intent:cordon:*", "~intents", "~domain_info:*"],
            ["resetkeys", "~intents", "~intent:result:*", "~domain_info:*"],
        ])
    func rights(_ rights: [String]) async throws {
        let server = try RedisServer()
        let redis = try RedisConnection(to: RedisAddress(server.url), timeout: .seconds(5))
        try redis.send(["ACL", "SETUSER", "admin", "on", "nopass", "+@all", "~*"])
        try redis.send(["AUTH", "admin", ""])
        let site = try ProxySite(server: server)
        defer { site.proxy.stop() }
        #expect(try await eventually { try redis.send(["GET", Mirror.identity]).text == ProxySite.domainID })
        try redis.send(["ACL", "SETUSER", "default"] + rights)
        _ = try redis.send(all: Self.submission(node, "yes") + Self.submission(.test(2), "yes"))
        try await Task.sleep(for: .milliseconds(1200))
        #expect(site.intents.isEmpty)
        #expect(try redis.send(["LLEN", "intents"]) == .integer(2))
        #expect(try redis.send(["GET", "intent:cordon:\(node)"]).text == "yes")
        try redis.send(["ACL", "SETUSER", "default", "+@all", "~*"])
        #expect(try await eventually { try isDrained(site) })
        #expect(site.intents == [.cordon(node, true), .cordon(.test(2), true)])
        #expect(try result(site, node).contains("done"))
    }

    @Test(
        "an intent that may not be removed any more when it is finished is not carried out again, and ends when it may")
    func rightsLost() async throws {
        for right in ["del", "lrem", "set"] {
            let server = try RedisServer()
            let redis = try RedisConnection(to: RedisAddress(server.url), timeout: .seconds(5))
            let site = try ProxySite(server: server)
            defer { site.proxy.stop() }
            site.holdsAnswers = true
            _ = try redis.send(all: Self.submission(node, "yes"))
            #expect(try await eventually { site.intents == [.cordon(node, true)] })
            try redis.send(["ACL", "SETUSER", "default", "-\(right)"])
            site.holdsAnswers = false
            try await Task.sleep(for: .milliseconds(1200))
            #expect(try redis.send(["LLEN", "intents"]) == .integer(1))
            #expect(try result(site, node).contains("taken"))
            try redis.send(["ACL", "SETUSER", "default", "+\(right)"])
            #expect(try await eventually { try isDrained(site) && result(site, node).contains("done") })
            #expect(site.intents == [.cordon(node, true)], "\(right)")
            #expect(try site.get("intent:cordon:\(node)") == nil)
        }
    }

    @Test("an intent that is submitted again while it is carried out is carried out afterwards, with its new value")
    func submittedAgain() async throws {
        let site = try ProxySite()
        defer { site.proxy.stop() }
        for deletes in [false, true] {
            let before = site.intents.count
            site.holdsAnswers = true
            _ = try site.redis().send(all: Self.submission(node, "yes"))
            #expect(try await eventually { site.intents.count == before + 1 })
            // As `berth-domain proxy` does it.
            let delete = deletes ? [["DEL", "intent:result:cordon:\(node)"]] : []
            _ = try site.redis().send(all: delete + Self.submission(node, "no"))
            site.holdsAnswers = false
            #expect(try await eventually { try isDrained(site) })
            #expect(site.intents.suffix(2) == [.cordon(node, true), .cordon(node, false)])
            #expect(site.intents.count == before + 2)
            #expect(try result(site, node).contains("done") && site.get("intent:cordon:\(node)") == nil)
        }
    }

    @Test("entries that are not UTF-8 or very long are dropped, and the intents behind them are carried out")
    func strangeEntries() async throws {
        let site = try ProxySite()
        defer { site.proxy.stop() }
        let script = """
            redis.call('RPUSH', KEYS[1], '\\255\\254', 'intent:cordon:\\255', 'intent:cordon:' .. string.rep('x', 1000000))
            redis.call('SET', 'intent:cordon:\\255', 'theirs')
            """
        try site.redis().send(["EVAL", script, "1", "intents"])
        _ = try site.redis().send(all: Self.submission(node, "yes"))
        #expect(try await eventually { try site.intents == [.cordon(node, true)] && isDrained(site) })
    }

    @Test("a value of megabytes is declined with its limit, and the intents behind it are carried out")
    func longValue() async throws {
        let site = try ProxySite()
        defer { site.proxy.stop() }
        let key = "intent:migrate:\(LogicalID.test(1))"
        let targets = Array(repeating: "\(node)", count: 250_000).joined(separator: ",")
        _ = try site.redis().send(
            all: [["SET", key, targets], ["RPUSH", "intents", key]] + Self.submission(node, "yes"))
        #expect(try await eventually { try site.intents == [.cordon(node, true)] && isDrained(site) })
        let outcome = try #require(try site.get(IntentKey.result(of: key)))
        #expect(outcome.contains("declined") && outcome.contains("more than 262144 bytes"), "\(outcome)")
        #expect(try site.get(key) == nil)
    }
}
