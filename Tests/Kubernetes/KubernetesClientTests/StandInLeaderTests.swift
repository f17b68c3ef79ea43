import ClusterStandIn
import Synchronization
import TestSupport
import Testing

@testable import KubernetesClient

/// Leader election on a stand-in for an API server.
@Suite struct StandInLeaderTests {
    private static let path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/controller"

    /// A program that wants to lead, again whenever it has lost.
    private final class Candidate: Sendable {
        let name: String
        let timed: TimedClient
        let elector: LeaderElector
        private let counts = Mutex((begun: 0, working: 0, lost: 0))
        private let task = Mutex<Task<Void, Never>?>(nil)

        init(_ standIn: StandIn, _ name: String) throws {
            self.name = name
            timed = try TimedClient(standIn, as: name)
            var settings = LeaderElection.Settings(
                lease: ObjectKey(namespace: "default", name: "controller"), identity: name)
            settings.leaseDuration = .seconds(3000)
            settings.renewDeadline = .seconds(2000)
            settings.retryPeriod = .seconds(100)
            elector = LeaderElector(timed.client, settings)
        }

        var begun: Int { counts.withLock { $0.begun } }
        var lost: Int { counts.withLock { $0.lost } }
        var works: Bool { counts.withLock { $0.working > 0 } }

        func start() {
            let running = Task {
                while !Task.isCancelled {
                    do {
                        try await elector.run { [self] in
                            counts.withLock { ($0.begun, $0.working) = ($0.begun + 1, $0.working + 1) }
                            // Until it is cancelled.
                            _ = await Gate().wait()
                            counts.withLock { $0.working -= 1 }
                        }
                    } catch { counts.withLock { $0.lost += 1 } }
                }
            }
            task.withLock { $0 = running }
        }

        func end() async {
            let running = task.withLock { $0 }
            running?.cancel()
            await running?.value
        }
    }

    /// Runs a test with two candidates, of which `one` leads.
    private func leading(_ body: (StandIn, Candidate, Candidate) async throws -> Void) async throws {
        try await StandIn.serving(users: ["one", "two"]) { standIn in
            let (one, two) = (try Candidate(standIn, "one"), try Candidate(standIn, "two"))
            // Clocks of different machines have nothing in common.
            two.timed.system.advance(by: .seconds(1_000_000))
            one.start()
            #expect(try await eventually { one.works })
            two.start()
            #expect(try await eventually { two.elector.isSeen("one", in: standIn) })
            do { try await body(standIn, one, two) } catch {
                await one.end()
                await two.end()
                throw error
            }
            await one.end()
            await two.end()
        }
    }

    /// Lets time pass for both, while those who are answered wait for nothing else, until something is so.
    private func passes(
        _ one: Candidate, _ two: Candidate, waitingFor answered: [Candidate], mayBeTwo: Bool = false,
        until condition: () -> Bool
    ) async throws -> Bool {
        try await eventually(seconds: 60) {
            let leaders = [one, two].filter { $0.elector.leads }.map(\.name)
            #expect(leaders.count < 2 || mayBeTwo)
            if condition() { return true }
            if answered.allSatisfy({ $0.timed.isIdle }) {
                for candidate in [one, two] { candidate.timed.system.advance(by: .seconds(20)) }
            }
            return false
        }
    }

    @Test("through a partition exactly one leads: who is cut off stops before the other begins, and does not come back")
    func partition() async throws {
        try await leading { (standIn, one, two) async throws -> Void in
            standIn.server.faults = Faults([.init(.hang, users: ["one"])])
            let clock = two.timed.system
            #expect(try await passes(one, two, waitingFor: [two]) { !one.elector.leads })
            #expect(!two.elector.leads && two.begun == 0)
            // The other's clock stands meanwhile.
            #expect(
                try await eventually(seconds: 60) {
                    one.timed.system.advance(by: .seconds(20))
                    return !one.works && one.lost == 1
                })
            #expect(try await passes(one, two, waitingFor: [two]) { two.elector.leads })
            #expect(try await eventually { two.works })
            // As long again as a lease lasts.
            var end = clock.now + .seconds(3500)
            #expect(try await passes(one, two, waitingFor: [two]) { clock.now >= end })
            #expect(two.elector.leads && two.lost == 0)
            standIn.server.faults = Faults()
            standIn.server.forgetServed()
            #expect(
                try await passes(one, two, waitingFor: [two]) {
                    standIn.requests("GET", "/leases/", by: "one").contains { $0.status == 200 }
                })
            end = clock.now + .seconds(3500)
            #expect(try await passes(one, two, waitingFor: [one, two]) { clock.now >= end })
            #expect(two.elector.leads && two.lost == 0 && two.begun == 1 && one.begun == 1)
        }
    }

    @Test("who ends gives the lease back: the other need not wait for its end")
    func release() async throws {
        try await leading { (standIn, one, two) async throws -> Void in
            let clock = two.timed.system
            await one.end()
            #expect(!one.works && one.lost == 0)
            let begin = clock.now
            #expect(try await passes(one, two, waitingFor: [two]) { two.elector.leads })
            #expect(clock.now - begin < .seconds(2000))
        }
    }

    @Test("who ends gives the lease back also if it has changed since, as by a renewal that was on its way")
    func releaseOfAnother() async throws {
        try await leading { (standIn, one, two) async throws -> Void in
            let change = Array(#"{"metadata": {"labels": {"changed": "true"}}}"#.utf8)
            let type = "application/merge-patch+json"
            #expect(
                standIn.server.send(StandInRequest("PATCH", Self.path, body: change, contentType: type)).status == 200)
            await one.end()
            let lease = try await two.timed.client.resources(Lease.self).get("controller", namespace: "default")
            #expect(lease.holderIdentity == nil && lease.metadata.labels == ["changed": "true"])
        }
    }

    @Test("a leader leads on over a restart of the server, with or without its history")
    func restart() async throws {
        try await leading { (standIn, one, two) async throws -> Void in
            let clock = two.timed.system
            for keepsHistory in [true, false] {
                try await standIn.server.restart(keepsHistory: keepsHistory)
                let end = clock.now + .seconds(3500)
                #expect(try await passes(one, two, waitingFor: [one, two]) { clock.now >= end })
                #expect(one.elector.leads && one.lost == 0 && one.begun == 1 && two.begun == 0)
            }
        }
    }

    @Test("a lease that somebody deletes is made anew, and one leads")
    func deleted() async throws {
        try await leading { (standIn, one, two) async throws -> Void in
            #expect(standIn.server.send(StandInRequest("DELETE", Self.path)).status == 200)
            let clock = two.timed.system
            let end = clock.now + .seconds(3500)
            // Until it asks, who led before knows nothing of it.
            #expect(try await passes(one, two, waitingFor: [one, two], mayBeTwo: true) { clock.now >= end })
            #expect(standIn.server.send(StandInRequest("GET", Self.path)).status == 200)
            #expect(one.elector.leads != two.elector.leads)
            #expect(
                try await passes(one, two, waitingFor: [one, two]) {
                    one.works == one.elector.leads && two.works == two.elector.leads
                })
        }
    }

    @Test("in a storm of refusals, conflicts and lost answers no two lead, and afterwards one does", arguments: 1...3)
    func storm(seed: UInt64) async throws {
        try await leading { (standIn, one, two) async throws -> Void in
            standIn.server.faults = Faults(
                [
                    .init(.refuse(409), verbs: ["update"], probability: 0.3),
                    .init(.loseAnswer, verbs: ["update"], probability: 0.2),
                    .init(.refuse(500), probability: 0.2), .init(.disconnect, probability: 0.1),
                ], seed: seed)
            let clock = two.timed.system
            let end = clock.now + .seconds(6000)
            #expect(try await passes(one, two, waitingFor: [one, two]) { clock.now >= end })
            standIn.server.faults = Faults()
            #expect(
                try await passes(one, two, waitingFor: [one, two]) { one.elector.leads || two.elector.leads })
            let calm = clock.now + .seconds(3500)
            #expect(try await passes(one, two, waitingFor: [one, two]) { clock.now >= calm })
            #expect(one.elector.leads != two.elector.leads)
            #expect(
                try await passes(one, two, waitingFor: [one, two]) {
                    one.works == one.elector.leads && two.works == two.elector.leads
                })
        }
    }
}

extension LeaderElector {
    /// Whether somebody is known to lead, once the lease was read.
    fileprivate func isSeen(_ name: String, in standIn: StandIn) -> Bool {
        standIn.requests("GET", "/leases/").contains { $0.user != name && $0.status == 200 }
    }
}
