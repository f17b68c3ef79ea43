import Domain
import DomainMirror

/// The mirror in Redis, operators' intents, and foreign changes of the database.
extension Simulation {
    // MARK: - The domain's proxy

    /// The percentage of node reports that are mirrored; less than all, as with a slow Redis.
    var reportShare: Int { max(2, min(30, 3_000 / max(1, shape.nodes))) }

    /// The domain's process restarted; its proxy starts again.
    mutating func beginProxy() {
        proxy = MirrorStateMachine(domainID: chosen.domainID, schema: schema, retention: retention, from: stored)
        inbox = []
        intents.forget()
        redis.resetConnection()
        eventQueue.add(.proxy(run: run), at: time)
    }

    /// The proxy mirrors the events since the last time, and passes on intents.
    mutating func workProxy() {
        showNews()
        for name in proxy.unfinished.sorted() {
            guard case .string(let text)? = redis.model.values[IntentKey.result(of: name)] else { continue }
            if text.contains("it was lost") { violations.append("\(name) was reported lost, and is in progress") }
        }
        eventQueue.add(.proxy(run: run), at: time + min(proxy.idleTime(at: now), 1 + chance(200)))
    }

    private mutating func showNews() {
        let events = inbox
        inbox = []
        for (name, intent) in proxy.work(events, over: &redis, at: now).intents {
            lastRequest += 1
            intents.hand(lastRequest, name)
            take { [lastRequest] in $0.handle(.intent(intent, lastRequest), at: $1) }
        }
    }

    // MARK: - Reports of nodes

    mutating func health() -> NodeHealth {
        var health = NodeHealth()
        health.memoryFree = Int32(chance(1000))
        return health
    }

    /// Samples of a running component, or of an unknown one.
    mutating func samples(of index: Int) -> PerformanceSamples {
        var samples = PerformanceSamples()
        guard isLucky(10) else { return samples }
        let component = nodes[index].running.keys.min() ?? ComponentID(high: 9, low: UInt64(chance(3)))
        let seconds = Int64((Self.wall(time) + nodes[index].skew) / 1000)
        samples.samples[isLucky(50) ? .execution : .transfer] = [
            component: [Sample(seconds: seconds, nanoseconds: 5_000_000, value: Double(chance(100)) / 8)]
        ]
        samples.logEntries[component] = [
            FunctionLogEntry(seconds: seconds, nanoseconds: 0, target: "stdout", message: "hello")
        ]
        return samples
    }

    // MARK: - Intents

    /// An operator submits an intent, sometimes an invalid one.
    mutating func ask(_ name: String, _ value: String) {
        guard redis.isServing else { return }
        switch chance(16) {
        case 0: put(name, ["maybe", "", ",", "\(value),nonsense"].randomElement(using: &random))
        case 1: put(name, nil)
        case 2:
            put(
                ["session:1", "intent:other", "intent:cordon:a:b", "instance:1", ""].randomElement(using: &random)
                    ?? "", nil)
        case 3:
            put(name, value)
            put(name, value)
        case 4: put(name, value, "LPUSH")
        default: put(name, value)
        }
    }

    private mutating func put(_ name: String, _ value: String?, _ push: String = "RPUSH") {
        if let value { redis.model.carryOut(["SET", name, value]) }
        redis.model.carryOut([push, IntentKey.list, name])
    }

    // MARK: - Foreign changes

    mutating func disturbRedis() {
        switch chance(14) {
        case 12:
            redis.pause()
            eventQueue.add(.redisRecovery(wasRestarted: false), at: time + chance(15_000))
        case 13:
            redis.model.isReadOnly = true
            eventQueue.add(.redisRecovery(wasRestarted: false), at: time + chance(10_000))
        case 0...2:
            redis.goDown()
            eventQueue.add(.redisRecovery(wasRestarted: isLucky(40)), at: time + chance(15_000))
        case 3: redis.flush()
        case 4: redis.cut()
        case 5, 6: redis.save()
        case 7:
            redis.model.isFull = true
            eventQueue.add(.redisRecovery(wasRestarted: false), at: time + chance(5_000))
        case 8: if redis.isServing { redis.model.carryOut(["SET", Mirror.identity, "another-domain"]) }
        default:
            guard redis.isServing else { return }
            let keys = [
                "session:1", "nodes:other", "node:other", "instances", "dependencies", "domain", "intent:other",
                "performance:mine", "performance:a:b", "dinner",
            ]
            redis.keep(keys.randomElement(using: &random) ?? "dinner", .string("theirs, \(chance(100))"))
        }
    }

    /// Redis recovers for good.
    mutating func healRedis() {
        redis.recover(wasRestarted: isLucky(30))
        redis.loss = 0
    }

    /// The operator uncordons all nodes.
    mutating func uncordon() {
        for id in order { put("intent:cordon:\(id)", "no") }
    }

    // MARK: - Checks

    /// Checks that Redis contains the stored records and nothing else of the domain, and that foreign keys are
    /// untouched, unless the database currently belongs to another domain.
    mutating func checkMirror() {
        // Outcomes of intents are new events.
        repeat { showNews() } while !inbox.isEmpty
        guard redis.isOpen else { return }
        let found = redis.model.values
        for (key, value) in redis.foreignKeys where found[key] != value {
            violations.append("\(key) was another's, and is now \(found[key].map { "\($0)" } ?? "gone")")
        }
        checkShown(found)
        checkSeries(found)
    }

    /// Checks the mirror, and that each intent is finished.
    mutating func checkRedis() {
        checkMirror()
        if !redis.isOpen { violations.append("the domain has no connection to Redis") }
        violations += intents.violations
        for name in intents.open.values.sorted() { violations.append("\(name) does not come to an end") }
        for name in proxy.unfinished.sorted() where !intents.open.values.contains(name) {
            violations.append("the proxy waits for the outcome of \(name)")
        }
        let found = redis.model.values
        violations += redis.model.unknown.sorted().map { "the model of Redis does not know \($0)" }
        for (key, value) in found where key.hasPrefix(IntentKey.resultPrefix) {
            if case .string(let text) = value, !IntentKey.isUnfinished(text) { continue }
            violations.append("\(key) tells no outcome: \(value)")
        }
        for id in order where found["\(IntentKey.resultPrefix)cordon:\(id)"] == nil {
            violations.append("intent:cordon:\(id) has no outcome")
        }
        checkAges(found)
        if let list = found[IntentKey.list] { violations.append("intents are left: \(list)") }
    }

    private mutating func checkShown(_ found: [String: ModelRedis.Value]) {
        var fresh = Mirror(domainID: chosen.domainID, schema: schema)
        var model = ModelRedis()
        _ = model.carryOut(fresh.begin(with: stored, at: Self.wall(time)))
        func own(_ values: [String: ModelRedis.Value]) -> [String: ModelRedis.Value] {
            values.filter { key, _ in
                Mirror.prefixes.contains { key.hasPrefix($0) } && redis.foreignKeys[key] == nil
                    && !Mirror.seriesPrefixes.contains { key.hasPrefix($0) }
            }
        }
        let (shown, wanted) = (own(found), own(model.values))
        let isStamp = { (key: String) in key.hasSuffix(":last_update") }
        for (key, value) in wanted.sorted(by: { $0.key < $1.key }) {
            guard let there = shown[key] else {
                violations.append("Redis has no \(key)")
                continue
            }
            if there != value, !isStamp(key) { violations.append("Redis has \(key) as \(there), not \(value)") }
        }
        for key in shown.keys.sorted() where wanted[key] == nil && !isStamp(key) {
            violations.append("Redis has \(key) still")
        }
    }

    private mutating func checkSeries(_ found: [String: ModelRedis.Value]) {
        for key in found.keys.sorted() where key.hasPrefix(Self.healthPrefix) {
            let id = NodeID(String(key.dropFirst(Self.healthPrefix.count)))
            if id.flatMap({ stored.nodes[$0] }) == nil { violations.append("\(key) is of no node that is there") }
        }
    }

    /// Checks that no sample is too old, once Redis has been available for a while.
    private mutating func checkAges(_ found: [String: ModelRedis.Value]) {
        guard retention > 0 else { return }
        let oldest = Double(now.wall - 2 * retention - 1_000) / 1000
        for (key, value) in found.sorted(by: { $0.key < $1.key }) where key.hasPrefix(Self.healthPrefix) {
            guard case .sorted(let members) = value, members.values.contains(where: { $0 < oldest }) else { continue }
            violations.append("\(key) has figures that are too old")
        }
    }

    private static var healthPrefix: String { "node:health:" }
}
