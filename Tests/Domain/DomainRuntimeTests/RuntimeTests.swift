import Domain
import Logging
import Synchronization
import TestSupport
import Testing

@testable import DomainRuntime

@Suite struct RuntimeTests {
    static func id(_ number: Int) -> NodeID { NodeID(high: 1, low: UInt64(number)) }

    static func update(_ number: Int, nonce: UInt64 = 1, labels: [String] = []) -> NodeUpdate {
        var capabilities = NodeCapabilities()
        (capabilities.cpus, capabilities.cores, capabilities.runtimes) = (1, 1, ["R"])
        capabilities.labels = labels
        return NodeUpdate(
            node: id(number),
            description: NodeDescription(
                agentURL: "http://127.0.0.1:\(number)", invocationURL: "http://127.0.0.1:\(number)",
                capabilities: capabilities),
            refreshDeadline: .max, nonce: nonce)
    }

    static func function(_ annotations: [String: String] = [:]) -> Specification {
        .function(
            FunctionSpecification(
                functionClass: FunctionClass(id: "f", runtime: "R", version: "1"), annotations: annotations,
                stateID: StateID(high: 1, low: 1)))
    }

    /// A clock that stands still, so that no node becomes idle meanwhile.
    static let frozen: @Sendable () -> Timestamp = { Timestamp(monotonic: 1_000_000, wall: 1_700_000_000_000) }

    func running(
        nodes: Int, store: MemoryStore = MemoryStore(), transport: FakeTransport = FakeTransport(),
        deadline: Duration = .milliseconds(500), now: @escaping @Sendable () -> Timestamp = { .current },
        _ body: (DomainRuntime, MemoryStore, FakeTransport) async throws -> Void
    ) async throws {
        var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        logger.logLevel = .critical
        let runtime = DomainRuntime(
            records: store.records, options: DomainOptions(), store: store, transport: transport,
            callDeadline: deadline, now: now, logger: logger)
        try runtime.begin()
        for number in 0..<nodes { #expect(try await runtime.update(Self.update(number + 1), problem: nil) == nil) }
        #expect(try await eventually { store.records.nodes.values.filter(\.isMeshed).count >= nodes })
        do { try await body(runtime, store, transport) } catch {
            runtime.stop()
            throw error
        }
        runtime.stop()
    }

    @Test("Starts and Stops are committed before they are answered")
    func durable() async throws {
        try await running(nodes: 2) { runtime, store, transport in
            let id = try await runtime.start(Self.function()).get()
            let physical = try #require(store.records.instances[id]?.physical)
            try await runtime.patch(id, ["self": id])
            #expect(store.records.wirings[id] == ["self": id])
            try await runtime.stop(id)
            #expect(store.records.instances.isEmpty)
            #expect(
                try await eventually {
                    transport.heard.contains(.init(node: physical.node, request: .stop(physical.component, .function)))
                })
            #expect(try await eventually { store.records.orphans.isEmpty && store.records.unknownOutcomes.isEmpty })
        }
    }

    @Test("W7: a node that never answers delays no Start on other nodes, and its own Starts go to them")
    func silentNode() async throws {
        try await running(nodes: 3, deadline: .seconds(60)) { runtime, store, transport in
            let silent = Self.id(1)
            transport.silence(silent)
            async let hanging = runtime.start(Self.function(["node_id_match_any": "\(silent)"]))
            #expect(try await eventually { transport.hanging(at: silent) == 1 })
            let others = ["node_id_match_any": "\(Self.id(2)),\(Self.id(3))"]
            for _ in 0..<50 { _ = try await runtime.start(Self.function(others)).get() }
            // The call to the silent node is still in progress; no Start has waited for it.
            #expect(transport.hanging(at: silent) == 1)
            // Starts that may also go to the silent node move to the other one.
            let either = ["node_id_match_any": "\(silent),\(Self.id(2))"]
            async let moved = withThrowingTaskGroup(of: LogicalID.self) { group in
                for _ in 0..<20 { group.addTask { try await runtime.start(Self.function(either)).get() } }
                return try await group.reduce(into: [LogicalID]()) { $0.append($1) }
            }
            #expect(try await eventually { transport.hanging(at: silent) > 1 })
            transport.release(silent)
            guard case .failure(let refusal) = try await hanging else {
                Issue.record("started")
                return
            }
            #expect(refusal.detail?.contains("no answer") == true)
            #expect(try await moved.count == 20)
            #expect(!store.records.unknownOutcomes.isEmpty)
            #expect(store.records.unknownOutcomes.allSatisfy { $0 == silent })
        }
    }

    @Test("W8: the calls of a node share one connection")
    func pooled() async throws {
        try await running(nodes: 3, deadline: .seconds(60)) { runtime, _, transport in
            await withTaskGroup { group in
                for _ in 0..<100 { group.addTask { _ = try? await runtime.start(Self.function()) } }
            }
            #expect(transport.heard.count { if case .start = $0.request { true } else { false } } == 100)
            #expect(transport.clients == 3)
        }
    }

    @Test("changes that arrive during a commit share the next one")
    func groupCommit() async throws {
        try await running(nodes: 1, deadline: .seconds(60), now: Self.frozen) { runtime, store, transport in
            var ids: [LogicalID] = []
            for _ in 0..<100 { ids.append(try await runtime.start(Self.function()).get()) }
            #expect(try await eventually { runtime.owned.withLock { $0.steps.isEmpty && !$0.isBusy } })
            // No Stop is confirmed meanwhile, which would need a commit of its own.
            transport.silence(Self.id(1))
            store.hold()
            async let first: Void = runtime.stop(ids[0])
            #expect(try await eventually { store.isWaiting })
            let before = store.syncs
            let rest = ids.dropFirst()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for id in rest { group.addTask { try await runtime.stop(id) } }
                #expect(try await eventually { runtime.owned.withLock { $0.steps.count } >= rest.count })
                store.release()
                try await group.waitForAll()
            }
            try await first
            #expect(store.records.instances.isEmpty)
            // The blocked commit, and one for all that arrived meanwhile.
            #expect(store.syncs - before == 2)
            transport.release(Self.id(1))
        }
    }

    private func starts(_ transport: FakeTransport) -> Int {
        transport.heard.count { if case .start = $0.request { true } else { false } }
    }

    @Test("Starts to a node that starts something already are sent during a commit and need one commit each")
    func meanwhile() async throws {
        try await running(nodes: 1, deadline: .seconds(60), now: Self.frozen) { runtime, store, transport in
            let one = try await runtime.start(Self.function()).get()
            let before = store.syncs
            for _ in 0..<20 { _ = try await runtime.start(Self.function()).get() }
            #expect(store.syncs - before <= 20)
            store.hold()
            async let stop: Void = runtime.stop(one)
            #expect(try await eventually { store.isWaiting })
            async let second = runtime.start(Self.function())
            async let third = runtime.start(Self.function())
            #expect(try await eventually { starts(transport) == 23 })
            // A refresh without changes does not overtake waiting steps: two Starts, their answers and itself.
            async let refresh = runtime.update(Self.update(1), problem: nil)
            #expect(try await eventually { runtime.owned.withLock { $0.steps.count } >= 5 })
            #expect(store.records.instances.count == 21)
            let syncs = store.syncs
            store.release()
            _ = try await (stop, second.get(), third.get())
            #expect(try await refresh == nil)
            #expect(store.syncs - syncs <= 3 && store.records.instances.count == 22)
        }
    }

    @Test("requests that arrive during a failed commit are refused and have no effect")
    func meanwhileInVain() async throws {
        try await running(nodes: 1, deadline: .seconds(60), now: Self.frozen) { runtime, store, transport in
            let one = try await runtime.start(Self.function()).get()
            let other = try await runtime.start(Self.function()).get()
            let third = try await runtime.start(Self.function()).get()
            store.hold()
            async let first: Void = runtime.stop(one)
            #expect(try await eventually { store.isWaiting })
            async let second: Void = runtime.stop(other)
            async let start = runtime.start(Self.function())
            #expect(try await eventually { starts(transport) == 4 })
            store.isFull = true
            store.release()
            do {
                try await first
                Issue.record("stopped")
            } catch {}
            do {
                try await second
                Issue.record("stopped")
            } catch {}
            guard case .failure(let refusal) = try await start else {
                Issue.record("started")
                return
            }
            #expect(refusal.summary == "not stored")
            store.isFull = false
            // What the third Start has run is stopped.
            #expect(
                try await eventually {
                    transport.heard.contains { if case .stop = $0.request { true } else { false } }
                })
            #expect(store.records.unknownOutcomes.isEmpty)
            #expect(Set(store.records.instances.keys) == [one, other, third])
        }
    }

    @Test("what a Start runs whose answer arrives while nothing can be stored is stopped when commits succeed again")
    func answeredInVain() async throws {
        try await running(nodes: 1, deadline: .seconds(60), now: Self.frozen) { runtime, store, transport in
            let one = try await runtime.start(Self.function()).get()
            transport.delay(Self.id(1))
            async let start = runtime.start(Self.function())
            #expect(try await eventually { transport.hanging(at: Self.id(1)) == 1 })
            store.isFull = true
            await #expect(throws: DomainRuntime.Failure.self) { try await runtime.stop(one) }
            guard case .failure(let refusal) = try await start else {
                Issue.record("started")
                return
            }
            #expect(refusal.summary == "not stored")
            let failed = runtime.counters.withLock { $0.failedCommits }
            transport.release(Self.id(1))
            // That the component has to be stopped could not be stored either.
            #expect(try await eventually { runtime.counters.withLock { $0.failedCommits } > failed })
            store.isFull = false
            #expect(
                try await eventually {
                    transport.heard.contains { if case .stop = $0.request { true } else { false } }
                })
            #expect(try await eventually { store.records.orphans.isEmpty })
            #expect(Set(store.records.instances.keys) == [one])
        }
    }

    @Test("a component whose start could not be stored is stopped when commits succeed again")
    func orphans() async throws {
        try await running(nodes: 1, deadline: .seconds(60), now: Self.frozen) { runtime, store, transport in
            // From the second Start on, they are sent before the commit.
            for _ in 0..<2 { _ = try await runtime.start(Self.function()).get() }
            store.isFull = true
            guard case .failure(let refusal) = try await runtime.start(Self.function()) else {
                Issue.record("started")
                return
            }
            #expect(refusal.summary == "not stored")
            #expect(starts(transport) == 3)
            // While nothing can be stored, no node is called.
            _ = try await runtime.start(Self.function())
            #expect(starts(transport) == 3)
            store.isFull = false
            #expect(
                try await eventually {
                    transport.heard.contains { if case .stop = $0.request { true } else { false } }
                })
            #expect(store.records.instances.count == 2)
            #expect(try await eventually { store.records.orphans.isEmpty })
        }
    }

    @Test("requests are refused without effect while the state cannot be stored, and accepted again afterwards")
    func fullDisk() async throws {
        try await running(nodes: 2) { runtime, store, transport in
            let earlier = try await runtime.start(Self.function()).get()
            store.isFull = true
            guard case .failure(let refusal) = try await runtime.start(Self.function()) else {
                Issue.record("started")
                return
            }
            #expect(refusal.summary == "not stored")
            await #expect(throws: DomainRuntime.Failure.self) { try await runtime.stop(earlier) }
            // A refresh without changes needs no commit.
            #expect(try await runtime.update(Self.update(1), problem: nil) == nil)
            await #expect(throws: DomainRuntime.Failure.self) {
                try await runtime.update(Self.update(1, labels: ["new"]), problem: nil)
            }
            #expect(store.records.instances.count == 1)
            store.isFull = false
            let id = try await runtime.start(Self.function()).get()
            try await runtime.stop(earlier)
            #expect(Set(store.records.instances.keys) == [id])
            #expect(try await runtime.update(Self.update(1, labels: ["new"]), problem: nil) == nil)
            #expect(store.records.nodes[Self.id(1)]?.description.capabilities.labels == ["new"])
            #expect(try await eventually { store.records.orphans.isEmpty })
            // One for each node, when it joined.
            #expect(transport.heard.count { $0.request == .reset } == 2)
        }
    }

    @Test("W5: a restart from the stored records resets nothing, and the controller sees the same domain")
    func restart() async throws {
        let store = MemoryStore()
        try await running(nodes: 2, store: store) { runtime, _, _ in
            for _ in 0..<5 { _ = try await runtime.start(Self.function()).get() }
        }
        let before = store.records
        let transport = FakeTransport()
        try await running(nodes: 2, store: store, transport: transport) { runtime, _, _ in
            #expect(store.records.instances == before.instances)
            #expect(try await eventually { !transport.updates.isEmpty })
            #expect(transport.updates.first?.nonce == before.nonce)
            #expect(!transport.heard.contains { $0.request == .reset })
            _ = try await runtime.start(Self.function()).get()
        }
    }

    @Test(
        "of two processes with one node id, the one that was refused stays refused after a restart, also if it comes first"
    )
    func twoProcesses() async throws {
        let store = MemoryStore()
        try await running(nodes: 1, store: store) { runtime, _, _ in
            let later = try await runtime.update(Self.update(1, nonce: 2), problem: nil)
            let former = try await runtime.update(Self.update(1, nonce: 1), problem: nil)
            #expect(later == nil && former?.summary == "node id in use")
        }
        try await running(nodes: 0, store: store) { runtime, _, _ in
            let former = try await runtime.update(Self.update(1, nonce: 1), problem: nil)
            let later = try await runtime.update(Self.update(1, nonce: 2), problem: nil)
            #expect(later == nil && former?.summary == "node id in use")
            #expect(store.records.nodes[Self.id(1)]?.nonce == 2)
        }
    }

    @Test("a stopping runtime refuses waiting and new requests")
    func stopping() async throws {
        try await running(nodes: 1) { runtime, _, transport in
            transport.silence(Self.id(1))
            async let hanging = runtime.start(Self.function())
            #expect(
                try await eventually {
                    transport.heard.contains { if case .start = $0.request { true } else { false } }
                })
            runtime.stop()
            guard case .failure(let refusal) = try await hanging else {
                Issue.record("started")
                return
            }
            #expect(refusal.summary == "stopping")
            await #expect(throws: DomainRuntime.Failure.self) { try await runtime.stop(LogicalID(high: 1, low: 1)) }
        }
    }

    /// A snapshot of the domain.
    private func view(_ runtime: DomainRuntime) async -> DomainSnapshot? {
        await withCheckedContinuation { continuation in runtime.withSnapshot { continuation.resume(returning: $0) } }
    }

    @Test(
        "a snapshot shows the committed records, and every request, call, update and transaction is counted once by outcome"
    )
    func snapshots() async throws {
        try await running(nodes: 2) { runtime, store, transport in
            let id = try await runtime.start(Self.function()).get()
            _ = try await runtime.start(Self.function(["node_id_match_any": "\(Self.id(9))"]))
            try await runtime.stop(id)
            _ = try await runtime.update(Self.update(1), problem: DomainRefusal("no"))
            #expect(try await runtime.intent(.cordon(Self.id(1), true)) == nil)
            #expect(try await eventually { store.records.orphans.isEmpty && !transport.updates.isEmpty })
            let view = try #require(await view(runtime))
            #expect(view.records == store.records && view.failure == nil)
            let counters = view.counters
            #expect(counters.requests(.start, .accepted) == 1 && counters.requests(.start, .refused) == 1)
            #expect(counters.requests(.stop, .accepted) == 1 && counters.requests(.intent, .accepted) == 1)
            #expect(counters.requests(.update, .accepted) == 2 && counters.requests(.update, .refused) == 1)
            #expect(counters.calls(.done) == transport.heard.count)
            #expect(counters.commits == store.syncs && counters.failedCommits == 0)
            let other = try await runtime.start(Self.function()).get()
            store.isFull = true
            _ = try await runtime.start(Self.function())
            await #expect(throws: DomainRuntime.Failure.self) { try await runtime.patch(other, ["a": other]) }
            let later = try #require(await self.view(runtime))
            #expect(later.failure == "full" && later.counters.failedCommits >= 2)
            #expect(later.counters.requests(.start, .failed) == 1 && later.counters.requests(.patch, .failed) == 1)
            #expect(later.counters.requests(.start, .accepted) == 2)
        }
    }

    @Test("a snapshot after the end is nil")
    func lateSnapshot() async throws {
        try await running(nodes: 1) { runtime, _, _ in
            #expect(await view(runtime) != nil)
            runtime.stop()
            #expect(await view(runtime) == nil)
        }
    }
}
