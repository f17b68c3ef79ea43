import Domain
import DomainMirror
import Redis
import TestSupport
import Testing

@testable import DomainSimulation

/// Compares the model of Redis with a real one.
@Suite(.enabled(if: RedisServer.isInstalled, "there is no redis-server"))
struct ModelRedisTests {
    @Test(
        "the model answers as redis-server does, and holds the same afterwards", arguments: 1...4 as ClosedRange<UInt64>
    )
    func likeRedis(seed: UInt64) throws {
        var random = Xoshiro(seed: seed)
        let server = try RedisServer()
        let redis = try RedisConnection(to: RedisAddress(server.url), timeout: .seconds(5))
        var model = ModelRedis()
        for step in 0..<2_000 {
            let words = Self.command(&random)
            let (there, here) = (try redis.send(all: [words])[0], model.carryOut(words))
            #expect(Self.isSame(there, here), "seed \(seed), step \(step), \(words): \(there), not \(here)")
        }
        #expect(model.unknown.isEmpty)
        for key in try redis.send(["KEYS", "*"]).texts {
            let value: ModelRedis.Value? =
                switch try redis.send(["TYPE", key]).text {
                case "string": .string(try redis.send(["GET", key]).text ?? "")
                case "list": .list(try redis.send(["LRANGE", key, "0", "-1"]).texts)
                default: .sorted(try members(key, redis))
                }
            #expect(model.values.removeValue(forKey: key) == value, "\(key)")
        }
        #expect(model.values.isEmpty)
    }

    private func members(_ key: String, _ redis: RedisConnection) throws -> [String: Double] {
        let words = try redis.send(["ZRANGE", key, "0", "-1", "WITHSCORES"]).texts
        var members: [String: Double] = [:]
        for place in stride(from: 0, to: words.count - 1, by: 2) { members[words[place]] = Double(words[place + 1]) }
        return members
    }

    private static func command(_ random: inout Xoshiro) -> [String] {
        let node = NodeID.test(.random(in: 1...3, using: &random))
        let names = [
            Mirror.identity, "intent:cordon:\(node)", "intent:migrate:\(node)", "intent:cordon:a:b", "session:1", "",
            "a",
        ]
        let key = (names + [IntentKey.list]).randomElement(using: &random) ?? "a"
        let number = "\(Int.random(in: 0...20, using: &random))"
        let component = ComponentID(high: 5, low: .random(in: 1...2, using: &random))
        let series = "performance:function_execution_time:\(component)"
        switch Int.random(in: 0..<20, using: &random) {
        case 0...2: return ["SET", key, ["yes", "my-domain", number].randomElement(using: &random) ?? "yes"]
        case 3: return ["SET", Mirror.identity, "my-domain"]
        case 4: return ["GET", key]
        case 5: return ["DEL", key]
        case 6: return ["TYPE", key]
        case 7...9: return ["RPUSH", IntentKey.list, names.randomElement(using: &random) ?? "a"]
        case 10: return ["LPUSH", IntentKey.list, names.randomElement(using: &random) ?? "a"]
        case 11: return ["SCAN", "0", "MATCH", "[dins]*", "COUNT", "1000"]
        case 12...13:
            return ["ZADD", ["a", "z"].randomElement(using: &random) ?? "z", number + ".5", "member \(number)"]
        case 14: return ["ZREMRANGEBYSCORE", "z", "-inf", "(\(number).5"]
        case 15: return ["ZREMRANGEBYRANK", "z", "0", "-6"]
        case 16: return ["RPUSH", series, ["0.5,\(number).005", "strange"].randomElement(using: &random) ?? ""]
        case 17:
            var mirror = Mirror(domainID: "my-domain", schema: .both)
            let now = Int.random(in: 10_000...20_000, using: &random)
            return mirror.trim([series], at: now, retention: 5_000)[0].words
        default: return intentCommand(names.randomElement(using: &random) ?? "a", &random).words
        }
    }

    private static func intentCommand(_ name: String, _ random: inout Xoshiro) -> RedisCommand {
        let intent = OpenIntent(
            number: 1, value: "yes", mark: IntentKey.taken(at: 5), copies: .random(in: 1...2, using: &random))
        return switch Int.random(in: 0..<4, using: &random) {
        case 0: IntentCommand.list(.random(in: 1...4, using: &random), for: "my-domain")
        case 1: IntentCommand.take(name, marking: intent.mark)
        case 2: IntentCommand.finish(name, intent, outcome: IntentKey.finished(declined: nil, at: 6))
        default: IntentCommand.drop(name, copies: intent.copies)
        }
    }

    private static func isSame(_ reply: RedisReply, _ answer: RedisReply) -> Bool {
        switch (reply, answer) {
        case (.null, .null), (.error, .error): true
        case (.integer(let one), .integer(let other)): one == other
        case (.text(let one), .text(let other)): one == other
        case (.array(let replies), .array(let answers)):
            replies.count == answers.count
                && zip(sorted(replies), sorted(answers)).allSatisfy { isSame($0, $1) }
        default: false
        }
    }

    private static func sorted(_ replies: [RedisReply]) -> [RedisReply] { replies.sorted { "\($0)" < "\($1)" } }
}
