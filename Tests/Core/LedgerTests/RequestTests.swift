import Ledger
import Machine
import Placement
import TestSupport
import Testing

/// Requests beyond EPA's: levels, whole cores, lists, shared grants, memory nodes, leases, pools, protection.
@Suite struct RequestTests {
    static let root = Caller(uid: 0, gid: 0, isAdministrator: true, frontend: "epa")
    static let pod = Holder(kind: .pod, name: "ns/web")

    /// 16 CPUs in 8 cores (siblings n and n + 8), 2 packages and nodes of 4 cores; all isolated.
    static let facts: MachineFacts = {
        let all = CPUSet(0...15)
        let shape = CapturedFiles.Shape(packages: 2, coresPerNode: 4, threadsPerCore: 2)
        let halves = [shape.cpus(ofNode: 0), shape.cpus(ofNode: 1)]
        let machine = try? MachineReader(files: CapturedFiles(shape)).read()
        return MachineFacts(
            pools: [Pool.isolated: all], online: all, hasNUMA: true, nodes: [0: halves[0], 1: halves[1]],
            cores: CoreIndex(of: all) { CPUSet([$0 % 8, $0 % 8 + 8]) }, machine: machine)
    }()

    @Test(
        "the claims of one user have no more exclusive CPUs together than the limit, those of administrators have none")
    func limit() throws {
        var session = Session()
        func caller(_ uid: UInt32, _ isAdministrator: Bool = false) -> Caller {
            Caller(uid: uid, gid: uid, isAdministrator: isAdministrator, frontend: "http", cpuLimit: 4)
        }
        func ask(_ name: String, _ count: Int, level: Exclusiveness = .cpu, _ caller: Caller) -> Refusal.Reason? {
            let request = CPURequest(.count(count), level: level)
            return session.reason(
                .claim(ClaimRequest(holder: Holder(kind: .run, name: name), cpus: request)), caller)
        }
        #expect(ask("a", 3, caller(1000)) == nil)
        #expect(ask("b", 2, caller(1000)) == .overLimit(limit: 4, held: 3, requested: 2))
        #expect(ask("b", 1, caller(1000)) == nil)
        // What shrinks, and what is shared, is no growth.
        #expect(ask("a", 2, caller(1000)) == nil)
        #expect(ask("c", 2, level: .none, caller(1000)) == nil)
        #expect(ask("d", 4, caller(1001)) == nil)
        #expect(ask("e", 5, caller(0, true)) == nil)
    }

    /// A ledger and what is asked of it.
    struct Session {
        var ledger = Ledger()
        var facts = RequestTests.facts

        @discardableResult
        mutating func ask(_ request: Request, now: Int = 0) throws(Refusal) -> Decision {
            let decision = try ledger.decide(request, facts: facts, caller: RequestTests.root, now: now)
            do { try ledger.apply(decision.change) } catch { throw Refusal(.conflict(error)) }
            return decision
        }

        @discardableResult
        mutating func ask(_ holder: Holder, _ cpus: CPURequest) throws(Refusal) -> Decision {
            try ask(.claim(ClaimRequest(holder: holder, cpus: cpus)))
        }

        /// Asks, and says what the refusal was; nil where it was granted.
        mutating func reason(_ request: Request, _ caller: Caller) -> Refusal.Reason? {
            do throws(Refusal) {
                let decision = try ledger.decide(request, facts: facts, caller: caller, now: 0)
                do { try ledger.apply(decision.change) } catch { throw Refusal(.conflict(error)) }
                return nil
            } catch { return error.reason }
        }

        func reason(_ holder: Holder, _ cpus: CPURequest) -> Refusal.Reason? {
            var copy = self
            do { try copy.ask(holder, cpus) } catch { return error.reason }
            return nil
        }
    }

    @Test(
        "exclusiveness keeps the rest of the core, package or node from everybody else",
        arguments: [
            (Exclusiveness.cpu, CPUSet([2])), (.core, CPUSet([2, 10])), (.socket, CPUSet([0, 1, 2, 3, 8, 9, 10, 11])),
            (.numa, CPUSet([0, 1, 2, 3, 8, 9, 10, 11])),
        ])
    func levels(level: Exclusiveness, exclusive: CPUSet) throws {
        var session = Session()
        try session.ask(Self.pod, CPURequest(.list(CPUSet([2])), level: level))
        #expect(session.ledger[Self.pod]?.cpus == CPUSet([2]) && session.ledger[Self.pod]?.exclusive == exclusive)
        let rest = CPUSet(0...15).subtracting(exclusive)
        #expect(
            session.reason(.service("a"), CPURequest(.count(rest.count + 1)))
                == .insufficient(requested: rest.count + 1, available: rest.count))
        #expect(try session.ask(.service("a"), CPURequest(.count(rest.count))).granted == rest)
    }

    @Test("a CPU is not given at a level whose reach somebody else is in")
    func levelAroundOthers() throws {
        var session = Session()
        try session.ask(.service("a"), CPURequest(.list(CPUSet([10]))))
        #expect(session.reason(Self.pod, CPURequest(.list(CPUSet([2])), level: .core)) == .heldByOthers(CPUSet([2])))
        #expect(try session.ask(Self.pod, CPURequest(.count(1), level: .socket)).granted == CPUSet([4]))
    }

    @Test("a level that the machine does not tell is refused, not guessed at")
    func unknownLevel() {
        var session = Session()
        session.facts.machine = nil
        #expect(
            session.reason(Self.pod, CPURequest(.list(CPUSet([2])), level: .socket)) == .levelUnknown(.socket, cpu: 2))
    }

    @Test("whole cores come with all their CPUs, or with one each while the siblings stay idle")
    func wholeCores() throws {
        var session = Session()
        try session.ask(.service("a"), CPURequest(.list(CPUSet([9]))))
        #expect(try session.ask(Self.pod, CPURequest(.wholeCores(2))).granted == CPUSet([0, 2, 8, 10]))
        let run = Holder(kind: .run, name: "r")
        try session.ask(run, CPURequest(.wholeCores(2), smt: .one))
        #expect(
            session.ledger[run]?.cpus == CPUSet([3, 4]) && session.ledger[run]?.exclusive == CPUSet([3, 4, 11, 12]))
        #expect(
            session.reason(Holder(kind: .run, name: "s"), CPURequest(.wholeCores(4)))
                == .insufficientCores(requested: 4, available: 3))
        #expect(session.reason(Holder(kind: .run, name: "s"), CPURequest(.count(3), smt: .whole)) == .notWholeCores(3))
    }

    @Test("a shared grant on the lowest CPU does not keep others from the free ones, and may be shared again")
    func shared() throws {
        var session = Session()
        try session.ask(Self.pod, CPURequest(.list(CPUSet([0])), level: .none))
        try session.ask(Holder(kind: .pod, name: "b"), CPURequest(.list(CPUSet([0, 1])), level: .none))
        #expect(try session.ask(.service("a"), CPURequest(.count(2))).granted == CPUSet([2, 3]))
        #expect(session.reason(.service("b"), CPURequest(.list(CPUSet([0])))) == .heldByOthers(CPUSet([0])))
        #expect(
            session.reason(.service("b"), CPURequest(.count(13)))
                == .insufficient(requested: 13, available: 12))
    }

    @Test("what is taken from a grant leaves the rest of it as it was: siblings, level and label")
    func editedInPlace() throws {
        var session = Session()
        try session.ask(
            .service("a"), CPURequest(.list(CPUSet([0, 1])), level: .core, label: "main"))
        try session.ask(
            .claim(
                ClaimRequest(
                    holder: .service("b"),
                    cpus: CPURequest(
                        .list(CPUSet([0])), nodes: [0], replaces: .nodes, preemption: .allowed, isExplicit: true))))
        #expect(
            session.ledger[.service("a")]?.grants
                == [Grant(cpus: CPUSet([1]), exclusive: CPUSet([1, 8, 9]), level: .core, label: "main")])
    }

    @Test("CPUs of one container do not break the exclusive core of another of the same claim")
    func levelsWithinClaim() throws {
        var session = Session()
        try session.ask(Self.pod, CPURequest(.list(CPUSet([0])), replaces: .grant, label: "a"))
        let second = try session.ask(Self.pod, CPURequest(.count(1), replaces: .grant, level: .core, label: "b"))
        #expect(second.granted == CPUSet([1]))
        #expect(session.ledger[Self.pod]?.exclusive == CPUSet([0, 1, 9]))
    }

    @Test("a CPU that is offline keeps nobody from a package, unless it was asked for")
    func offlineAtLevel() throws {
        var session = Session()
        session.facts.pools[Pool.isolated] = CPUSet(0...20)
        #expect(try session.ask(Self.pod, CPURequest(.count(1), level: .socket)).granted == CPUSet([0]))
        #expect(
            session.reason(.service("a"), CPURequest(.list(CPUSet([20])), level: .socket))
                == .levelUnknown(.socket, cpu: 20))
    }

    @Test("counts and percentages out of range are refused, with free CPUs first as well")
    func outOfRange() {
        let session = Session()
        for percent in [0, -1, 101, .max, .min] {
            #expect(session.reason(Self.pod, CPURequest(.percent(percent))) == .invalidCount(percent))
        }
        for smt in [CPURequest.SMTPolicy.one, .whole] {
            let request = CPURequest(.count(9), smt: smt, preemption: .whereNeeded)
            #expect(session.reason(Self.pod, request) == .notWholeCores(9))
        }
    }

    @Test("siblings that stay idle outside the pool are not taken for CPUs that have left it")
    func idleSiblings() throws {
        var session = Session()
        session.facts.pools[Pool.general] = CPUSet([0, 2, 4])
        session.facts.pools[Pool.isolated] = CPUSet([1])
        try session.ask(Self.pod, CPURequest(.list(CPUSet([0])), pool: Pool.general, level: .core))
        #expect(session.reason(.service("a"), CPURequest(.count(1), pool: Pool.general)) == nil)
        try session.ask(.service("b"), CPURequest(.list(CPUSet([1])), level: .core))
        #expect(session.ledger.outsidePool(isolated: CPUSet([1])).isEmpty)
    }

    @Test("one container's CPUs change without the other's")
    func labels() throws {
        var session = Session()
        try session.ask(Self.pod, CPURequest(.count(2), replaces: .grant, label: "a"))
        try session.ask(Self.pod, CPURequest(.count(1), replaces: .grant, label: "b"))
        try session.ask(Self.pod, CPURequest(.count(3), replaces: .grant, label: "a"))
        #expect(session.ledger[Self.pod]?.grants.first { $0.label == "b" }?.cpus == CPUSet([2]))
        #expect(session.ledger[Self.pod]?.grants.first { $0.label == "a" }?.cpus == CPUSet([0, 1, 3]))
        try session.ask(Self.pod, CPURequest(.nothing, replaces: .grant, label: "a"))
        #expect(session.ledger[Self.pod]?.cpus == CPUSet([2]))
    }

    @Test("memory nodes must have memory, and are released with the last of what they were bound for")
    func memoryNodes() throws {
        var session = Session()
        #expect(throws: Refusal(.memoryNodesMissing([7]))) {
            try session.ask(.claim(ClaimRequest(holder: Self.pod, cpus: CPURequest(.count(1)), memoryNodes: [1, 7])))
        }
        try session.ask(.claim(ClaimRequest(holder: Self.pod, cpus: CPURequest(.count(1)), memoryNodes: [1, 0, 1])))
        #expect(session.ledger[Self.pod]?.memoryNodes == [0, 1])
        try session.ask(Self.pod, CPURequest(.nothing))
        #expect(session.ledger.count == 0)
    }

    @Test("a lease ends with its time unless it was renewed, and one that is over already is refused")
    func leases() throws {
        var session = Session()
        try session.ask(.claim(ClaimRequest(holder: Self.pod, cpus: CPURequest(.count(1)), lease: .until(100))))
        try session.ask(.claim(ClaimRequest(holder: .service("a"), cpus: CPURequest(.count(1)))))
        #expect(session.ledger.nextExpiry == 100 && session.ledger.expired(at: 99).isEmpty)
        try session.ask(.renew(Self.pod, .until(200)))
        #expect(session.ledger.expired(at: 100).isEmpty && session.ledger.expired(at: 200) == [Self.pod])
        #expect(throws: Refusal(.leaseOver)) { try session.ask(.renew(Self.pod, .until(5)), now: 5) }
        #expect(throws: Refusal(.noClaim(.service("none")))) { try session.ask(.renew(.service("none"), .forever)) }
        // The end of a lease that the claim does not have any more changes nothing.
        #expect(session.ledger.decide(.leaseOver(Self.pod, .until(100))).change.isEmpty)
        let decision = session.ledger.decide(.leaseOver(Self.pod, .until(200)))
        try session.ledger.apply(decision.change)
        #expect(decision.events.first == .expired(Self.pod, .until(200)))
        #expect(session.ledger.holders == [.service("a")])
    }

    @Test("a service whose bare name reads like a pod is another holder than the pod, and listed under another name")
    func names() throws {
        var session = Session()
        let pod = Holder(kind: .pod, name: "x")
        try session.ask(pod, CPURequest(.count(1)))
        try session.ask(.service("pod:x"), CPURequest(.count(1)))
        #expect(session.ledger.count == 2)
        #expect(Set(session.ledger.holders.map { session.ledger.displayName(of: $0) }) == ["pod:x", "service:pod:x"])
        try session.ask(.release(pod))
        #expect(session.ledger.displayName(of: .service("pod:x")) == "pod:x")
    }
}

/// EPA extensions, sections 2 and 3: a sentence each.
@Suite struct ExtensionRuleTests {
    private static let root = Caller(uid: 0, gid: 0, isAdministrator: true, frontend: "epa")

    private struct Session {
        var ledger = Ledger()
        var facts: MachineFacts

        init(isolated: CPUSet = CPUSet(2...7), general: CPUSet? = nil) {
            var pools = [Pool.isolated: isolated]
            pools[Pool.general] = general
            facts = MachineFacts(
                pools: pools, online: CPUSet(0...15), hasNUMA: true, nodes: [0: CPUSet(0...15)],
                cores: CoreIndex(of: CPUSet(0...15)) { CPUSet([$0 & ~1, $0 | 1]) })
        }

        @discardableResult
        mutating func cores(
            _ name: String, _ demand: CPURequest.Demand, pool: String? = Pool.isolated, protected: Bool? = nil
        ) throws(Refusal) -> Decision {
            try ask(name, CPURequest(demand, pool: pool, isProtected: protected))
        }

        @discardableResult
        mutating func numa(
            _ name: String, _ demand: CPURequest.Demand, pool: String? = Pool.isolated, protected: Bool? = nil
        ) throws(Refusal) -> Decision {
            try ask(
                name,
                CPURequest(
                    demand, pool: pool, nodes: [0], packing: .siblingPairs, replaces: .nodes, preemption: .allowed,
                    isProtected: protected, isExplicit: true))
        }

        mutating func ask(_ name: String, _ cpus: CPURequest) throws(Refusal) -> Decision {
            let decision = try ledger.decide(
                .claim(ClaimRequest(holder: .service(name), cpus: cpus)), facts: facts, caller: root, now: 0)
            do { try ledger.apply(decision.change) } catch { throw Refusal(.conflict(error)) }
            return decision
        }

        func cpus(_ name: String) -> CPUSet { ledger[.service(name)]?.cpus ?? CPUSet() }
    }

    @Test("a new service is legacy unless it says otherwise, and a later request without the member keeps its policy")
    func defaultPolicy() throws {
        var session = Session()
        try session.cores("a", .count(1))
        #expect(session.ledger[.service("a")]?.isProtected == false)
        try session.cores("b", .count(1), protected: true)
        try session.cores("b", .count(2))
        #expect(session.ledger[.service("b")]?.isProtected == true)
    }

    @Test("protection covers all CPUs of the service, explicit or not, and a NUMA request takes none of them")
    func protection() throws {
        var session = Session()
        try session.cores("a", .count(4), protected: true)
        #expect(throws: Refusal.self) { try session.numa("b", .count(4)) }
        #expect(try session.numa("b", .count(2)).granted == CPUSet([6, 7]))
        #expect(session.cpus("a") == CPUSet(2...5))
    }

    @Test("a protected request takes nobody's CPUs, not even automatic ones; a legacy one may still take them")
    func neverTakes() throws {
        var session = Session()
        try session.cores("auto", .count(4))
        #expect(throws: Refusal.self) { try session.numa("b", .count(3), protected: true) }
        #expect(session.cpus("auto") == CPUSet(2...5))
        #expect(try session.numa("c", .count(3)).preempted.map(\.holder) == [.service("auto")])
    }

    @Test("from protected back to legacy is an error while the service holds CPUs, and possible after a full release")
    func backToLegacy() throws {
        var session = Session()
        try session.cores("a", .count(2), protected: true)
        #expect(throws: Refusal(.protectedHolds(.service("a")))) { try session.cores("a", .count(2), protected: false) }
        try session.cores("a", .nothing)
        try session.cores("a", .count(2), protected: false)
        #expect(session.ledger[.service("a")]?.isProtected == false)
    }

    @Test(
        "a protected service that grows keeps its CPUs and gets whole cores; one that shrinks loses the difference only"
    )
    func stable() throws {
        var session = Session()
        try session.cores("x", .count(1))
        try session.cores("a", .count(2), protected: true)
        #expect(session.cpus("a") == CPUSet([3, 4]) || session.cpus("a") == CPUSet([4, 5]))
        let before = session.cpus("a")
        try session.cores("x", .nothing)
        try session.cores("a", .count(4))
        #expect(before.isSubset(of: session.cpus("a")) && session.cpus("a").count == 4)
        let grown = session.cpus("a")
        try session.cores("a", .count(3))
        #expect(session.cpus("a").isSubset(of: grown) && session.cpus("a").count == 3)
    }

    @Test("CPUs that left the pool or went offline stay owned; replacing them is refused, releasing them works")
    func leftPool() throws {
        var session = Session()
        try session.cores("a", .count(3), protected: true)
        session.facts.pools[Pool.isolated] = CPUSet(3...7)
        #expect(throws: Refusal(.ownedOutsidePool(CPUSet([2])))) { try session.cores("a", .count(3)) }
        #expect(session.cpus("a") == CPUSet(2...4))
        try session.cores("a", .nothing)
        #expect(session.cpus("a").isEmpty)
    }

    @Test("explicit CPUs that stay, as with keep-pins, are part of what a protected service gets")
    func keptAndProtected() throws {
        var session = Session()
        try session.numa("a", .count(2), protected: true)
        func ask(_ demand: CPURequest.Demand) throws(Refusal) -> CPUSet {
            try session.ask("a", CPURequest(demand, replaces: .allButExplicit)).granted
        }
        #expect(try ask(.count(4)) == CPUSet(2...5))
        #expect(session.ledger[.service("a")]?.explicit == CPUSet([2, 3]))
        #expect(try ask(.count(3)).count == 3)
        #expect(throws: Refusal(.explicitExceeds(explicit: 2, requested: 1))) { try ask(.count(1)) }
        #expect(session.ledger[.service("a")]?.isProtected == true)
    }

    @Test("explicit CPUs that have left the pool stay owned, and are not counted as what was asked for")
    func keptOutsidePool() throws {
        var session = Session()
        try session.numa("a", .count(2))
        session.facts.pools[Pool.isolated] = CPUSet(4...7)
        let decision = try session.ask("a", CPURequest(.count(4), replaces: .allButExplicit))
        #expect(decision.granted == CPUSet(4...7))
        #expect(session.cpus("a") == CPUSet(2...7))
    }

    @Test("where requests cannot name a pool a release takes back what is in any")
    func releaseAnyPool() throws {
        var session = Session(general: CPUSet(8...11))
        try session.cores("a", .count(1), pool: Pool.general)
        #expect(throws: Refusal(.otherPool(.service("a"), Pool.general))) {
            try session.ask("a", CPURequest(.count(1)))
        }
        #expect(try session.ask("a", CPURequest(.nothing)).released == CPUSet([8]))
    }

    @Test("the general pool does not exist unless it is configured, and only its online CPUs are given")
    func generalPool() throws {
        var session = Session()
        #expect(throws: Refusal(.noPool(Pool.general))) { try session.cores("a", .count(1), pool: Pool.general) }
        session = Session(general: CPUSet(8...11))
        session.facts.online = CPUSet([0, 1, 2, 3, 9, 10, 11])
        #expect(try session.cores("a", .percent(100), pool: Pool.general).granted == CPUSet(9...11))
    }

    @Test("a service holds CPUs in one pool at a time; any request for another pool is refused, a release too")
    func onePool() throws {
        var session = Session(general: CPUSet(8...11))
        try session.cores("a", .count(1), pool: Pool.general)
        let refusal = Refusal(.otherPool(.service("a"), Pool.general))
        #expect(throws: refusal) { try session.cores("a", .count(1)) }
        #expect(throws: refusal) { try session.cores("a", .nothing) }
        #expect(throws: refusal) { try session.numa("a", .count(1)) }
        try session.cores("a", .nothing, pool: Pool.general)
        #expect(try session.cores("a", .count(1)).granted == CPUSet([2]))
    }

    @Test("a NUMA request takes the node's CPUs of the selected pool, and never siblings outside of it")
    func numaPool() throws {
        var session = Session(general: CPUSet([9, 10, 11]))
        #expect(try session.numa("a", .count(3), pool: Pool.general).granted == CPUSet([9, 10, 11]))
    }

    @Test("a pool that was configured anew without CPUs that somebody owns blocks allocations there, not releases")
    func shrunkPool() throws {
        var session = Session(general: CPUSet(8...11))
        try session.cores("a", .count(2), pool: Pool.general)
        session.facts.pools[Pool.general] = CPUSet(9...11)
        #expect(throws: Refusal(.poolLacksOwned(Pool.general, .service("a"), CPUSet([8])))) {
            try session.cores("b", .count(1), pool: Pool.general)
        }
        try session.cores("a", .nothing, pool: Pool.general)
        try session.cores("b", .count(1), pool: Pool.general)
    }
}
