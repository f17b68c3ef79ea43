import Domain
import DomainMirror
import DomainRuntime
import Glibc
import Logging
import Redis
import Synchronization
import TestSupport

/// A Redis, and a proxy that mirrors a domain controlled by the test.
final class ProxySite: Sendable {
    let server: RedisServer
    let proxy: DomainProxy
    private let heard = Mutex<[Intent]>([])
    private let refusals = Mutex<[Intent: DomainRefusal]>([:])
    private let held = Mutex<(isHolding: Bool, answers: [DomainRuntime.Answer])>((false, []))

    static let domainID = "my-domain"

    init(
        server: RedisServer? = nil, directory: TemporaryDirectory? = nil, from records: DomainRecords = DomainRecords(),
        _ change: (inout DomainProxy.Settings) -> Void = { _ in }
    ) throws {
        signal(SIGPIPE, SIG_IGN)
        self.server = try server ?? RedisServer(in: directory)
        var settings = DomainProxy.Settings(
            address: try RedisAddress(self.server.url), domainID: Self.domainID)
        settings.timeout = .milliseconds(500)
        change(&settings)
        proxy = DomainProxy(settings, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        try proxy.start(from: records) { [self] intent, answer in
            heard.withLock { $0.append(intent) }
            let isHeld = held.withLock { held in
                if held.isHolding { held.answers.append(answer) }
                return held.isHolding
            }
            if !isHeld { answer(.success(refusals.withLock { $0[intent] })) }
        }
    }

    /// The intents that were passed on, in order.
    var intents: [Intent] { heard.withLock { $0 } }

    /// Whether intents remain unfinished; setting it to false finishes them.
    var holdsAnswers: Bool {
        get { held.withLock { $0.isHolding } }
        set {
            let answers = held.withLock { held in
                defer { held = (newValue, newValue ? held.answers : []) }
                return newValue ? [] : held.answers
            }
            for answer in answers { answer(.success(nil)) }
        }
    }

    /// Declines this intent from now on.
    func decline(_ intent: Intent, _ refusal: DomainRefusal) { refusals.withLock { $0[intent] = refusal } }

    func redis() throws -> RedisConnection {
        try RedisConnection(to: RedisAddress(server.url), timeout: .seconds(5))
    }

    func get(_ key: String) throws -> String? { try redis().send(["GET", key]).text }

    /// All keys and values; sorted sets and lists as ordered members.
    func all() throws -> [String: [String]] {
        let redis = try redis()
        var all: [String: [String]] = [:]
        for key in try redis.send(["KEYS", "*"]).texts {
            switch try redis.send(["TYPE", key]).text {
            case "string": all[key] = [try redis.send(["GET", key]).text ?? ""]
            case "zset": all[key] = try redis.send(["ZRANGE", key, "0", "-1"]).texts
            case "list": all[key] = try redis.send(["LRANGE", key, "0", "-1"]).texts
            default: all[key] = []
            }
        }
        return all
    }
}

extension NodeID {
    static func test(_ number: UInt64) -> NodeID { NodeID(high: 7, low: number) }
}

extension LogicalID {
    static func test(_ number: UInt64) -> LogicalID { LogicalID(high: 3, low: number) }
}

extension NodeRecord {
    static func test(_ id: NodeID, providers: [ResourceProvider] = []) -> NodeRecord {
        var description = NodeDescription(agentURL: "http://a:1", invocationURL: "http://b:2")
        description.providers = providers
        return NodeRecord(
            id: id, nonce: 1, description: description,
            claims: Dictionary(uniqueKeysWithValues: providers.enumerated().map { ($1.id, UInt64($0)) }), isReset: true)
    }
}

extension NodeUpdate {
    static func test(_ id: NodeID, memoryFree: Int32 = 0, samples: [ComponentID: [Sample]] = [:]) -> NodeUpdate {
        var update = NodeUpdate(
            node: id, description: NodeDescription(agentURL: "http://a:1", invocationURL: "http://b:2"),
            refreshDeadline: 0, nonce: 1)
        update.health.memoryFree = memoryFree
        update.samples.samples[.execution] = samples
        return update
    }
}
