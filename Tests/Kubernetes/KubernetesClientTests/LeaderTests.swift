import Synchronization
import TestSupport
import Testing

@testable import KubernetesClient

@Suite struct LeaderTests {
    private static let key = ObjectKey(namespace: "n", name: "l")
    private static let conflict = KubernetesError.status(Status(code: 409, body: [], retryAfter: nil))

    /// A server with one lease.
    private struct Server {
        var lease: Lease?
        var version = 0

        mutating func carryOut(_ step: LeaderElection.Step) -> Result<Lease?, KubernetesError> {
            switch step {
            case .read: return .success(lease)
            case .create(let new):
                guard lease == nil else { return .failure(LeaderTests.conflict) }
                return .success(store(new))
            case .update(let new):
                guard lease?.metadata.resourceVersion == new.metadata.resourceVersion else {
                    return .failure(LeaderTests.conflict)
                }
                return .success(store(new))
            case .wait: return .failure(.cancelled)
            }
        }

        mutating func store(_ new: Lease) -> Lease {
            version += 1
            var new = new
            new.metadata.resourceVersion = String(version)
            new.json[["metadata", "uid"]] = "u"
            lease = new
            return new
        }
    }

    /// One candidate: its clocks are not those of others.
    private struct Candidate {
        var election: LeaderElection
        let offset: Duration
        let wallOffset: Int
        /// A request on its way, until when, and what came of it.
        var pending:
            (step: LeaderElection.Step, sent: Duration, ends: Duration, result: Result<Lease?, KubernetesError>)?
    }

    @Test(
        "there is never more than one leader, however clocks differ and requests fail; in quiet times there is one",
        arguments: 0..<300)
    func histories(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var server = Server()
        var candidates = (0..<3).map { number in
            Candidate(
                election: LeaderElection(.init(lease: Self.key, identity: "c\(number)")),
                offset: .seconds(Int.random(in: 0...1_000_000, using: &random)),
                wallOffset: Int.random(in: -1_000_000_000_000...1_000_000_000_000, using: &random))
        }
        var led: Set<Int> = []
        let quietFrom = 2400
        for tick in 0..<3000 {
            let time = Duration.milliseconds(100 * tick)
            let isQuiet = tick >= quietFrom
            for index in candidates.indices {
                let now = time + candidates[index].offset
                let wall = Timestamp(
                    microseconds: 1_700_000_000_000_000 + tick * 100_000 + candidates[index].wallOffset)
                if let pending = candidates[index].pending {
                    guard now >= pending.ends else { continue }
                    candidates[index].pending = nil
                    switch (pending.result, pending.step) {
                    case (.success(let lease), .read):
                        candidates[index].election.read(lease, now: now, wallClock: wall, random: &random)
                    case (.success(let lease), _):
                        if let lease { candidates[index].election.written(lease, sent: pending.sent) }
                    case (.failure(let error), _):
                        candidates[index].election.failed(error, now: now, random: &random)
                    }
                }
                // A process begins anew, or gives the lease back.
                if !isQuiet, Int.random(in: 0..<400, using: &random) == 0 {
                    if let lease = candidates[index].election.release(now: now, wallClock: wall) {
                        _ = server.carryOut(.update(lease))
                    }
                    let identity = "c\(index)-\(tick)"
                    candidates[index].election = LeaderElection(.init(lease: Self.key, identity: identity))
                    continue
                }
                let step = candidates[index].election.step(now: now, wallClock: wall)
                if case .wait(let until) = step {
                    #expect(until > now)
                    continue
                }
                let limit = candidates[index].election.limit(now: now)
                #expect(limit > .zero && limit <= .seconds(10))
                // The answer may be lost although the request was carried out, or the other way round.
                let fate = isQuiet ? 0 : Int.random(in: 0..<8, using: &random)
                let took =
                    isQuiet ? Duration.milliseconds(50) : .milliseconds(Int.random(in: 10...4000, using: &random))
                let result = fate == 1 ? .failure(.unreachable("")) : server.carryOut(step)
                candidates[index].pending = (
                    step, now, now + min(took, limit),
                    fate == 2 || took > limit ? .failure(.timedOut) : result
                )
            }
            let leaders = candidates.indices.filter {
                candidates[$0].election.leads(now: time + candidates[$0].offset)
            }
            #expect(leaders.count <= 1, "two leaders at \(time)")
            led.formUnion(leaders)
            if tick > quietFrom + 350 { #expect(leaders.count == 1, "no leader at \(time)") }
        }
        #expect(!led.isEmpty)
    }

    private func candidate() -> LeaderElection { LeaderElection(.init(lease: Self.key, identity: "me")) }

    @Test("a lease is created with what others need to know; a renewal changes its time alone")
    func renewal() throws {
        var election = candidate()
        var random = SeededRandom(seed: 1)
        var server = Server()
        let begin = Timestamp(microseconds: 1_700_000_000_000_000)
        #expect(election.step(now: .zero, wallClock: begin) == .read)
        election.read(nil, now: .zero, wallClock: begin, random: &random)
        let step = election.step(now: .zero, wallClock: begin)
        guard case .create(let lease) = step else {
            Issue.record("\(step)")
            return
        }
        #expect(lease.holderIdentity == "me" && lease.leaseDurationSeconds == 15 && lease.leaseTransitions == 0)
        #expect(lease.acquireTime == begin && lease.renewTime == begin && lease.key == Self.key)
        #expect(!election.leads(now: .zero))
        let made = try server.carryOut(step).get()
        election.written(try #require(made), sent: .zero)
        #expect(election.leads(now: .seconds(9)) && !election.leads(now: .seconds(10)) && election.leader == "me")
        #expect(election.step(now: .seconds(1), wallClock: begin) == .wait(until: .seconds(2)))
        let later = Timestamp(microseconds: begin.microseconds + 2_000_000)
        guard case .update(let renewed) = election.step(now: .seconds(2), wallClock: later) else {
            Issue.record("no renewal")
            return
        }
        var expected = try #require(server.lease)
        expected.renewTime = later
        #expect(renewed == expected)
        election.failed(.timedOut, now: .seconds(3), random: &random)
        #expect(election.leads(now: .seconds(9)) && election.limit(now: .seconds(4)) == .seconds(6))
        let given = election.release(now: .seconds(4), wallClock: later)
        let released = try #require(given)
        #expect(released.holderIdentity == nil && released.leaseDurationSeconds == 1)
        #expect(!election.leads(now: .seconds(4)))
    }

    @Test("a lease that another holds is left alone until it has not changed for its duration, by the own clock")
    func others() {
        var election = candidate()
        var random = SeededRandom(seed: 2)
        var lease = Lease(name: "l", namespace: "n")
        lease.holderIdentity = "other"
        lease.leaseDurationSeconds = 15
        lease.metadata.resourceVersion = "1"
        lease.leaseTransitions = 4
        let wall = Timestamp(microseconds: 0)
        for now in stride(from: 0, through: 14, by: 2) {
            // Its holder's clock is of no account.
            election.read(lease, now: .seconds(now), wallClock: wall, random: &random)
            guard case .wait = election.step(now: .seconds(now), wallClock: wall) else {
                Issue.record("taken after \(now) s")
                return
            }
        }
        lease.renewTime = Timestamp(microseconds: 0)
        election.read(lease, now: .seconds(16), wallClock: wall, random: &random)
        #expect(election.leader == "other")
        election.read(lease, now: .seconds(30), wallClock: wall, random: &random)
        guard case .wait = election.step(now: .seconds(30), wallClock: wall) else {
            Issue.record("taken although it was renewed")
            return
        }
        election.read(lease, now: .seconds(31), wallClock: wall, random: &random)
        guard case .update(let taken) = election.step(now: .seconds(31), wallClock: wall) else {
            Issue.record("not taken")
            return
        }
        #expect(taken.holderIdentity == "me" && taken.leaseTransitions == 5 && taken.metadata.resourceVersion == "1")
        lease.holderIdentity = nil
        var free = candidate()
        free.read(lease, now: .zero, wallClock: wall, random: &random)
        guard case .update = free.step(now: .zero, wallClock: wall) else {
            Issue.record("a lease of nobody is not taken")
            return
        }
    }

    /// The API of one lease, on a real connection.
    private final class LeaseServer: Sendable {
        private struct State {
            var server = Server()
            var isBroken = false
        }

        private let state = Mutex(State())
        var holder: String? { state.withLock { $0.server.lease?.holderIdentity } }

        func take(_ holder: String?) {
            state.withLock { state in
                var lease = state.server.lease ?? Lease(name: "l", namespace: "n")
                lease.holderIdentity = holder
                _ = state.server.store(lease)
            }
        }

        func fail(_ isBroken: Bool) { state.withLock { $0.isBroken = isBroken } }

        func answer(_ request: ScriptedServer.Request) -> ScriptedServer.Answer {
            state.withLock { state in
                if state.isBroken { return .init([.hang]) }
                let lease = (try? JSONValue(Array(request.body.utf8))).map { Lease(json: $0) }
                let step: LeaderElection.Step =
                    switch (request.method, lease) {
                    case ("POST", let lease?): .create(lease)
                    case ("PUT", let lease?): .update(lease)
                    default: .read
                    }
                switch state.server.carryOut(step) {
                case .success(let lease?): return .init(String(decoding: lease.json.bytes, as: UTF8.self))
                case .success: return .init(404, "{}")
                case .failure(let error): return .init(error.status?.code ?? 500, "{}")
                }
            }
        }
    }

    private func elector(
        _ server: ScriptedServer, _ identity: String, renewDeadline: Duration = .seconds(60)
    ) throws -> LeaderElector {
        var settings = LeaderElection.Settings(lease: Self.key, identity: identity)
        settings.leaseDuration = renewDeadline * 2
        settings.renewDeadline = renewDeadline
        settings.retryPeriod = .milliseconds(100)
        let address = try #require(ServerAddress("http://127.0.0.1:\(server.port)"))
        return LeaderElector(ClusterClient(ClientConfiguration(server: address)), settings)
    }

    @Test("who leads keeps the lease until its work has ended, and gives it back at once")
    func leading() async throws {
        let leases = LeaseServer()
        let server = try await ScriptedServer { request, _ in leases.answer(request) }
        let (first, second) = (try elector(server, "one"), try elector(server, "two"))
        let (begun, stopped, next) = (Gate(), Gate(), Gate())
        let one = Task {
            try await first.run {
                begun.open()
                try? await Task.sleep(for: .seconds(3600))
                // Ends slowly, and holds the lease meanwhile.
                await Task { try? await Task.sleep(for: .milliseconds(400)) }.value
                #expect(leases.holder == "one")
                stopped.open()
            }
        }
        #expect(await begun.wait())
        let two = Task { try await second.run { next.open() } }
        try await Task.sleep(for: .milliseconds(300))
        #expect(first.leads && !second.leads && !next.isOpen)
        one.cancel()
        try await one.value
        #expect(stopped.isOpen && !first.leads)
        #expect(await next.wait())
        try await two.value
        #expect(try await eventually { leases.holder == nil })
        await server.stop()
    }

    @Test("who loses the lease, to another or because nobody answers, is told to stop")
    func losing() async throws {
        for isBroken in [false, true] {
            let leases = LeaseServer()
            let server = try await ScriptedServer { request, _ in leases.answer(request) }
            let elector = try elector(server, "one", renewDeadline: .seconds(2))
            let (begun, stopped) = (Gate(), Gate())
            let running = Task {
                try await elector.run {
                    begun.open()
                    try? await Task.sleep(for: .seconds(3600))
                    stopped.open()
                }
            }
            #expect(await begun.wait())
            if isBroken { leases.fail(true) } else { leases.take("other") }
            await #expect(throws: LeaderElector.Lost.self) { try await running.value }
            #expect(stopped.isOpen && !elector.leads)
            if !isBroken { #expect(leases.holder == "other") }
            await server.stop()
        }
    }
}
