import Ledger
import Machine
import Placement
import Testing

/// Claims with several grants, and CPUs that are spread over the machine.
@Suite struct GrantTests {
    private static let run = Holder(kind: .run, name: "engine")

    private static func request(_ grants: CPURequest...) -> Request {
        var request = ClaimRequest(holder: run, isComplete: true)
        request.grants = grants
        return .claim(request)
    }

    @Test("a program has cores of its own and CPUs that others share, and keeps both when it asks again")
    func ownAndShared() throws {
        var session = RequestTests.Session()
        let request = Self.request(CPURequest(.wholeCores(2), smt: .whole), CPURequest(.count(3), level: .none))
        #expect(try session.ask(request).granted == CPUSet([0, 1, 2, 3, 4, 8, 9]))
        let claim = try #require(session.ledger[Self.run])
        #expect(claim.exclusive == CPUSet([0, 1, 8, 9]))
        #expect(claim.grants.map(\.isShared) == [false, true] && claim.grants[1].cpus == CPUSet([2, 3, 4]))
        #expect(try session.ask(request).change.isEmpty)
        // Others get neither, and share what is shared.
        #expect(try session.ask(.service("a"), CPURequest(.count(1))).granted == CPUSet([5]))
        #expect(try session.ask(.service("b"), CPURequest(.count(4), level: .none)).granted == CPUSet([2, 3, 4, 6]))
    }

    @Test("each container has its grant, and one that changes leaves the others where they are")
    func containers() throws {
        var session = RequestTests.Session()
        func container(_ label: String, _ count: Int) -> CPURequest { CPURequest(.count(count), label: label) }
        func cpus(_ label: String) -> CPUSet? {
            session.ledger[Self.run]?.grants.first { $0.label == label }?.cpus
        }
        try session.ask(Self.request(container("a", 2), container("b", 2)))
        #expect(cpus("a") == CPUSet([0, 1]) && cpus("b") == CPUSet([2, 3]))
        try session.ask(Self.request(container("a", 3), container("b", 2), container("c", 1)))
        #expect(cpus("a") == CPUSet([0, 1, 4]) && cpus("b") == CPUSet([2, 3]) && cpus("c") == CPUSet([5]))
        try session.ask(Self.request(container("b", 2)))
        #expect(cpus("a") == nil && cpus("b") == CPUSet([2, 3]) && cpus("c") == nil)
    }

    @Test("all grants are chosen anew where there is room for them only so, and none changes where there is no room")
    func chosenAnew() throws {
        var session = RequestTests.Session()
        let shared = CPURequest(.count(2), nodes: [0], level: .none)
        try session.ask(Self.request(shared))
        // Node 0 has 4 cores: the shared CPUs break two of them, unless they move together.
        try session.ask(Self.request(CPURequest(.wholeCores(3), nodes: [0], smt: .whole), shared))
        #expect(session.ledger[Self.run]?.cpus == CPUSet([0, 1, 2, 3, 8, 9, 10, 11]))
        let before = session.ledger
        #expect(throws: Refusal.self) {
            try session.ask(Self.request(CPURequest(.wholeCores(4), nodes: [0], smt: .whole), shared))
        }
        #expect(session.ledger == before)
    }

    @Test("CPUs are spread over nodes and caches as evenly as the free ones allow")
    func spread() throws {
        var session = RequestTests.Session()
        let cores = CPURequest(.wholeCores(4), smt: .whole, spread: .nodes)
        #expect(try session.ask(Self.run, cores).granted == CPUSet([0, 1, 4, 5, 8, 9, 12, 13]))
        // Three free cores: one of node 0 and two of node 1.
        try session.ask(.service("a"), CPURequest(.list(CPUSet([2, 10]))))
        #expect(
            try session.ask(.service("b"), CPURequest(.count(3), smt: .one, spread: .nodes)).granted
                == CPUSet([3, 6, 7]))
        try session.ask(.release(Self.run))
        #expect(
            try session.ask(Self.run, CPURequest(.count(4), spread: .caches)).granted == CPUSet([0, 8, 4, 12]))
        #expect(session.reason(.service("c"), CPURequest(.count(9), spread: .nodes)) != nil)
    }

    @Test("CPUs that are offline are replaced: of the same node first, with idle siblings where the grant has them")
    func refill() throws {
        var session = RequestTests.Session()
        var ask = ClaimRequest(holder: Self.run, enforcement: EnforcementRequest(), isComplete: true)
        ask.grants = [CPURequest(.wholeCores(2), nodes: [0], smt: .one), CPURequest(.count(1), label: "b")]
        try session.ask(.claim(ask))
        var active = try #require(session.ledger[Self.run])
        #expect(active.exclusive == CPUSet([0, 1, 2, 8, 9]))
        active.enforcement?.phase = .active
        try session.ledger.apply(LedgerChange(claims: [active]))
        func refilled(_ online: CPUSet) throws -> Claim? {
            var facts = session.facts
            facts.online = online
            return try session.ledger.refill(Self.run, facts: facts).change.claims.first
        }
        #expect(try refilled(CPUSet(0...15)) == nil)
        let claim = try #require(try refilled(CPUSet(1...15)))
        #expect(claim.grants[0].cpus == CPUSet([1, 3]) && claim.grants[0].exclusive == CPUSet([1, 3, 9, 11]))
        #expect(claim.grants[1] == active.grants[1] && claim.predecessor == .claim(active))
        #expect(claim.exclusive == active.exclusive.union([3, 11]))
        // Node 0 has no whole core left.
        try session.ask(.service("a"), CPURequest(.list(CPUSet([3]))))
        #expect(try refilled(CPUSet(1...15))?.grants[0].cpus == CPUSet([1, 4]))
        try session.ask(.service("c"), CPURequest(.list(CPUSet([4, 5, 6, 7]))))
        #expect(throws: Refusal.self) { _ = try refilled(CPUSet(1...15)) }
    }

    @Test("an ordinary CPU that goes offline keeps nobody from the others, and is replaced")
    func ordinary() throws {
        var session = RequestTests.Session()
        session.facts.pools[Pool.ordinary] = CPUSet(1...15)
        var ask = ClaimRequest(holder: Self.run, enforcement: EnforcementRequest(), isComplete: true)
        ask.grants = [CPURequest(.list(CPUSet([2, 3])), pool: Pool.ordinary)]
        try session.ask(.claim(ask))
        var active = try #require(session.ledger[Self.run])
        active.enforcement?.phase = .active
        try session.ledger.apply(LedgerChange(claims: [active]))
        session.facts.online = CPUSet(0...15).subtracting([3])
        session.facts.pools[Pool.ordinary] = CPUSet(1...15).subtracting([3])
        #expect(session.reason(.service("a"), CPURequest(.count(1), pool: Pool.ordinary)) == nil)
        let refilled = try session.ledger.refill(Self.run, facts: session.facts).change.claims.first
        #expect(refilled?.grants.first?.cpus.count == 2 && refilled?.grants.first?.cpus.contains(3) == false)
    }

    @Test("a decision says which CPUs were given back, also where the claim keeps others")
    func released() throws {
        var session = RequestTests.Session()
        try session.ask(.service("a"), CPURequest(.count(4)))
        #expect(try session.ask(.service("a"), CPURequest(.count(2))).released == CPUSet([2, 3]))
        #expect(try session.ask(.service("a"), CPURequest(.list(CPUSet([5])))).released == CPUSet([0, 1]))
        try session.ask(Self.request(CPURequest(.count(1)), CPURequest(.count(2), level: .none)))
        #expect(try session.ask(Self.request(CPURequest(.count(1)))).released == CPUSet([1, 2]))
        #expect(try session.ask(.release(Self.run)).released == CPUSet([0]))
    }

    @Test("a list is taken at its word: halves of cores are no whole cores, and who is in the way of a level is named")
    func lists() throws {
        var session = RequestTests.Session()
        let halves = CPUSet([3, 4])
        #expect(session.reason(Self.run, CPURequest(.list(halves), smt: .whole)) == .notWholeCores(2))
        #expect(session.reason(Self.run, CPURequest(.list(CPUSet([3, 11])), smt: .whole)) == nil)
        #expect(session.reason(Self.run, CPURequest(.list(CPUSet([3, 11])), smt: .one)) == .notWholeCores(2))
        try session.ask(.service("a"), CPURequest(.list(CPUSet([2]))))
        #expect(
            throws: Refusal(.heldByOthers(halves.subtracting([4])), blockers: [.init(holder: .service("a"), cpus: [2])])
        ) {
            try session.ask(Self.run, CPURequest(.list(halves), level: .numa))
        }
        let list = CPURequest(.list(CPUSet([6])), label: "a")
        var other = list
        other.label = "b"
        #expect(throws: Refusal(.conflict(.overlap(Self.run, Self.run, CPUSet([6]))))) {
            try session.ask(Self.request(list, other))
        }
    }

    @Test("shared CPUs do not count as free")
    func statistics() throws {
        var session = RequestTests.Session()
        try session.ask(Self.run, CPURequest(.count(2), level: .none))
        #expect(session.ledger.statistics(of: CPUSet(0...15)).remaining == 14)
    }

    @Test(
        "a count is divided evenly over unequal room",
        arguments: [
            (4, [8, 8], [2, 2]), (5, [8, 8], [3, 2]), (5, [1, 8], [1, 4]), (7, [2, 2, 2], nil), (0, [1], [0]),
            (6, [0, 4, 1, 9], [0, 3, 1, 2]), (1, [], nil),
        ] as [(Int, [Int], [Int]?)])
    func evenly(count: Int, room: [Int], shares: [Int]?) {
        #expect(Placement.evenly(count, over: room) == shares)
    }
}
