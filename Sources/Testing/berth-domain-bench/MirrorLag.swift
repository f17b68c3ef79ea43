import ArgumentParser
import Domain
import DomainWire
import Glibc
import Synchronization

/// How long after the controller's answer a change can be seen in Redis.
struct MirrorLag: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mirror", abstract: "Measures how far the mirror in Redis lags behind.")

    @Option(help: "The port of berth-domain for its controller.") var orchestrator: Int
    @Option(help: "The port of berth-domain for its nodes.") var register: Int
    @Option(help: "The Unix socket of Redis.") var redis: String
    @Option(help: "How many functions, each of which is changed in turn.") var functions = 500
    @Option(help: "How many changes per second.") var rate = 1_000.0
    @Option(help: "How many clients.") var clients = 32
    @Option(help: "How long each round takes, in seconds.") var time = 2.0
    @Option(help: "How many rounds, after one that does not count.") var rounds = 3

    func run() async throws {
        for port in [orchestrator, register] { try await Port.wait(for: port) }
        let counts = CallCounts()
        let node = try BareNode(number: 1, counts: counts)
        try await BareClient(port: register).register(node.update())
        try await counts.wait(for: "the node to join") { $0.peers >= 1 }
        let controller = try Clients(clients, port: orchestrator)
        let started = Started(count: functions)
        try await controller.call(functions) { client, number in
            started.set(number, try await client.start(BenchFunction.message(state: number)))
        }
        let ids = started.all
        let placements = Dictionary(uniqueKeysWithValues: ids.enumerated().map { ("dependency:\($1)", $0) })
        let seen = Seen(functions: functions)
        try RedisEvents.follow(redis) { key in if let index = placements[key] { seen.add(index, at: seconds()) } }

        var base = 0
        for round in 0...rounds {
            // Whole turns, so that each function has been changed equally often.
            let count = max(1, Int(rate * time) / functions) * functions
            let answered = Answered(count: count)
            let (begin, first) = (seconds() + 0.1, base)
            try await controller.call(count) { [functions, rate] client, number in
                let due = begin + Double(number) / rate
                let now = seconds()
                if due > now { try await Task.sleep(for: .seconds(due - now)) }
                let index = number % functions
                // Another target each time: what does not change is not shown again.
                let other = (index + 1 + (first + number) / functions) % functions
                guard let origin = LogicalID(ids[index]), let target = LogicalID(ids[other]) else {
                    throw Broken("an id is no UUID")
                }
                _ = try await client.functions.patch(EdgelessApi_PatchRequest(origin, mapping: ["out": target]))
                answered.set(number, seconds())
            }
            let took = seconds() - begin
            base += count
            let turns = base / functions
            try await wait(for: "all changes in Redis", limit: 20) { seen.fewest >= turns }
            let times = answered.all
            var lags = (0..<count).map { number in
                max(0, seen.time(number % functions, first / functions + number / functions) - times[number])
            }
            lags.sort()
            report(
                round == 0 ? "warm-up" : "mirror",
                [
                    "p50_ms": lags[count / 2] * 1e3, "p99_ms": lags[count * 99 / 100] * 1e3,
                    "most_ms": (lags.last ?? 0) * 1e3, "per_second": Double(count) / took,
                ])
        }
    }
}

/// When each function's row was seen to be written, time after time.
private final class Seen: Sendable {
    private let times: Mutex<[[Double]]>

    init(functions: Int) { times = Mutex(Array(repeating: [], count: functions)) }

    func add(_ index: Int, at time: Double) { times.withLock { $0[index].append(time) } }

    var fewest: Int { times.withLock { $0.map(\.count).min() ?? 0 } }

    func time(_ index: Int, _ turn: Int) -> Double { times.withLock { $0[index][turn] } }
}

/// When each change was answered.
private final class Answered: Sendable {
    private let times: Mutex<[Double]>

    init(count: Int) { times = Mutex(Array(repeating: 0, count: count)) }

    func set(_ number: Int, _ time: Double) { times.withLock { $0[number] = time } }

    var all: [Double] { times.withLock { $0 } }
}
