import Dispatch
import Glibc
import Synchronization
import TestSupport
import Testing
import WireJSON

/// `kill -9` under load: what was acknowledged is there, nothing is granted twice.
@Suite struct KillTests {
    /// What a service was told that it has, or may have where the answer to the last request never came.
    fileprivate struct Holding: Equatable, Sendable {
        var cpus = ""
        var pages = 0
        /// A request without answer.
        var inFlight: Request?
    }

    fileprivate enum Request: Equatable, Sendable {
        case cores(Int)
        case percent(Int)
        case numa(node: Int, Int)
        case pages(Int)
    }

    /// One client's services, changed by it alone.
    private final class Client: Sendable {
        let holdings: Mutex<[String: Holding]>
        let acknowledged = Atomic(0)
        private let socket: String
        private let seed: UInt64

        init(_ socket: String, _ holdings: [String: Holding], seed: UInt64) {
            self.holdings = Mutex(holdings)
            self.socket = socket
            self.seed = seed
        }

        /// Asks for random changes until the server is gone.
        func run(explicit: Bool) {
            var random = SeededRandom(seed: seed)
            let names = holdings.withLock { $0.keys.sorted() }
            while true {
                guard let name = names.randomElement(using: &random) else { return }
                let request: Request =
                    switch Int.random(in: 0..<6, using: &random) {
                    case 0, 1: .pages(Int.random(in: 0...40, using: &random) - 1)
                    case 2 where !explicit: .percent(Int.random(in: 0...20, using: &random))
                    case _ where explicit:
                        .numa(
                            node: Int.random(in: 0...1, using: &random),
                            Bool.random(using: &random) ? -1 : Int.random(in: 1...3, using: &random))
                    default: .cores(Bool.random(using: &random) ? -1 : Int.random(in: 1...4, using: &random))
                    }
                if case .pages(0) = request { continue }
                holdings.withLock { $0[name]?.inFlight = request }
                guard let reply = ask(request, name) else { return }
                holdings.withLock { holdings in
                    holdings[name]?.inFlight = nil
                    if reply.error == nil { holdings[name]?.take(request, reply) }
                }
                acknowledged.add(1, ordering: .relaxed)
            }
        }

        /// The reply, or nil where the server died before it was complete.
        private func ask(_ request: Request, _ name: String) -> JSONValue? {
            let text: String =
                switch request {
                case .cores(let count):
                    #"{"action":"allocate_cores","service_name":"\#(name)","num_of_cores":\#(count)}"#
                case .percent(let percent):
                    #"{"action":"allocate_cores_percent","service_name":"\#(name)","percent":\#(percent)}"#
                case .numa(let node, let count):
                    #"{"action":"allocate_numa_cores","service_name":"\#(name)","numa_node":\#(node),"num_of_cores":\#(count)}"#
                case .pages(let count):
                    #"{"action":"allocate_hugepages","service_name":"\#(name)","hugepages_requested":\#(count),"node_id":0,"size_kb":2048}"#
                }
            guard let client = try? SocketClient(socket), let reply = try? client.ask(text) else { return nil }
            return try? JSONValue(Array(reply.utf8))
        }
    }

    @Test(
        "kill -9 under load: after each restart every acknowledged change is there, an unanswered one is there whole or not at all, and no CPU is held twice"
    )
    func underLoad() async throws {
        let rounds = getenv("BERTH_EXHAUSTIVE") == nil ? 15 : 300
        var random = SeededRandom(seed: UInt64.random(in: 0...UInt64.max))
        let site = try Site()
        var daemon = try await site.serve(["--simulate", "--log-level", "error"])
        var model: [[String: Holding]] = (0..<4).map { client in
            Dictionary(uniqueKeysWithValues: (0..<2).map { ("client \(client) service \($0)", Holding()) })
        }
        var acknowledged = 0
        for round in 0..<rounds {
            // Explicit holders take from automatic ones, whose clients would not know: one kind a round.
            let explicit = round % 2 == 1
            let seed = UInt64.random(in: 0...UInt64.max, using: &random)
            for name in model.flatMap(\.keys) { _ = try daemon.cores(name, -1) }
            for client in model.indices {
                for name in model[client].keys { model[client][name]?.cpus = "" }
            }
            let clients = model.indices.map { Client(site.socket, model[$0], seed: seed &+ UInt64($0)) }
            let group = DispatchGroup()
            for client in clients {
                DispatchQueue(label: "client").async(group: group) { client.run(explicit: explicit) }
            }
            let delay = Int.random(in: 100...300, using: &random)
            try await Task.sleep(for: .milliseconds(delay))
            try await daemon.kill()
            await withCheckedContinuation { done in group.notify(queue: .global()) { done.resume() } }
            acknowledged += clients.reduce(0) { $0 + $1.acknowledged.load(ordering: .relaxed) }

            daemon = try await site.serve(["--simulate", "--log-level", "error"])
            let (cpus, pages) = (try daemon.allocations(), try daemon.reservations())
            let place = "round \(round), seed \(seed), killed after \(delay) ms"
            for index in model.indices {
                model[index] = clients[index].holdings.withLock { $0 }
                for (name, holding) in model[index] {
                    let found = Holding(cpus: cpus[name] ?? "", pages: pages[name] ?? 0)
                    #expect(holding.allows(found), "\(place): \(name) had \(holding), has \(found)")
                    model[index][name] = found
                }
            }
            let held = cpus.values.flatMap(numbers)
            #expect(Set(held).count == held.count, "\(place): \(cpus)")
        }
        #expect(acknowledged > rounds, "the clients were served")
        #expect(try await daemon.stop() == 0)
    }
}

/// The CPUs of a list without strides.
private func numbers(_ list: String) -> [Int] {
    list.split(separator: ",").flatMap { item -> [Int] in
        let ends = item.split(separator: "-").compactMap { Int($0) }
        guard let first = ends.first, let last = ends.last else { return [] }
        return Array(first...last)
    }
}

extension KillTests.Holding {
    /// Takes an answer in.
    fileprivate mutating func take(_ request: KillTests.Request, _ reply: JSONValue) {
        switch request {
        case .cores, .percent: cpus = reply["allocated_cores"]?.string ?? "no list"
        case .numa(let node, _):
            // The simulated machine: node 0 has CPUs 0-7 and 16-23, node 1 the others.
            let kept = numbers(cpus).filter { ($0 / 8) % 2 != node }
            cpus = text(kept + numbers(reply["cores_allocated"]?.string ?? ""))
        case .pages(let count): pages = max(count, 0)
        }
    }

    /// Whether a restart may show `found`: what was acknowledged, with the unanswered request carried out or not.
    fileprivate func allows(_ found: KillTests.Holding) -> Bool {
        if found.cpus == cpus, found.pages == pages { return true }
        switch inFlight {
        case nil: return false
        case .pages(let count): return found.cpus == cpus && found.pages == max(count, 0)
        case .cores(let count): return found.pages == pages && numbers(found.cpus).count == max(count, 0)
        case .percent(let percent):
            return found.pages == pages && numbers(found.cpus).count == (24 * max(percent, 0) + 99) / 100
        case .numa(let node, let count):
            func part(_ cpus: String, ofNode isOfNode: Bool) -> [Int] {
                numbers(cpus).filter { (($0 / 8) % 2 == node) == isOfNode }
            }
            return found.pages == pages && part(found.cpus, ofNode: false) == part(cpus, ofNode: false)
                && part(found.cpus, ofNode: true).count == max(count, 0)
        }
    }

    private func text(_ cpus: [Int]) -> String {
        var runs: [ClosedRange<Int>] = []
        for cpu in cpus.sorted() {
            if let last = runs.last, last.upperBound == cpu - 1 {
                runs[runs.count - 1] = last.lowerBound...cpu
            } else {
                runs.append(cpu...cpu)
            }
        }
        return runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            .joined(separator: ",")
    }
}
