import ClusterStandIn
import Synchronization
import TestSupport
import Testing

@testable import KubernetesClient

/// Informers of a stand-in for an API server, whose watches go wrong in all ways.
@Suite struct StandInInformerTests {
    /// What an informer has told.
    private final class Told: Sendable {
        private let state = Mutex((changes: [String](), failures: [KubernetesError]()))
        /// `+` for a new object, `=` for a changed one, `-` for one that is gone, with its name and value.
        var changes: [String] { state.withLock { $0.changes } }
        var failures: [KubernetesError] { state.withLock { $0.failures } }

        func take(_ change: Change<UntypedObject>) {
            let sign =
                switch change {
                case .added: "+"
                case .updated: "="
                case .deleted: "-"
                }
            let value = change.object.json[["data", "value"]]?.string ?? ""
            state.withLock { $0.changes.append("\(sign)\(change.key.name)\(value)") }
        }

        func take(_ failure: KubernetesError) { state.withLock { $0.failures.append(failure) } }
    }

    /// An informer of config maps that runs.
    private struct Running {
        let timed: TimedClient
        let informer: Informer<UntypedObject>
        let told = Told()
        private let task: Task<Void, Never>

        init(_ timed: TimedClient) {
            self.timed = timed
            var settings = Reflector.Settings()
            // As long as a test may take: only silence ends a watch here.
            settings.watchTime = .seconds(100_000)
            let (told, selection) = (told, Selection(namespace: "default", fields: "metadata.name!=kube-root-ca.crt"))
            let informer = Informer(
                timed.client.resources(StandIn.configMaps), selection, settings: settings,
                onFailure: { told.take($0) })
            informer.addHandler { told.take($0) }
            self.informer = informer
            task = Task { await informer.run() }
        }

        /// The names and values of the copy.
        var copy: [String] {
            informer.all.map { $0.metadata.name + ($0.json[["data", "value"]]?.string ?? "") }.sorted()
        }

        func end() async {
            task.cancel()
            await task.value
        }
    }

    /// Runs a test with an informer that has seen `a` and watches.
    private func watching(
        _ faults: Faults = Faults(), users: [String] = ["agent"],
        _ body: (StandIn, Running) async throws -> Void
    ) async throws {
        try await StandIn.serving(users: users) { standIn in
            standIn.set("a")
            standIn.server.faults = faults
            let running = Running(try TimedClient(standIn, limit: .seconds(60)))
            #expect(try await running.timed.passes { running.informer.hasSynced && standIn.watches > 0 })
            #expect(running.copy == ["a0"])
            do { try await body(standIn, running) } catch {
                await running.end()
                throw error
            }
            await running.end()
        }
    }

    @Test(
        "a watch that ends or breaks off goes on where it was: every change is heard once, and nothing is listed again",
        arguments: [false, true])
    func drops(resets: Bool) async throws {
        let faults = Faults([.init(.watch(.ends(after: 2, resets: resets)), times: 5)])
        try await watching(faults) { (standIn, running) async throws -> Void in
            for value in 1...12 { standIn.set("b", value) }
            standIn.delete("a")
            standIn.set("c")
            let expected = ["+a0", "+b1"] + (2...12).map { "=b\($0)" } + ["-a0", "+c0"]
            #expect(try await running.timed.passes { running.told.changes.count == expected.count })
            #expect(running.told.changes == expected && running.copy == ["b12", "c0"])
            #expect(standIn.lists == 1 && standIn.watches == 6)
        }
    }

    @Test("a version that the server has forgotten means a list, which finds what was deleted meanwhile")
    func forgotten() async throws {
        try await watching { (standIn, running) async throws -> Void in
            standIn.server.faults = Faults([.init(.disconnect)])
            #expect(try await running.timed.passes { !running.told.failures.isEmpty })
            standIn.delete("a")
            standIn.set("b")
            standIn.server.withCluster { $0.compact() }
            #expect(running.copy == ["a0"])
            standIn.server.faults = Faults()
            #expect(try await running.timed.passes { running.copy == ["b0"] })
            #expect(running.told.changes == ["+a0", "+b0", "-a0"] && standIn.lists == 2)
            #expect(running.told.failures.contains { $0.status?.code == 410 })
        }
    }

    @Test("a watch that is gone again and again is listed for again, but not without a pause")
    func goneAgain() async throws {
        let faults = Faults([.init(.watch(.gone), times: 4)])
        try await watching(faults) { (standIn, running) async throws -> Void in
            #expect(try await running.timed.passes { standIn.watches == 5 })
            standIn.set("b")
            #expect(try await running.timed.passes { running.copy == ["a0", "b0"] })
            #expect(running.told.changes == ["+a0", "+b0"] && standIn.lists == 5)
            #expect(running.timed.system.now > .zero)
        }
    }

    @Test("a watch that falls silent is left after some minutes, and what it kept back is heard from the next")
    func silence() async throws {
        let faults = Faults([.init(.watch(.silent(after: 1)), times: 1)])
        try await watching(faults) { (standIn, running) async throws -> Void in
            let system = running.timed.system
            standIn.set("b")
            #expect(try await eventually { running.told.changes == ["+a0", "+b0"] })
            standIn.set("c")
            standIn.delete("a")
            let begin = system.now
            #expect(try await running.timed.passes { standIn.watches == 2 })
            #expect(system.now - begin >= .seconds(210))
            #expect(try await running.timed.passes { running.copy == ["b0", "c0"] })
            #expect(running.told.changes == ["+a0", "+b0", "+c0", "-a0"] && standIn.lists == 1)
            #expect(running.told.failures == [.timedOut])
        }
    }

    @Test("an informer that is refused with 429 lists when the server says")
    func busy() async throws {
        try await StandIn.serving { standIn async throws -> Void in
            standIn.set("a")
            standIn.server.faults = Faults([.init(.refuse(429, retryAfter: 9), verbs: ["list", "watch"], times: 3)])
            let running = Running(try TimedClient(standIn))
            #expect(try await running.timed.passes { standIn.watches == 1 })
            #expect(running.copy == ["a0"] && running.timed.system.now >= .seconds(27))
            await running.end()
        }
    }

    @Test("a partition stops one informer alone; it keeps what it has, and has everything once the partition heals")
    func partition() async throws {
        try await watching(users: ["agent", "other"]) { (standIn, running) async throws -> Void in
            let other = Running(try TimedClient(standIn, as: "other"))
            #expect(try await other.timed.passes { standIn.watches == 2 })
            standIn.server.faults = Faults([.init(.hang, users: ["agent"])])
            standIn.set("b")
            standIn.delete("a")
            #expect(try await other.timed.passes { other.copy == ["b0"] })
            #expect(running.copy == ["a0"])
            // The watch is left, and nobody answers the next: only its clock says so.
            #expect(
                try await eventually(seconds: 60) {
                    running.timed.system.advance(by: .seconds(1))
                    return running.told.failures.count { $0 == .timedOut } >= 3
                })
            #expect(running.copy == ["a0"] && running.told.changes == ["+a0"])
            standIn.server.faults = Faults()
            standIn.set("c")
            #expect(
                try await eventually(seconds: 60) {
                    running.timed.system.advance(by: .seconds(1))
                    return running.copy == ["b0", "c0"]
                })
            #expect(running.told.changes.sorted() == ["+a0", "+b0", "+c0", "-a0"])
            #expect(other.told.failures.isEmpty && other.told.changes == ["+a0", "+b0", "-a0", "+c0"])
            await other.end()
        }
    }

    @Test(
        "over a restart a copy stays; with history the watch goes on, without it everything is listed",
        arguments: [true, false])
    func restart(keepsHistory: Bool) async throws {
        try await watching { (standIn, running) async throws -> Void in
            await standIn.server.stop()
            #expect(try await running.timed.passes { running.told.failures.count >= 3 })
            standIn.set("b")
            standIn.delete("a")
            if !keepsHistory { standIn.server.withCluster { $0.compact() } }
            #expect(running.copy == ["a0"])
            try await standIn.server.start()
            #expect(try await running.timed.passes { running.copy == ["b0"] })
            #expect(running.told.changes.sorted() == ["+a0", "+b0", "-a0"])
            #expect(standIn.lists == (keepsHistory ? 1 : 2))
            standIn.set("b", 1)
            #expect(try await running.timed.passes { running.copy == ["b1"] })
        }
    }
}
