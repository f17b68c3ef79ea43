import Testing

@testable import Domain

@Suite("Starts under way")
struct StartAllowanceTests {
    private static func isStart(_ number: Int, _ call: NodeCall) -> Bool {
        if case .start = call.request { true } else { false }
    }

    @Test("the allowance is committed before the first Start is sent; the next Start needs no commit")
    func ahead() throws {
        let test = TestDomain(nodes: 1)
        #expect(test.domain.records.allowances.isEmpty)
        _ = try #require(try test.start(TestDomain.function())?.get())
        #expect(test.callsBeforeCommit == 0 && test.domain.records.allowances == [TestDomain.id(0): 1])
        for _ in 0..<10 { _ = try #require(try test.start(TestDomain.function())?.get()) }
        #expect(test.callsBeforeCommit == 10 && test.domain.records.allowances == [TestDomain.id(0): 1])
    }

    @Test("Starts beyond the committed allowance wait for a larger one")
    func growth() {
        let test = TestDomain(nodes: 1)
        test.isHeld = Self.isStart
        for _ in 0..<5 { _ = test.begin(TestDomain.function()) }
        // The allowance grows to one, two, four and eight; the fourth Start is covered by the third one's record.
        #expect(test.domain.records.allowances == [TestDomain.id(0): 8] && test.callsBeforeCommit == 1)
    }

    @Test("a Start does not use the slot of one whose outcome is not committed")
    func slotsAreHeld() throws {
        var domain = Domain(options: DomainOptions(), random: Xoshiro(seed: 1), now: Self.now)
        _ = domain.begin(at: Self.now)
        try Self.join(&domain)
        domain.beginCommit()
        domain.finishCommit()
        let first = domain.handle(.start(TestDomain.function(), 2), at: Self.now)
        let call = try #require(Self.calls(first.effects).first)
        domain.beginCommit()
        domain.finishCommit()
        let physical = PhysicalID(node: TestDomain.id(0), component: ComponentID(high: 1, low: 1))
        // The process may end before this is committed; then one Start is unknown, and the allowance is one.
        _ = domain.handle(.answered(call.id, .started(physical)), at: Self.now)
        let second = domain.handle(.start(TestDomain.function(), 3), at: Self.now)
        #expect(second.callsBeforeCommit.isEmpty && second.changes.contains(.allowance(TestDomain.id(0), 2)))
    }

    @Test("Starts in flight at a crash are unknown outcomes until the next reset of their node")
    func crash() throws {
        let test = TestDomain(nodes: 2)
        test.isHeld = Self.isStart
        let pinned = ["node_id_match_any": "\(TestDomain.id(1))"]
        for _ in 0..<2 { _ = test.begin(TestDomain.function(pinned)) }
        let again = TestDomain(nodes: 0, records: test.stored)
        #expect(
            again.domain.records.unknownOutcomes == [TestDomain.id(1): 2] && again.domain.records.allowances.isEmpty)
        again.join(0)
        again.join(1)
        #expect(again.domain.records.unknownOutcomes == [TestDomain.id(1): 2])
        again.join(1, nonce: 2)
        #expect(again.domain.records.unknownOutcomes.isEmpty)
    }

    @Test("after an orderly end only the Starts in flight are unknown outcomes")
    func orderlyEnd() throws {
        let test = TestDomain(nodes: 2)
        let pinned = ["node_id_match_any": "\(TestDomain.id(1))"]
        for _ in 0..<3 { _ = try #require(try test.start(TestDomain.function())?.get()) }
        test.isHeld = Self.isStart
        _ = test.begin(TestDomain.function(pinned))
        test.end()
        #expect(TestDomain(nodes: 0, records: test.stored).domain.records.unknownOutcomes == [TestDomain.id(1): 1])
    }

    @Test("an idle allowance is revoked")
    func idle() throws {
        let test = TestDomain(nodes: 1)
        _ = try #require(try test.start(TestDomain.function())?.get())
        test.take(.tick)
        #expect(test.domain.records.allowances == [TestDomain.id(0): 1])
        test.pass(seconds: 1)
        #expect(test.domain.records.allowances.isEmpty)
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

    @Test("a Start that answers after a rebuild is stopped and no longer an unknown outcome")
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
        #expect(domain.records.unknownOutcomes == [node: 4])
        let physical = PhysicalID(node: node, component: ComponentID(high: 1, low: 1))
        let step = domain.handle(.answered(calls[0].id, .started(physical)), at: Self.now)
        #expect(step.changes.contains(.orphan(physical, .function, true)))
        #expect(Self.calls(step.effects).contains { $0.request == .stop(physical.component, .function) })
        #expect(domain.records.unknownOutcomes == [node: 3])
        _ = domain.handle(.answered(calls[1].id, .unknown("deadline")), at: Self.now)
        #expect(domain.records.unknownOutcomes == [node: 3])
        #expect(domain.handle(.answered(calls[2].id, .started(physical)), at: Self.now) == DomainStep())
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
        #expect(TestDomain(nodes: 0, records: test.stored).domain.records.unknownOutcomes[late.node] == 1)
        test.drain()
        let component = ComponentID(high: 1, low: 77)
        test.take(.answered(late.id, .started(PhysicalID(node: late.node, component: component))))
        #expect(test.drain().map(\.request) == [.stop(component, .function)])
        test.pass(seconds: 3)
        #expect(test.domain.records.unknownOutcomes.isEmpty && test.domain.records.allowances[late.node] == nil)
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
        #expect(test.domain.records.unknownOutcomes == [late.node: 1])
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
