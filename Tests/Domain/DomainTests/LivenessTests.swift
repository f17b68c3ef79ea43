import Testing

@testable import Domain

/// Which nodes count as present.
@Suite struct LivenessTests {
    /// Nodes that refresh every two seconds, announce four, and run one function each.
    private func domain(_ nodes: Int, skew: Int = 0, _ change: (inout DomainOptions) -> Void = { _ in }) throws
        -> TestDomain
    {
        let test = TestDomain(nodes: 0, change)
        refresh(test, 0..<nodes, skew: skew, times: 5)
        for number in 0..<nodes {
            _ = try test.start(TestDomain.function(["node_id_match_any": "\(TestDomain.id(number))"]))?.get()
        }
        test.drain()
        return test
    }

    private func refresh(_ test: TestDomain, _ nodes: Range<Int>, skew: Int = 0, times: Int) {
        for _ in 0..<times {
            for number in nodes { test.join(number, seconds: 4 + skew) }
            test.pass(seconds: 2)
        }
    }

    private func resets(_ test: TestDomain) -> Int { test.drain().count { $0.request == .reset } }

    @Test("a node whose clock is wrong by seconds or hours stays", arguments: [-7200, -3, 0, 7200])
    func wrongClock(skew: Int) {
        let test = TestDomain(nodes: 0)
        refresh(test, 0..<1, skew: skew, times: 30)
        #expect(resets(test) == 1)
    }

    @Test("a node whose clock is wrong is missed after a few of its own intervals", arguments: [-7200, 0, 7200])
    func wrongClockDies(skew: Int) throws {
        let test = try domain(1, skew: skew)
        test.pass(seconds: 3)
        #expect(test.domain.records.nodes.count == 1)
        test.pass(seconds: 8)
        #expect(test.domain.records.nodes.isEmpty)
    }

    @Test("steps of a node's clock and of the orchestrator's change nothing", arguments: [-7200, -600, 600, 7200])
    func steps(step: Int) throws {
        let test = try domain(1)
        refresh(test, 0..<1, skew: step, times: 5)
        test.now.wall += step * 1000
        refresh(test, 0..<1, times: 5)
        test.now.wall -= 2 * step * 1000
        refresh(test, 0..<1, skew: 3 * step, times: 5)
        #expect(test.drain().isEmpty)
    }

    @Test("a node that announces a deadline in its own past leaves at once", arguments: [-7200, 0, 7200])
    func leaves(skew: Int) throws {
        for deadline in [skew, skew - 1, skew - 30] {
            let test = try domain(2, skew: skew)
            test.join(1, seconds: deadline)
            test.pass(seconds: 1)
            #expect(test.domain.records.nodes.keys.sorted() == [TestDomain.id(0)])
            #expect(test.logMessages.contains { $0.text == "a node has left; its instances are started elsewhere" })
        }
    }

    @Test("a node that returns within the grace is not reset, and keeps what no other node took")
    func returns() throws {
        let test = try domain(2) { $0.disconnectGrace = 60 }
        let moved = try #require(try test.start(TestDomain.function())?.get())
        let pinned = try #require(test.domain.running[TestDomain.id(1)]?.first { $0 != moved })
        let before = test.domain.records.instances
        // Node 1 is silent, and all that can move moves.
        refresh(test, 0..<1, times: 8)
        #expect(test.domain.records.nodes[TestDomain.id(1)] == nil)
        #expect(test.domain.records.instances[pinned]?.physical == nil)
        test.drain()
        test.join(1, seconds: 4)
        let calls = test.drain()
        #expect(!calls.contains { $0.request == .reset })
        #expect(!calls.contains { if case .start = $0.request { true } else { false } })
        #expect(test.domain.records.instances[pinned]?.physical == before[pinned]?.physical)
        let old = try #require(before[moved]?.physical)
        if old.node == TestDomain.id(1) {
            #expect(calls.count { $0.request == .stop(old.component, .function) } == 1)
            #expect(test.domain.records.instances[moved]?.physical?.node == TestDomain.id(0))
        }
        #expect(test.domain.records.nodes[TestDomain.id(1)]?.isReset == true)
        refresh(test, 0..<2, times: 3)
        #expect(test.domain.records.orphans.isEmpty && test.domain.records.departed.isEmpty)
    }

    @Test("a node that returns within the grace, keeps nothing and may run what a Start has left is reset")
    func returnsWithUnknownOutcome() throws {
        let test = try domain(2) { $0.disconnectGrace = 60 }
        let pinned = try #require(test.domain.running[TestDomain.id(1)]?.first)
        test.take(.stop(pinned))
        test.answer = { node, call in
            if case .start = call.request, node == 1 { .overdue("no answer") } else { nil }
        }
        _ = test.start(TestDomain.function(["node_id_match_any": "\(TestDomain.id(1))"]))
        refresh(test, 0..<1, times: 8)
        #expect(test.domain.records.nodes[TestDomain.id(1)] == nil)
        test.drain()
        test.join(1, seconds: 4)
        #expect(resets(test) == 1)
        #expect(test.domain.records.unknownOutcomes.isEmpty)
    }

    @Test("a node that returns too late, restarted, after it left, or without a grace is reset")
    func returnsOtherwise() throws {
        for (grace, silence, nonce) in [(60, 60, 1), (60, 8, 2), (0, 8, 1)] as [(Int, Int, UInt64)] {
            let test = try domain(2) { $0.disconnectGrace = grace }
            refresh(test, 0..<1, times: silence)
            #expect(test.domain.records.nodes[TestDomain.id(1)] == nil)
            test.drain()
            test.join(1, nonce: nonce, seconds: 4)
            #expect(resets(test) == 1, "grace \(grace), silence \(silence), nonce \(nonce)")
        }
        let test = try domain(2) { $0.disconnectGrace = 60 }
        test.join(1, seconds: -1)
        test.pass(seconds: 1)
        test.drain()
        test.join(1, seconds: 4)
        #expect(resets(test) == 1)
    }

    @Test("time in which the orchestrator did not run is not counted against nodes", arguments: [5, 3600])
    func pause(seconds: Int) throws {
        let test = try domain(3)
        test.now.monotonic += seconds * 1000
        test.now.wall += seconds * 1000
        test.take(.tick)
        test.take(.tick)
        refresh(test, 0..<3, times: 3)
        #expect(test.drain().isEmpty)
        // A node that does not come back is still missed.
        refresh(test, 0..<2, times: 4)
        #expect(test.domain.records.nodes.count == 2)
    }

    @Test("refreshes that waited over several connections and arrive in another order make no node leave")
    func overtakenRefreshes() throws {
        let test = try domain(1)
        for seconds in [7, 60] {
            test.now.monotonic += seconds * 1000
            test.now.wall += seconds * 1000
            for deadline in [0, 2, -2] { test.join(0, seconds: deadline) }
            test.pass(seconds: 2)
            refresh(test, 0..<1, times: 3)
        }
        #expect(test.drain().isEmpty)
        // An orderly leave is still seen.
        test.join(0, seconds: -1)
        test.pass(seconds: 1)
        #expect(test.domain.records.nodes.isEmpty)
    }

    @Test("refreshes that waited and arrive slowly one after the other do not shorten the lease")
    func slowBacklog() throws {
        let test = try domain(1)
        test.now.monotonic += 7000
        test.now.wall += 7000
        for waited in [7, 5, 3, 1] {
            test.now.monotonic += 300
            test.now.wall += 300
            test.join(0, seconds: 4 - waited)
        }
        test.pass(seconds: 3)
        refresh(test, 0..<1, times: 3)
        #expect(test.drain().isEmpty)
    }

    @Test("a node whose clock is ahead and that refreshes irregularly is missed after a few of its longest intervals")
    func irregularClockAhead() {
        let test = TestDomain(nodes: 0)
        for gap in [1, 5, 2, 7, 1, 6, 2, 5, 1, 7] {
            test.join(0, seconds: 7200)
            test.pass(seconds: gap)
        }
        #expect(resets(test) == 1)
        test.pass(seconds: 40)
        #expect(test.domain.records.nodes.isEmpty)
    }

    @Test("a node whose clock is ahead and that dies after its first refresh is missed after ten minutes")
    func clockAheadDiesEarly() {
        let test = TestDomain(nodes: 0)
        test.join(0, seconds: 7200)
        test.pass(seconds: 599)
        #expect(test.domain.records.nodes.count == 1)
        test.pass(seconds: 3)
        #expect(test.domain.records.nodes.isEmpty)
    }

    @Test("a node that dies is missed although every tick is late")
    func lateTicks() throws {
        let test = try domain(1)
        for _ in 0..<20 {
            test.now.monotonic += 2_000
            test.take(.tick)
        }
        #expect(test.domain.records.nodes.isEmpty)
    }

    @Test("when most nodes vanish, a bounded number leaves in an interval, and that is reported")
    func massLoss() throws {
        let test = try domain(10) { $0.evictionsPerInterval = 2 }
        refresh(test, 0..<3, times: 4)
        #expect(test.domain.records.nodes.count == 8 && test.delayedEvictions == 5)
        #expect(test.logMessages.count { $0.text.hasPrefix("most nodes are missing") } == 1)
        refresh(test, 0..<3, times: 5)
        #expect(test.domain.records.nodes.count == 6 && test.delayedEvictions == 3)
        // The others are back: they keep what they run.
        test.drain()
        refresh(test, 0..<10, times: 3)
        #expect(test.delayedEvictions == 0 && test.domain.records.nodes.count == 10)
        #expect(resets(test) == 4)
        #expect(test.logMessages.contains { $0.text.hasPrefix("the missing nodes are back") })
    }

    @Test("evictions are bounded although the leases of the missing nodes end one after the other")
    func spreadLoss() {
        let test = TestDomain(nodes: 0) { $0.evictionsPerInterval = 1 }
        for second in 0..<150 {
            if second % 3 == 0 { test.join(second / 3 % 10, seconds: 60) }
            test.pass(seconds: 1)
        }
        while test.domain.records.nodes.count == 10 { test.pass(seconds: 1) }
        test.pass(seconds: 29)
        #expect(test.domain.records.nodes.count == 7)
        #expect(test.logMessages.count { $0.text.hasPrefix("most nodes are missing") } == 1)
    }

    @Test("a process whose node id another one took stays refused while it refreshes")
    func refusedNonce() {
        let test = TestDomain(nodes: 1)
        test.join(0, nonce: 2)
        test.drain()
        for _ in 0..<30 {
            #expect(test.join(0, nonce: 1)?.summary == "node id in use")
            test.join(0, nonce: 2)
            test.pass(seconds: 60)
        }
        #expect(test.drain().isEmpty)
    }

    @Test(
        "a process whose node id another one took stays refused after a restart of the orchestrator, whoever comes first"
    )
    func refusedNonceAfterRestart() {
        let test = TestDomain(nodes: 1)
        test.join(0, nonce: 2)
        #expect(test.join(0, nonce: 1)?.summary == "node id in use")
        let again = TestDomain(nodes: 0, records: test.stored)
        again.drain()
        for _ in 0..<30 {
            #expect(again.join(0, nonce: 1)?.summary == "node id in use")
            #expect(again.join(0, nonce: 2, seconds: 120) == nil)
            again.pass(seconds: 60)
        }
        #expect(again.drain().isEmpty)
        // Once the other one is gone, the id is free.
        again.join(0, nonce: 2, seconds: -1)
        again.pass(seconds: 1)
        #expect(again.join(0, nonce: 1) == nil)
    }

    @Test(
        "a component that its node cannot stop is known and reported after a restart of the orchestrator, until the node's next reset",
        arguments: [0, 4, 60])
    func cannotStopAfterRestart(seconds: Int) throws {
        let fails = { (_: Int, call: NodeCall) -> CallOutcome? in
            if case .stop = call.request { .failed("INTERNAL") } else { nil }
        }
        let test = TestDomain(nodes: 1)
        let id = try #require(try test.start(TestDomain.function())?.get())
        test.answer = fails
        test.take(.stop(id))
        test.pass(seconds: seconds)
        let again = TestDomain(nodes: 0, records: test.stored, answer: fails)
        again.join(0)
        again.pass(seconds: 60)
        #expect(again.drain().count { $0.isStop } == 5)
        #expect(again.domain.records.orphans.count == 1)
        #expect(again.logMessages.count { $0.text.hasPrefix("a node cannot stop a component") } == 1)
        again.join(0, nonce: 2)
        #expect(again.domain.records.orphans.isEmpty && again.domain.records.failedStops.isEmpty)
    }

    @Test(
        "a component that was stopped when the orchestrator ended, and that the node does not know any more, is no orphan"
    )
    func stoppedBeforeRestart() throws {
        let test = TestDomain(nodes: 1)
        let id = try #require(try test.start(TestDomain.function())?.get())
        test.isHeld = { _, call in if case .stop = call.request { true } else { false } }
        test.take(.stop(id))
        let again = TestDomain(
            nodes: 0, records: test.stored,
            answer: { _, call in
                if case .stop = call.request { .failed("no such component") } else { nil }
            })
        again.join(0)
        again.pass(seconds: 60)
        #expect(again.domain.records.orphans.isEmpty)
    }

    @Test("a node that has lost a component is asked a bounded number of times to stop it, until its next reset")
    func lostComponent() throws {
        let test = TestDomain(nodes: 1, providers: 1)
        let id = try #require(try test.start(TestDomain.resource())?.get())
        test.drain()
        test.answer = { _, call in if case .stop = call.request { .failed("INTERNAL") } else { nil } }
        test.take(.stop(id))
        for _ in 0..<30 {
            test.join(0, providers: 1)
            test.pass(seconds: 10)
        }
        #expect(test.drain().count { $0.isStop } == 5)
        #expect(test.domain.records.orphans.count == 1)
        let text = "a node cannot stop a component, which is given up until the node's next reset"
        #expect(test.logMessages.count { $0.text == text } == 1)
        test.join(0, nonce: 2, providers: 1)
        #expect(test.domain.records.orphans.isEmpty)
    }
}
