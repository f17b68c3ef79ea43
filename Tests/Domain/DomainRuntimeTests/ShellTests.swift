import Domain
import DomainRuntime
import Logging
import TestSupport
import Testing

@Suite struct ShellTests {
    private static func id(_ number: Int) -> NodeID { NodeID(high: 1, low: UInt64(number)) }

    private static func update(_ number: Int, nonce: UInt64 = 1, labels: [String] = []) -> NodeUpdate {
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

    private static func function(_ annotations: [String: String] = [:]) -> Specification {
        .function(
            FunctionSpecification(
                functionClass: FunctionClass(id: "f", runtime: "R", version: "1"), annotations: annotations,
                stateID: StateID(high: 1, low: 1)))
    }

    private func running(
        nodes: Int, keeper: Keeper = Keeper(), outside: Outside = Outside(), deadline: Duration = .milliseconds(500),
        _ body: (DomainRuntime, Keeper, Outside) async throws -> Void
    ) async throws {
        var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        logger.logLevel = .critical
        let shell = DomainRuntime(
            records: keeper.records, options: DomainOptions(), keeper: keeper, outside: outside, callDeadline: deadline,
            logger: logger)
        try shell.begin()
        for number in 1...nodes { #expect(try await shell.update(Self.update(number), problem: nil) == nil) }
        #expect(try await eventually { keeper.records.nodes.values.filter(\.isMeshed).count == nodes })
        do { try await body(shell, keeper, outside) } catch {
            shell.stop()
            throw error
        }
        shell.stop()
    }

    @Test("a start is answered when it is kept, and its stop is kept before it is acknowledged")
    func durable() async throws {
        try await running(nodes: 2) { shell, keeper, outside in
            let id = try await shell.start(Self.function()).get()
            let physical = try #require(keeper.records.instances[id]?.physical)
            try await shell.patch(id, ["self": id])
            #expect(keeper.records.rows[id] == ["self": id])
            try await shell.stop(id)
            #expect(keeper.records.instances.isEmpty)
            #expect(
                try await eventually {
                    outside.heard.contains(.init(node: physical.node, request: .stop(physical.component, .function)))
                })
            #expect(try await eventually { keeper.records.leftovers.isEmpty && keeper.records.doubts.isEmpty })
        }
    }

    @Test("W7: a node that never answers delays the others no more than once, and its starts go to them")
    func silentNode() async throws {
        try await running(nodes: 4) { shell, keeper, outside in
            outside.silence(Self.id(1))
            let pinned = ["node_id_match_any": "\(Self.id(1))"]
            async let hanging = shell.start(Self.function(pinned))
            let others = ["node_id_match_any": (2...4).map { "\(Self.id($0))" }.joined(separator: ",")]
            for _ in 0..<50 { _ = try await shell.start(Self.function(others)).get() }
            guard case .failure(let refusal) = try await hanging else {
                Issue.record("started")
                return
            }
            #expect(refusal.detail?.contains("no answer") == true)
            let id = try await shell.start(Self.function()).get()
            #expect(keeper.records.instances[id]?.physical?.node != Self.id(1))
            #expect(keeper.records.doubts.keys.allSatisfy { $0 == Self.id(1) })
        }
    }

    @Test("W8: the calls of a node share one connection, those of its starts are under way together")
    func pooled() async throws {
        try await running(nodes: 3) { shell, _, outside in
            await withTaskGroup { group in
                for _ in 0..<100 { group.addTask { _ = try? await shell.start(Self.function()) } }
            }
            #expect(outside.heard.count { if case .start = $0.request { true } else { false } } == 100)
            #expect(outside.agents == 3)
        }
    }

    @Test("many who ask at once share a sync")
    func groupCommit() async throws {
        try await running(nodes: 1) { shell, keeper, _ in
            let before = keeper.syncs
            await withTaskGroup { group in
                for _ in 0..<500 { group.addTask { _ = try? await shell.start(Self.function()) } }
            }
            #expect(keeper.records.instances.count == 500)
            #expect(keeper.syncs - before < 700)
        }
    }

    private func starts(_ outside: Outside) -> Int {
        outside.heard.count { if case .start = $0.request { true } else { false } }
    }

    @Test(
        "while something is being kept, nodes are asked to start what comes meanwhile, and all of that is kept together"
    )
    func meanwhile() async throws {
        try await running(nodes: 1) { shell, keeper, outside in
            for _ in 0..<2 { _ = try await shell.start(Self.function()).get() }
            keeper.hold()
            async let first = shell.start(Self.function())
            #expect(try await eventually { keeper.isWaiting })
            let before = (keeper.syncs, starts(outside))
            // One at a time may be under way by what is kept; the answer of the first one is not kept yet.
            async let second = shell.start(Self.function())
            async let third = shell.start(Self.function())
            // A refresh that says nothing new comes after what waits, not before it.
            async let refresh = shell.update(Self.update(1), problem: nil)
            try await Task.sleep(for: .milliseconds(50))
            #expect(keeper.syncs == before.0)
            keeper.release()
            let ids = Set([try await first.get(), try await second.get(), try await third.get()])
            let refusal = try await refresh
            #expect(refusal == nil)
            #expect(ids.count == 3 && ids.isSubset(of: Set(keeper.records.instances.keys)))
            // Now four may be: they are asked for while nothing can be kept.
            keeper.hold()
            async let stop: Void = shell.stop(try #require(ids.first))
            #expect(try await eventually { keeper.isWaiting })
            let asked = starts(outside)
            async let fourth = shell.start(Self.function())
            async let fifth = shell.start(Self.function())
            #expect(try await eventually { starts(outside) == asked + 2 })
            let syncs = keeper.syncs
            keeper.release()
            _ = try await (stop, fourth.get(), fifth.get())
            #expect(keeper.syncs - syncs <= 3)
        }
    }

    @Test("what has come while something could not be kept has not happened either, and is told so")
    func meanwhileInVain() async throws {
        try await running(nodes: 1) { shell, keeper, outside in
            let one = try await shell.start(Self.function()).get()
            let other = try await shell.start(Self.function()).get()
            let third = try await shell.start(Self.function()).get()
            keeper.hold()
            async let first: Void = shell.stop(one)
            #expect(try await eventually { keeper.isWaiting })
            async let second: Void = shell.stop(other)
            async let start = shell.start(Self.function())
            #expect(try await eventually { starts(outside) == 4 })
            keeper.isFull = true
            keeper.release()
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
            keeper.isFull = false
            #expect(try await eventually { !keeper.records.doubts.isEmpty || !keeper.records.leftovers.isEmpty })
            #expect(Set(keeper.records.instances.keys) == [one, other, third])
        }
    }

    @Test("what a node has started meanwhile and cannot be stored is stopped when it can")
    func strays() async throws {
        try await running(nodes: 1) { shell, keeper, outside in
            // From the second start on they are sent before anything is stored.
            for _ in 0..<2 { _ = try await shell.start(Self.function()).get() }
            keeper.isFull = true
            guard case .failure(let refusal) = try await shell.start(Self.function()) else {
                Issue.record("started")
                return
            }
            #expect(refusal.summary == "not stored")
            #expect(starts(outside) == 3)
            // While nothing can be stored nobody is asked any more.
            _ = try await shell.start(Self.function())
            #expect(starts(outside) == 3)
            keeper.isFull = false
            #expect(
                try await eventually {
                    outside.heard.contains { if case .stop = $0.request { true } else { false } }
                })
            #expect(keeper.records.instances.count == 2)
            #expect(try await eventually { keeper.records.leftovers.isEmpty })
        }
    }

    @Test("what cannot be stored is refused and has not happened; when it can be stored again all goes on")
    func fullDisk() async throws {
        try await running(nodes: 2) { shell, keeper, outside in
            let kept = try await shell.start(Self.function()).get()
            keeper.isFull = true
            guard case .failure(let refusal) = try await shell.start(Self.function()) else {
                Issue.record("started")
                return
            }
            #expect(refusal.summary == "not stored")
            await #expect(throws: DomainRuntime.Failure.self) { try await shell.stop(kept) }
            // A refresh that says nothing new needs no disk.
            #expect(try await shell.update(Self.update(1), problem: nil) == nil)
            await #expect(throws: DomainRuntime.Failure.self) {
                try await shell.update(Self.update(1, labels: ["new"]), problem: nil)
            }
            #expect(keeper.records.instances.count == 1)
            keeper.isFull = false
            let id = try await shell.start(Self.function()).get()
            try await shell.stop(kept)
            #expect(Set(keeper.records.instances.keys) == [id])
            #expect(try await shell.update(Self.update(1, labels: ["new"]), problem: nil) == nil)
            #expect(keeper.records.nodes[Self.id(1)]?.description.capabilities.labels == ["new"])
            #expect(try await eventually { keeper.records.leftovers.isEmpty })
            // One for each node, when it joined.
            #expect(outside.heard.count { $0.request == .reset } == 2)
        }
    }

    @Test("W5: after a restart from what was kept nothing is reset, and the controller sees the same domain")
    func restart() async throws {
        let keeper = Keeper()
        try await running(nodes: 2, keeper: keeper) { shell, _, _ in
            for _ in 0..<5 { _ = try await shell.start(Self.function()).get() }
        }
        let before = keeper.records
        let outside = Outside()
        try await running(nodes: 2, keeper: keeper, outside: outside) { shell, _, _ in
            #expect(keeper.records.instances == before.instances)
            #expect(try await eventually { !outside.updates.isEmpty })
            #expect(outside.updates.first?.nonce == before.nonce)
            #expect(!outside.heard.contains { $0.request == .reset })
            _ = try await shell.start(Self.function()).get()
        }
    }

    @Test("a shell that stops refuses those who wait and those who come")
    func stopping() async throws {
        try await running(nodes: 1) { shell, _, outside in
            outside.silence(Self.id(1))
            async let hanging = shell.start(Self.function())
            #expect(
                try await eventually { outside.heard.contains { if case .start = $0.request { true } else { false } } })
            shell.stop()
            guard case .failure(let refusal) = try await hanging else {
                Issue.record("started")
                return
            }
            #expect(refusal.summary == "stopping")
            await #expect(throws: DomainRuntime.Failure.self) { try await shell.stop(LogicalID(high: 1, low: 1)) }
        }
    }

    /// What the domain is now.
    private func view(_ shell: DomainRuntime) async -> DomainSnapshot? {
        await withCheckedContinuation { continuation in shell.look { continuation.resume(returning: $0) } }
    }

    @Test("a look shows what is kept, and each request, call, update and transaction is counted once by how it ended")
    func looks() async throws {
        try await running(nodes: 2) { shell, keeper, outside in
            let id = try await shell.start(Self.function()).get()
            _ = try await shell.start(Self.function(["node_id_match_any": "\(Self.id(9))"]))
            try await shell.stop(id)
            _ = try await shell.update(Self.update(1), problem: DomainRefusal("no"))
            #expect(try await shell.intent(.cordon(Self.id(1), true)) == nil)
            #expect(try await eventually { keeper.records.leftovers.isEmpty && !outside.updates.isEmpty })
            let view = try #require(await view(shell))
            #expect(view.records == keeper.records && view.failure == nil)
            let counters = view.counters
            #expect(counters.requests(.start, .accepted) == 1 && counters.requests(.start, .refused) == 1)
            #expect(counters.requests(.stop, .accepted) == 1 && counters.requests(.intent, .accepted) == 1)
            #expect(counters.requests(.update, .accepted) == 2 && counters.requests(.update, .refused) == 1)
            #expect(counters.calls(.done) == outside.heard.count)
            #expect(counters.commits == keeper.syncs && counters.failedCommits == 0)
            let other = try await shell.start(Self.function()).get()
            keeper.isFull = true
            _ = try await shell.start(Self.function())
            await #expect(throws: DomainRuntime.Failure.self) { try await shell.patch(other, ["a": other]) }
            let later = try #require(await self.view(shell))
            #expect(later.failure == "full" && later.counters.failedCommits >= 2)
            #expect(later.counters.requests(.start, .failed) == 1 && later.counters.requests(.patch, .failed) == 1)
            #expect(later.counters.requests(.start, .accepted) == 2)
        }
    }

    @Test("who looks after the end sees that there is nothing")
    func lateLook() async throws {
        try await running(nodes: 1) { shell, _, _ in
            #expect(await view(shell) != nil)
            shell.stop()
            #expect(await view(shell) == nil)
        }
    }
}
