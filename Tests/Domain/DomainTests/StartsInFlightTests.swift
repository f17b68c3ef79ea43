import Testing

@testable import Domain

@Suite("Starts in flight")
struct StartsInFlightTests {
    private static func isStart(_ number: Int, _ call: NodeCall) -> Bool {
        if case .start = call.request { true } else { false }
    }

    @Test(
        "that a node is starting something is committed before its first Start is sent; the next Starts need no commit")
    func ahead() throws {
        let test = TestDomain(nodes: 1)
        #expect(test.domain.records.starting.isEmpty)
        _ = try #require(try test.start(TestDomain.function())?.get())
        #expect(test.callsBeforeCommit == 0 && test.domain.records.starting == [TestDomain.id(0)])
        test.isHeld = Self.isStart
        for _ in 0..<100 { _ = test.begin(TestDomain.function()) }
        #expect(test.callsBeforeCommit == 100)
    }

    @Test("Starts wait until it is committed that their node is starting something, also after it was idle meanwhile")
    func uncommitted() throws {
        var domain = Domain(options: DomainOptions(), random: Xoshiro(seed: 1), now: Self.now)
        _ = domain.begin(at: Self.now)
        try Self.join(&domain)
        let node = TestDomain.id(0)
        let first = domain.handle(.start(TestDomain.function(), 2), at: Self.now)
        #expect(first.callsBeforeCommit.isEmpty && first.changes.contains(.starting(node, true)))
        domain.beginCommit()
        let second = domain.handle(.start(TestDomain.function(), 3), at: Self.now)
        #expect(second.callsBeforeCommit.isEmpty)
        domain.finishCommit()
        #expect(domain.handle(.start(TestDomain.function(), 4), at: Self.now).callsBeforeCommit.count == 1)
        for id in domain.calls.keys.sorted() where domain.callsOfNode[node]?.contains(id) == true {
            _ = domain.handle(.answered(id, .refused(DomainRefusal("busy"))), at: Self.now)
        }
        let later = Timestamp(monotonic: Self.now.monotonic + 1_000, wall: Self.now.wall + 1_000)
        domain.beginCommit()
        #expect(domain.handle(.tick, at: later).changes.contains(.starting(node, false)))
        domain.finishCommit()
        let third = domain.handle(.start(TestDomain.function(), 5), at: later)
        #expect(third.callsBeforeCommit.isEmpty && third.changes.contains(.starting(node, true)))
    }

    @Test("after a crash, the outcomes of a node with Starts in flight are unknown until its next reset")
    func crash() throws {
        let test = TestDomain(nodes: 2)
        test.isHeld = Self.isStart
        let pinned = ["node_id_match_any": "\(TestDomain.id(1))"]
        for _ in 0..<2 { _ = test.begin(TestDomain.function(pinned)) }
        let again = TestDomain(nodes: 0, records: test.stored)
        #expect(again.domain.records.unknownOutcomes == [TestDomain.id(1)] && again.domain.records.starting.isEmpty)
        again.join(0)
        again.join(1)
        #expect(again.domain.records.unknownOutcomes == [TestDomain.id(1)])
        again.join(1, nonce: 2)
        #expect(again.domain.records.unknownOutcomes.isEmpty)
    }

    @Test("that outcomes are unknown after a crash is not forgotten if it could not be stored at once")
    func crashAndFullDisk() throws {
        let test = TestDomain(nodes: 1)
        test.isHeld = Self.isStart
        _ = test.begin(TestDomain.function())
        let stored = test.stored
        var domain = Domain(records: stored, options: DomainOptions(), random: Xoshiro(seed: 1), now: Self.now)
        for _ in 0..<2 {
            let step = domain.begin(at: Self.now)
            #expect(step.changes.contains(.unknownOutcome(TestDomain.id(0), true)))
            domain.beginCommit()
            domain = domain.restarted(from: stored, without: step.changes, options: DomainOptions(), at: Self.now)
        }
        _ = domain.begin(at: Self.now)
        let records = domain.records
        domain.beginCommit()
        domain.finishCommit()
        domain = domain.restarted(from: records, without: [], options: DomainOptions(), at: Self.now)
        #expect(domain.begin(at: Self.now).changes.isEmpty)
    }

    @Test("after an orderly end, only the outcomes of nodes with Starts in flight are unknown")
    func orderlyEnd() throws {
        let test = TestDomain(nodes: 2)
        let pinned = ["node_id_match_any": "\(TestDomain.id(1))"]
        for _ in 0..<3 { _ = try #require(try test.start(TestDomain.function())?.get()) }
        test.isHeld = Self.isStart
        _ = test.begin(TestDomain.function(pinned))
        test.end()
        #expect(TestDomain(nodes: 0, records: test.stored).domain.records.unknownOutcomes == [TestDomain.id(1)])
    }

    @Test("a node that was sent no Start for a second is idle: a crash makes nothing unknown")
    func idle() throws {
        let test = TestDomain(nodes: 1)
        _ = try #require(try test.start(TestDomain.function())?.get())
        test.take(.tick)
        #expect(test.domain.records.starting == [TestDomain.id(0)])
        test.pass(seconds: 1)
        #expect(test.domain.records.starting.isEmpty)
        let before = test.callsBeforeCommit
        _ = try #require(try test.start(TestDomain.function())?.get())
        #expect(test.callsBeforeCommit == before)
    }

    @Test("components started by a failed commit are stopped once commits succeed again")
    func orphans() throws {
        var domain = Domain(options: DomainOptions(), random: Xoshiro(seed: 1), now: Self.now)
        _ = domain.begin(at: Self.now)
        try Self.join(&domain)
        let start = domain.handle(.start(TestDomain.function(), 2), at: Self.now)
        domain.beginCommit()
        domain.finishCommit()
        let records = domain.records
        let physical = PhysicalID(node: TestDomain.id(0), component: ComponentID(high: 1, low: 1))
        let call = try #require(Self.calls(start.effects).first)
        let lost = domain.handle(.answered(call.id, .started(physical)), at: Self.now).changes
        for _ in 0..<2 {
            domain = domain.restarted(from: records, without: lost, options: DomainOptions(), at: Self.now)
            let step = domain.begin(at: Self.now)
            #expect(step.changes.contains(.orphan(physical, .function, true)))
            #expect(Self.calls(step.effects).contains { $0.request == .stop(physical.component, .function) })
        }
    }

    @Test(
        "W27: if a new counter cannot be committed, the controller gets the committed capabilities until it can be"
    )
    func counterIsKept() throws {
        var domain = Domain(options: DomainOptions(), random: Xoshiro(seed: 1), now: Self.now)
        func updates(_ step: DomainStep) -> [DomainUpdate] {
            step.effects.compactMap { if case .updateController(_, let update) = $0 { update } else { nil } }
        }
        func keep() {
            domain.beginCommit()
            domain.finishCommit()
        }
        let first = try #require(updates(domain.begin(at: Self.now)).first)
        _ = domain.handle(.controllerAnswered(0, .accepted), at: Self.now)
        try Self.join(&domain)
        keep()
        let records = domain.records
        var later = Timestamp(monotonic: Self.now.monotonic + 2_000, wall: Self.now.wall + 2_000)
        let lost = domain.handle(.tick, at: later)
        #expect(updates(lost).first?.counter == first.counter + 1)
        domain = domain.restarted(from: records, without: lost.changes, options: DomainOptions(), at: later)
        _ = domain.begin(at: later)
        later.monotonic += 500
        let old = domain.handle(.tick, at: later)
        #expect(updates(old).first?.counter == first.counter && updates(old).first?.capabilities == first.capabilities)
        #expect(old.changes.isEmpty)
        _ = domain.handle(.controllerAnswered(0, .accepted), at: later)
        later.monotonic += 2_000
        let new = try #require(updates(domain.handle(.tick, at: later)).first)
        #expect(new.counter == first.counter + 1 && new.capabilities.nodes == 1)
    }

    @Test("the controller hears of no nonce that is not stored, which the next one would make another domain's")
    func nonceIsStoredFirst() throws {
        var domain = Domain(options: DomainOptions(), random: Xoshiro(seed: 1), now: Self.now)
        let lost = domain.begin(at: Self.now).changes
        domain.beginCommit()
        domain = domain.restarted(from: DomainRecords(), without: lost, options: DomainOptions(), at: Self.now)
        _ = domain.begin(at: Self.now)
        let later = Timestamp(monotonic: Self.now.monotonic + 500, wall: Self.now.wall + 500)
        let step = domain.handle(.tick, at: later)
        let nonces = step.effects.compactMap { effect -> UInt64? in
            if case .updateController(_, let update) = effect { update.nonce } else { nil }
        }
        #expect(nonces == [domain.records.nonce])
        #expect(!step.needsNoCommit, "it would be sent before the commit")
    }

    @Test("a Start that answers after a rebuild is stopped; one that never does has an unknown outcome")
    func lateAnswers() throws {
        var domain = Domain(options: DomainOptions(), random: Xoshiro(seed: 1), now: Self.now)
        _ = domain.begin(at: Self.now)
        try Self.join(&domain)
        var calls: [NodeCall] = []
        for request in 2...4 {
            calls += Self.calls(domain.handle(.start(TestDomain.function(), RequestID(request)), at: Self.now).effects)
        }
        domain.beginCommit()
        domain.finishCommit()
        domain = domain.restarted(
            from: domain.records, without: [], neverMade: [calls[2].id], options: DomainOptions(), at: Self.now)
        _ = domain.begin(at: Self.now)
        let node = TestDomain.id(0)
        #expect(domain.records.unknownOutcomes.isEmpty && domain.records.starting == [node])
        let physical = PhysicalID(node: node, component: ComponentID(high: 1, low: 1))
        let step = domain.handle(.answered(calls[0].id, .started(physical)), at: Self.now)
        #expect(step.changes.contains(.orphan(physical, .function, true)))
        #expect(Self.calls(step.effects).contains { $0.request == .stop(physical.component, .function) })
        #expect(domain.records.unknownOutcomes.isEmpty)
        _ = domain.handle(.answered(calls[1].id, .unknown("deadline")), at: Self.now)
        #expect(domain.records.unknownOutcomes == [node])
        #expect(domain.handle(.answered(calls[2].id, .started(physical)), at: Self.now) == DomainStep())
    }

    @Test("what late answers say is not forgotten if it could not be stored at once")
    func lateAnswersAndFullDisk() throws {
        var domain = Domain(options: DomainOptions(), random: Xoshiro(seed: 1), now: Self.now)
        _ = domain.begin(at: Self.now)
        try Self.join(&domain)
        let calls = [2, 3].flatMap { request in
            Self.calls(domain.handle(.start(TestDomain.function(), RequestID(request)), at: Self.now).effects)
        }
        domain.beginCommit()
        domain.finishCommit()
        let records = domain.records
        domain = domain.restarted(from: records, without: [], options: DomainOptions(), at: Self.now)
        _ = domain.begin(at: Self.now)
        let node = TestDomain.id(0)
        let physical = PhysicalID(node: node, component: ComponentID(high: 1, low: 1))
        let lost = [CallOutcome.started(physical), .unknown("deadline")].enumerated().flatMap { place, outcome in
            domain.handle(.answered(calls[place].id, outcome), at: Self.now).changes
        }
        #expect(Set(lost) == [.orphan(physical, .function, true), .unknownOutcome(node, true)])
        for _ in 0..<2 {
            domain = domain.restarted(from: records, without: lost, options: DomainOptions(), at: Self.now)
            let step = domain.begin(at: Self.now)
            #expect(step.changes.contains(.orphan(physical, .function, true)))
            #expect(step.changes.contains(.unknownOutcome(node, true)))
        }
        let stored = domain.records
        domain.beginCommit()
        domain.finishCommit()
        domain = domain.restarted(from: stored, without: [], options: DomainOptions(), at: Self.now)
        #expect(domain.begin(at: Self.now).changes.isEmpty)
    }

    @Test("a node whose removal could not be stored may still carry out the Starts in flight, which is not forgotten")
    func removalAndFullDisk() throws {
        var domain = Domain(options: DomainOptions(), random: Xoshiro(seed: 1), now: Self.now)
        _ = domain.begin(at: Self.now)
        try Self.join(&domain)
        let calls = Self.calls(domain.handle(.start(TestDomain.function(), 2), at: Self.now).effects)
        domain.beginCommit()
        domain.finishCommit()
        let (records, node) = (domain.records, TestDomain.id(0))
        #expect(calls.count == 1 && records.starting == [node] && records.unknownOutcomes.isEmpty)
        // It restarts, and nothing of that can be stored.
        let update = NodeUpdate(
            node: node, description: TestDomain.description(0), refreshDeadline: UInt64(Self.now.wall / 1000 + 4),
            nonce: 99)
        let lost = domain.handle(.update(update, problem: nil, 3), at: Self.now).changes
        #expect(lost.contains(.nodeRemoved(node)))
        domain = domain.restarted(from: records, without: lost, options: DomainOptions(), at: Self.now)
        #expect(domain.begin(at: Self.now).changes.contains(.unknownOutcome(node, true)))
    }

    @Test("a Start that is answered after its deadline is stopped, and is no unknown outcome")
    func overdue() throws {
        let test = TestDomain(nodes: 2) { $0.strategy = .roundRobin }
        test.isHeld = Self.isStart
        let request = test.begin(TestDomain.function())
        let late = try #require(test.heldCalls.first)
        test.isHeld = { _, _ in false }
        test.take(.answered(late.id, .overdue("no answer")))
        let id = try #require(try test.starts[request]?.get())
        #expect(test.domain.records.instances[id]?.physical?.node != late.node)
        #expect(test.domain.records.unknownOutcomes.isEmpty)
        test.pass(seconds: 3)
        // It is still in flight: a crash would make it an unknown outcome.
        #expect(TestDomain(nodes: 0, records: test.stored).domain.records.unknownOutcomes == [late.node])
        test.drain()
        let component = ComponentID(high: 1, low: 77)
        test.take(.answered(late.id, .started(PhysicalID(node: late.node, component: component))))
        #expect(test.drain().map(\.request) == [.stop(component, .function)])
        test.pass(seconds: 3)
        #expect(test.domain.records.unknownOutcomes.isEmpty && test.domain.records.starting.isEmpty)
    }

    @Test("a Start that is never answered is an unknown outcome when its answer is given up")
    func neverAnswered() throws {
        let test = TestDomain(nodes: 1)
        test.isHeld = Self.isStart
        _ = test.begin(TestDomain.function())
        let late = try #require(test.heldCalls.first)
        test.take(.answered(late.id, .overdue("no answer")))
        #expect(test.domain.records.unknownOutcomes.isEmpty)
        test.take(.answered(late.id, .unknown("no answer")))
        #expect(test.domain.records.unknownOutcomes == [late.node])
    }

    @Test(
        "calls that nobody needs any more are dropped: a Start that a reset ends, a patch of what was stopped, a peer that left"
    )
    func dropped() throws {
        var domain = Domain(options: DomainOptions(), random: Xoshiro(seed: 1), now: Self.now)
        _ = domain.begin(at: Self.now)
        try Self.join(&domain)
        let node = TestDomain.id(0)
        func drops(_ step: DomainStep) -> [CallID] {
            step.effects.compactMap { if case .drop(let call, let one) = $0, one == node { call } else { nil } }
        }
        // Of another node, to the first: the peer update is replaced when that node leaves.
        var update = NodeUpdate(
            node: TestDomain.id(1), description: TestDomain.description(1), refreshDeadline: 1_800_000_000, nonce: 1)
        let reset = try #require(
            Self.calls(domain.handle(.update(update, problem: nil, 2), at: Self.now).effects).first)
        let added = Self.calls(domain.handle(.answered(reset.id, .done), at: Self.now).effects).filter {
            $0.node == node
        }
        #expect(added.count == 1)
        update.refreshDeadline = 1
        var later = Timestamp(monotonic: Self.now.monotonic + 1_000, wall: Self.now.wall + 1_000)
        _ = domain.handle(.update(update, problem: nil, 3), at: later)
        later.monotonic += 1_000
        let left = domain.handle(.tick, at: later)
        #expect(drops(left) == added.map(\.id))
        #expect(Self.calls(left.effects).contains { $0.request == .removePeer(TestDomain.id(1)) })

        let start = domain.handle(.start(TestDomain.function(), 4), at: later)
        let call = try #require((start.callsBeforeCommit + Self.calls(start.effects)).first)
        #expect(drops(domain.handle(.controllerAnswered(.max, .reset), at: later)) == [call.id])
        #expect(domain.handle(.answered(call.id, .dropped), at: later) == DomainStep())

        let again = domain.handle(.start(TestDomain.function(), 5), at: later)
        let started = try #require((again.callsBeforeCommit + Self.calls(again.effects)).first)
        let physical = PhysicalID(node: node, component: ComponentID(high: 1, low: 1))
        _ = domain.handle(.answered(started.id, .started(physical)), at: later)
        let id = try #require(domain.records.instances.keys.first)
        let patch = try #require(Self.calls(domain.handle(.patch(id, ["out": id]), at: later).effects).first)
        #expect(drops(domain.handle(.stop(id), at: later)) == [patch.id])
    }

    private static let now = Timestamp(monotonic: 1_000_000, wall: 1_700_000_000_000)

    private static func calls(_ effects: [DomainEffect]) -> [NodeCall] {
        effects.compactMap { if case .call(let call) = $0 { call } else { nil } }
    }

    /// Node 0 registers and is reset.
    private static func join(_ domain: inout Domain) throws {
        let update = NodeUpdate(
            node: TestDomain.id(0), description: TestDomain.description(0), refreshDeadline: 1_800_000_000, nonce: 1)
        let step = domain.handle(.update(update, problem: nil, 1), at: now)
        let reset = try #require(calls(step.effects).first)
        _ = domain.handle(.answered(reset.id, .done), at: now)
    }
}
