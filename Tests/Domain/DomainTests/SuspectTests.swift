import Testing

@testable import Domain

/// Nodes that answer all calls but Starts.
@Suite struct SuspectTests {
    private static let strategies: [DomainOptions.Strategy] = [.random, .roundRobin, .loadAware]
    private static let pinned = TestDomain.function(["node_id_match_any": "\(TestDomain.id(1))"])

    /// A domain whose node 1 answers no Start in time.
    private func domain(_ strategy: DomainOptions.Strategy = .roundRobin) -> TestDomain {
        let test = TestDomain(nodes: 3) { $0.strategy = strategy }
        test.answer = { number, call in
            guard number == 1, case .start = call.request else { return nil }
            return .overdue("no answer")
        }
        return test
    }

    private func starts(_ test: TestDomain) -> Int { test.drain().count { $0.node == 1 && $0.isStart } }

    /// All nodes refresh: a first lease lasts ten minutes at most.
    private func refresh(_ test: TestDomain) { for node in 0..<3 { test.join(node) } }

    /// Starts and stops some functions in each second.
    private func run(_ test: TestDomain, seconds: Int) throws {
        for _ in 0..<seconds {
            for _ in 0..<6 { test.take(.stop(try #require(try test.start(TestDomain.function())?.get()))) }
            test.pass(seconds: 1)
        }
    }

    @Test(
        "a node that hangs only in Starts is tried by one Start after 10 s, 20 s, 40 s, … at most 5 minutes, until it answers one",
        arguments: strategies)
    func trials(strategy: DomainOptions.Strategy) throws {
        let test = domain(strategy)
        // The Starts that are due at 0, 10, 30, 70, 150 and 310 s.
        for seconds in [8, 14, 30, 60, 120, 200] {
            refresh(test)
            try run(test, seconds: seconds)
            #expect(starts(test) == 1)
        }
        // Every 300 s from then on.
        refresh(test)
        try run(test, seconds: 620)
        #expect(starts(test) == 2)
        test.answer = { _, _ in nil }
        refresh(test)
        try run(test, seconds: 310)
        #expect(starts(test) > 10)
        #expect(test.logMessages.last?.text == "a node answers again")
    }

    @Test(
        "answers to other calls do not end the suspicion that a node hangs in Starts; a Start that no other node can take does"
    )
    func onlyStarts() throws {
        let test = domain()
        try run(test, seconds: 2)
        let texts = test.logMessages.map(\.text)
        #expect(texts.count { $0.hasPrefix("a node does not answer") } == 1)
        #expect(texts.count { $0.hasPrefix("a node answers, but has not answered its last Start") } == 1)
        test.drain()
        let id = try #require(try test.start(TestDomain.function())?.get())
        test.take(.patch(id, ["out": id]))
        #expect(starts(test) == 0)
        #expect(throws: DomainRefusal.self) { try test.start(Self.pinned)?.get() }
        #expect(starts(test) == 1)
        test.answer = { _, _ in nil }
        _ = try #require(try test.start(Self.pinned)?.get())
        test.drain()
        try run(test, seconds: 1)
        #expect(starts(test) > 0)
    }

    @Test("while one Start tries a node, no other does; the trial that cannot reach the node delays the next one too")
    func oneTrial() throws {
        let test = domain()
        try run(test, seconds: 10)
        test.drain()
        test.isHeld = { number, call in if number == 1, case .start = call.request { true } else { false } }
        for _ in 0..<9 { _ = test.begin(TestDomain.function()) }
        #expect(starts(test) == 1)
        let trial = try #require(test.heldCalls.first)
        test.release(trial, .unreachable("no route"))
        test.isHeld = { _, _ in false }
        try run(test, seconds: 17)
        #expect(starts(test) == 0)
        try run(test, seconds: 5)
        #expect(starts(test) == 1)
    }

    @Test("an answer that comes after the time of its Start does not make the node a first choice")
    func late() throws {
        let test = domain()
        test.answer = { _, _ in nil }
        test.isHeld = { number, call in if number == 1, case .start = call.request { true } else { false } }
        let request = test.begin(Self.pinned)
        let call = try #require(test.heldCalls.first)
        test.take(.answered(call.id, .overdue("no answer")))
        #expect(throws: DomainRefusal.self) { try test.starts[request]?.get() }
        test.release(call)
        test.drain()
        test.isHeld = { _, _ in false }
        try run(test, seconds: 9)
        #expect(starts(test) == 0)
        try run(test, seconds: 2)
        #expect(starts(test) > 1)
    }
}
