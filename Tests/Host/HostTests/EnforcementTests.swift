import Dispatch
import Glibc
import Host
import Kernel
import Ledger
import Machine
import Synchronization
import TestSupport
import Testing

/// Enforcement on a fake kernel: preparing, active, releasing; refused steps; crashes at any point.
@Suite struct EnforcementTests {
    private static func run(_ name: String) -> Holder { Holder(kind: .run, name: name) }
    private static let all: Set = ["a.cpus", "a.mems", "a.partition"]

    @Test("a claim is committed as preparing, with the undo of every step, before the first step is taken")
    func undoFirst() async throws {
        let store = MemoryStore()
        let before = Mutex<[Claim?]>([])
        let kernel = FakeKernel { call in
            guard call.hasPrefix("apply") else { return }
            before.withLock { $0.append(store.records.last?.change.claims.first) }
        }
        let test = try TestHost(store: store, enforcer: kernel)
        let outcome = try await test.cores("a", 2, isEnforced: true).outcome()
        #expect(outcome.claim?.enforcement?.phase == .active && kernel.settings == Self.all)
        #expect(outcome.decision.granted == CPUSet([0, 1]))
        for claim in before.withLock({ $0 }) {
            #expect(claim?.enforcement?.phase == .preparing)
            #expect(claim?.enforcement?.steps.map(\.undo) == ["a.cpus", "a.mems", "a.partition"])
        }
        #expect(before.withLock { $0.count } == 3)
        test.host.stop()
    }

    @Test("a claim that asks for no enforcement takes one commit and no step")
    func bookkeeping() async throws {
        let kernel = FakeKernel()
        let test = try TestHost(enforcer: kernel)
        try await test.cores("a", 1).outcome()
        #expect(test.store.transactions.count == 1 && kernel.calls.isEmpty)
        #expect(test.host.ledger[Self.run("a")]?.enforcement == nil)
        test.host.stop()
    }

    @Test("a refused step undoes the earlier ones, the claim ends, and the answer has the kernel's reason")
    func refusedStep() async throws {
        let kernel = FakeKernel()
        kernel.state.withLock { $0.refused = ["a.mems"] }
        let test = try TestHost(enforcer: kernel)
        let failure = try await test.cores("a", 2, isEnforced: true).failure()
        #expect(
            failure == .refused(Refusal(.notEnforceable(Self.run("a"), "the kernel refuses a.mems"))))
        #expect(failure?.text(.claims).contains("the kernel refuses a.mems") == true)
        #expect(kernel.settings.isEmpty && test.host.ledger.count == 0)
        #expect(kernel.calls == ["apply a.cpus", "apply a.mems", "undo a.mems", "undo a.cpus"])
        // Its CPUs are free again.
        #expect(try await test.cores("b", 8).outcome().decision.granted == CPUSet(0...7))
        test.host.stop()
    }

    @Test("what cannot be planned is refused before anything is committed or written")
    func notPlanned() async throws {
        let kernel = FakeKernel()
        let test = try TestHost(enforcer: kernel)
        #expect(
            try await test.cores("impossible", 1, isEnforced: true).failure()
                == .refused(Refusal(.notEnforceable(Self.run("impossible"), "no cgroup v2 here"))))
        #expect(test.store.transactions.isEmpty && kernel.calls.isEmpty)
        test.host.stop()
        let without = try TestHost(unenforced: "the machine is made up")
        let failure = try await without.cores("a", 1, isEnforced: true).failure()
        #expect(failure == .refused(Refusal(.noEnforcement("the machine is made up"))))
        #expect(failure?.text(.claims) == "Nothing here can enforce a claim: the machine is made up")
        without.host.stop()
    }

    @Test("a release keeps the CPUs until everything is undone, and then answers")
    func release() async throws {
        let test = try await enforced()
        let store = test.store
        let hook = test.kernel
        hook.state.withLock { $0.calls = [] }
        try await test.host.submit(.release(Self.run("a"))).outcome()
        #expect(hook.calls == ["undo a.partition", "undo a.mems", "undo a.cpus"])
        #expect(test.host.host.ledger.count == 0 && hook.settings.isEmpty)
        let phases = store.records.compactMap { $0.change.claims.first?.enforcement?.phase }
        #expect(phases == [.preparing, .active, .releasing])
        test.host.host.stop()
    }

    @Test("an undo that the kernel refuses keeps the claim and its CPUs, says why, and is tried again")
    func stuckUndo() async throws {
        let test = try await enforced()
        test.kernel.state.withLock { $0.stuck = ["a.mems"] }
        let failure = try await test.host.submit(.release(Self.run("a"))).failure()
        #expect(failure == .refused(Refusal(.notEnforceable(Self.run("a"), "a.mems is busy"))))
        let claim = try #require(test.host.host.ledger[Self.run("a")])
        #expect(claim.enforcement?.phase == .releasing && claim.enforcement?.failure == "a.mems is busy")
        #expect(try await test.host.cores("b", 7).failure() != nil)
        // The steps beside the stuck one are undone.
        #expect(test.kernel.settings == ["a.mems"])
        // Asking again tries again.
        #expect(try await test.host.submit(.release(Self.run("a"))).failure() == failure)
        test.kernel.state.withLock { $0.stuck = [] }
        try await test.host.submit(.release(Self.run("a"))).outcome()
        #expect(test.host.host.ledger.count == 0)
        #expect(test.kernel.settings.isEmpty)
        test.host.host.stop()
    }

    @Test("drift is repaired, and where it cannot be, the claim says so until it can")
    func drift() async throws {
        let test = try await enforced()
        test.kernel.state.withLock { $0.settings = [] }
        test.host.host.reconcile()
        #expect(try await eventually { test.kernel.settings == Self.all })
        test.kernel.state.withLock { state in
            state.settings = []
            state.refused = ["a.cpus"]
        }
        test.host.host.reconcile()
        #expect(
            try await eventually {
                test.host.host.ledger[Self.run("a")]?.enforcement?.failure == "the kernel refuses a.cpus"
            })
        #expect(test.host.host.ledger[Self.run("a")]?.enforcement?.phase == .active)
        test.kernel.state.withLock { $0.refused = [] }
        test.host.host.reconcile()
        #expect(try await eventually { test.host.host.ledger[Self.run("a")]?.enforcement?.failure == nil })
        test.host.host.stop()
    }

    @Test("a step that cannot be repaired keeps no other from being repaired")
    func partialRepair() async throws {
        let test = try await enforced()
        test.kernel.state.withLock { state in
            state.settings = []
            state.refused = ["a.cpus"]
        }
        test.host.host.reconcile()
        #expect(try await eventually { test.kernel.settings.isSuperset(of: ["a.mems", "a.partition"]) })
        test.host.host.stop()
    }

    @Test(
        "where enforcement is switched off, claims that were enforced end, what was done is undone, and new ones are refused"
    )
    func switchedOff() async throws {
        let test = try await enforced()
        let ledger = test.host.host.ledger
        test.host.host.stop()
        #expect(test.kernel.settings == Self.all)
        let later = try TestHost(ledger: ledger, enforcer: test.kernel, unenforced: "enforcement.mode is off")
        #expect(try await eventually { later.host.ledger.count == 0 })
        #expect(test.kernel.settings.isEmpty)
        let failure = try await later.cores("b", 1, isEnforced: true).failure()
        #expect(failure?.text(.claims).contains("enforcement.mode is off") == true)
        #expect(try await later.cores("b", 1).outcome().decision.granted.count == 1)
        later.host.stop()
    }

    @Test("an answer about an earlier enforcement does nothing to a later one of the same holder")
    func generations() async throws {
        let test = try await enforced()
        let id = try #require(test.host.host.ledger[Self.run("a")]?.enforcement?.id)
        for transition in [
            Transition.undone(Self.run("a"), id: id - 1, nil), .notUndone(Self.run("a"), id: id - 1, "late"),
            .drifted(Self.run("a"), id: id + 1, "early"),
        ] {
            #expect(test.host.host.ledger.decide(transition).change.isEmpty)
        }
        #expect(!test.host.host.ledger.decide(.drifted(Self.run("a"), id: id, "why")).change.isEmpty)
        test.host.host.stop()
    }

    @Test("a claim whose lease ends while it is being enforced is answered with a refusal, and is undone")
    func leaseWhilePreparing() async throws {
        let box = Mutex<TestHost?>(nil)
        let kernel = FakeKernel { call in
            guard call == "apply a.mems", let test = box.withLock({ $0 }) else { return }
            test.move(to: 5_000)
            // The end of the lease is decided while this step is under way.
            for _ in 0..<500 where test.host.ledger[Self.run("a")]?.enforcement?.phase != .releasing { usleep(10_000) }
        }
        let test = try TestHost(enforcer: kernel)
        box.withLock { $0 = test }
        #expect(
            try await test.cores("a", 2, lease: .until(2_000), isEnforced: true).failure()
                == .refused(Refusal(.leaseOver)))
        #expect(try await eventually { test.host.ledger.count == 0 && kernel.settings.isEmpty })
        box.withLock { $0 = nil }
        test.host.stop()
    }

    @Test("a service's claim that the kernel enforces is not preempted")
    func enforcedService() async throws {
        let kernel = FakeKernel()
        let test = try TestHost(enforcer: kernel)
        try await test.submit(
            .claim(ClaimRequest(holder: .service("a"), cpus: CPURequest(.count(4)), enforcement: EnforcementRequest()))
        ).outcome()
        #expect(test.host.ledger.unpreemptible == CPUSet(0...3))
        test.host.stop()
    }

    @Test(
        "a claim that is enforced does not become one that is recorded only, is balanced otherwise, or has another process"
    )
    func kept() async throws {
        let test = try await enforced()
        let other = ProcessIdentity(id: 7, startTime: 1, bootID: "b")
        for enforcement in [nil, EnforcementRequest(isBalanced: false), EnforcementRequest(process: other)] {
            let request = ClaimRequest(
                holder: Self.run("a"), cpus: CPURequest(.count(1)), enforcement: enforcement, isComplete: true)
            #expect(
                try await test.host.submit(.claim(request)).failure() == .refused(Refusal(.enforced(Self.run("a")))))
        }
        #expect(
            try await test.host.submit(.renew(Self.run("a"), .until(9_000))).outcome().claim?.lease == .until(9_000))
        test.host.host.stop()
    }

    @Test("a request for an enforced claim that is sent again is granted and changes nothing")
    func repeated() async throws {
        let test = try await enforced()
        let before = test.host.host.ledger
        let again = try await test.host.cores("a", 2, isEnforced: true).outcome()
        #expect(again.claim == before[Self.run("a")] && again.decision.granted == CPUSet(0...1))
        #expect(test.host.host.ledger == before)
        test.host.host.stop()
    }

    @Test(
        "an enforced claim changes: it holds what it had and what it gets until the kernel follows, then only the new CPUs"
    )
    func change() async throws {
        let gate = DispatchSemaphore(value: 0)
        let kernel = FakeKernel { call in if call == "apply a.most" { gate.wait() } }
        let test = try TestHost(enforcer: kernel)
        let first = try await test.cores("a", 2, isEnforced: true).outcome()
        kernel.state.withLock { $0.calls = [] }
        let list = CPURequest(.list(CPUSet([1, 2, 3])))
        let changing = test.submit(.claim(ClaimRequest(holder: Self.run("a"), cpus: list)))
        #expect(try await eventually { test.host.ledger[Self.run("a")]?.exclusive == CPUSet(0...3) })
        #expect(try await test.cores("b", 1).outcome().decision.granted == CPUSet([4]))
        #expect(try await test.cores("a", 1).failure() == .refused(Refusal(.changing(Self.run("a")))))
        #expect(try await test.submit(.release(Self.run("a"))).failure() == .refused(Refusal(.changing(Self.run("a")))))
        gate.signal()
        let changed = try await changing.outcome()
        #expect(changed.claim?.exclusive == CPUSet([1, 2, 3]) && changed.claim?.predecessor == Claim.Predecessor.none)
        #expect(changed.claim?.enforcement?.steps.map(\.action) == ["a.cpus", "a.mems", "a.partition", "a.most"])
        #expect(changed.claim?.enforcement?.id != first.claim?.enforcement?.id)
        #expect(kernel.calls == ["apply a.more", "apply a.most"])
        #expect(try await test.cores("c", 1).outcome().decision.granted == CPUSet([0]))
        try await test.submit(.release(Self.run("a"))).outcome()
        #expect(kernel.settings == ["a.more"] && test.host.ledger[Self.run("a")] == nil)
        test.host.stop()
    }

    @Test("a change that the kernel refuses is undone, and the claim is what it was; so is one that a crash interrupts")
    func refusedChange() async throws {
        let kernel = FakeKernel()
        let test = try TestHost(enforcer: kernel)
        let first = try await test.cores("a", 2, isEnforced: true).outcome()
        kernel.state.withLock { state in
            state.calls = []
            state.refused = ["a.most"]
        }
        #expect(
            try await test.cores("a", 4, isEnforced: true).failure()
                == .refused(Refusal(.notEnforceable(Self.run("a"), "the kernel refuses a.most"))))
        #expect(kernel.calls == ["apply a.more", "apply a.most", "undo a.most", "undo a.more"])
        #expect(test.host.ledger[Self.run("a")] == first.claim && kernel.settings == Self.all)
        let interrupted = try #require(
            test.store.records.first { $0.change.claims.first?.predecessor != Claim.Predecessor.none })
        test.host.stop()

        var ledger = Ledger()
        try ledger.apply(interrupted.change)
        kernel.state.withLock { _ = $0.settings.insert("a.more") }
        let next = try TestHost(ledger: ledger, enforcer: kernel)
        #expect(try await eventually { next.host.ledger[Self.run("a")] == first.claim && kernel.settings == Self.all })
        next.host.stop()
    }

    @Test("other CPUs take the place of those that go offline where the policy says so, and the records tell")
    func refill() async throws {
        let kernel = FakeKernel()
        let test = try TestHost(enforcer: kernel, enforcement: EnforcementPolicy(refills: true))
        try await test.cores("a", 2, isEnforced: true).outcome()
        try await test.cores("b", 1, isEnforced: true).outcome()
        test.files["devices/system/cpu/online"] = "0,2-7\n"
        test.host.reconcile()
        #expect(
            try await eventually {
                let claim = test.host.ledger[Self.run("a")]
                return claim?.exclusive == CPUSet([0, 4]) && claim?.enforcement?.phase == .active
            })
        #expect(
            test.store.records.last { $0.change.claims.first?.predecessor != Claim.Predecessor.none }?.action
                == "refill")
        #expect(test.host.ledger[Self.run("b")]?.exclusive == CPUSet([2]))
        #expect(
            test.reported.flatMap(\.events).contains(.replaced(Self.run("a"), CPUSet([1]), by: CPUSet([4]))))
        // Where nothing is free it stays as it is.
        try await test.cores("c", 5).outcome()
        test.files["devices/system/cpu/online"] = "0-1,4-7\n"
        let before = test.host.ledger[Self.run("b")]
        test.host.reconcile()
        #expect(try await test.cores("d", 1).failure() != nil)
        #expect(test.host.ledger[Self.run("b")] == before)
        test.host.stop()
    }

    @Test("a claim that ends while it changes is undone whole")
    func leaseWhileChanging() async throws {
        let box = Mutex<TestHost?>(nil)
        let kernel = FakeKernel { call in
            guard call == "apply a.more", let test = box.withLock({ $0 }) else { return }
            test.move(to: 5_000)
            for _ in 0..<500 where test.host.ledger[Self.run("a")]?.enforcement?.phase != .releasing { usleep(10_000) }
        }
        let test = try TestHost(enforcer: kernel)
        try await test.cores("a", 2, lease: .until(2_000), isEnforced: true).outcome()
        box.withLock { $0 = test }
        #expect(try await test.cores("a", 4, isEnforced: true).failure() == .refused(Refusal(.leaseOver)))
        #expect(try await eventually { test.host.ledger.count == 0 && kernel.settings.isEmpty })
        box.withLock { $0 = nil }
        test.host.stop()
    }

    @Test("what is recorded only does not end because the kernel refuses to enforce it")
    func recorded() async throws {
        let kernel = FakeKernel()
        kernel.state.withLock { $0.refused = ["a.mems"] }
        let test = try TestHost(enforcer: kernel)
        try await test.cores("a", 2).outcome()
        #expect(
            try await test.cores("a", 2, isEnforced: true).failure() == .refused(Refusal(.recorded(Self.run("a")))))
        #expect(test.host.ledger[Self.run("a")]?.cpus == CPUSet(0...1))
        test.host.stop()
    }

    @Test("everybody who releases a claim waits until the kernel has let go of it")
    func releasedTwice() async throws {
        let gate = DispatchSemaphore(value: 0)
        let kernel = FakeKernel { call in if call == "undo a.mems" { gate.wait() } }
        let test = try TestHost(enforcer: kernel)
        try await test.cores("a", 2, isEnforced: true).outcome()
        let first = test.submit(.release(Self.run("a")))
        #expect(try await eventually { test.host.ledger[Self.run("a")]?.enforcement?.phase == .releasing })
        let second = test.submit(.release(Self.run("a")))
        // A later request that is answered shows that the second was decided.
        try await test.cores("b", 1).outcome()
        #expect(!first.isAnswered && !second.isAnswered)
        gate.signal()
        #expect(try await first.outcome().decision.released == CPUSet(0...1))
        #expect(try await second.outcome().claim == nil)
        #expect(kernel.calls.filter { $0 == "undo a.mems" }.count == 1)
        test.host.stop()
    }

    @Test("the records tell what is being prepared and released from what is done")
    func outcomes() async throws {
        let test = try await enforced()
        try await test.host.submit(.renew(Self.run("a"), .until(9_000))).outcome()
        try await test.host.submit(.release(Self.run("a"))).outcome()
        #expect(test.host.store.records.map(\.outcome) == [.preparing, .granted, .renewed, .releasing, .released])
        test.host.host.stop()
    }

    @Test("drift is found at the interval without being asked, and repaired only where the policy says so")
    func interval() async throws {
        for repairs in [false, true] {
            let kernel = FakeKernel()
            let test = try TestHost(
                enforcer: kernel, enforcement: EnforcementPolicy(repairs: repairs, interval: .milliseconds(50)))
            try await test.cores("a", 2, isEnforced: true).outcome()
            kernel.state.withLock { $0.settings = [] }
            if repairs {
                #expect(
                    try await eventually {
                        test.host.checkLeases(); return kernel.settings == Self.all
                    })
            } else {
                #expect(
                    try await eventually {
                        test.host.checkLeases()
                        return test.host.ledger[Self.run("a")]?.enforcement?.failure == "a setting is gone"
                    })
                #expect(kernel.settings.isEmpty)
            }
            test.host.stop()
        }
    }

    @Test("the kernel is as it was before once the host has stopped, where that is asked for, and the claims stay")
    func restoredOnStop() async throws {
        for restores in [false, true] {
            let kernel = FakeKernel()
            let test = try TestHost(enforcer: kernel, enforcement: EnforcementPolicy(restoresOnStop: restores))
            try await test.cores("a", 2, isEnforced: true).outcome()
            test.host.stop()
            #expect(kernel.settings == (restores ? [] : Self.all))
            #expect(test.host.ledger[Self.run("a")]?.enforcement?.phase == .active)
            let next = try TestHost(ledger: test.host.ledger, enforcer: kernel)
            #expect(try await eventually { kernel.settings == Self.all })
            next.host.stop()
        }
    }

    @Test("a plan says what a request would get, or why not, and changes nothing")
    func plan() async throws {
        let kernel = FakeKernel()
        let test = try TestHost(enforcer: kernel)
        func plan(_ name: String, _ count: Int) throws(Host.Failure) -> Host.Outcome {
            try test.host.plan(
                Submission(
                    .claim(
                        ClaimRequest(
                            holder: Self.run(name), cpus: CPURequest(.count(count)), enforcement: EnforcementRequest())),
                    by: TestHost.root, action: "plan"))
        }
        let outcome = try plan("a", 2)
        #expect(outcome.decision.granted == CPUSet(0...1) && outcome.claim?.enforcement?.isolation == .partition)
        #expect(throws: Host.Failure.refused(Refusal(.insufficient(requested: 9, available: 8)))) { try plan("a", 9) }
        #expect(throws: Host.Failure.refused(Refusal(.notEnforceable(Self.run("impossible"), "no cgroup v2 here")))) {
            try plan("impossible", 1)
        }
        #expect(test.host.ledger.count == 0 && test.store.records.isEmpty && kernel.calls.isEmpty)
        test.host.stop()
    }

    @Test("after a start that restores, what a claim lives by is watched only once the kernel follows the claim again")
    func watchedAfterRepair() async throws {
        let first = FakeKernel()
        let policy = EnforcementPolicy(repairs: false, restoresOnStop: true)
        let lease = Lease.cgroup(path: "/berth.slice/claims/run-a", bootID: "b")
        let test = try TestHost(enforcer: first, watcher: FakeWatcher(), enforcement: policy)
        try await test.cores("a", 2, lease: lease, isEnforced: true).outcome()
        let ledger = test.host.ledger
        test.host.stop()
        #expect(first.settings.isEmpty)
        let watcher = FakeWatcher()
        let early = Atomic(false)
        let kernel = FakeKernel { call in
            if call.hasPrefix("apply"), !watcher.watched.isEmpty { early.store(true, ordering: .relaxed) }
        }
        let next = try TestHost(ledger: ledger, enforcer: kernel, watcher: watcher, enforcement: policy)
        #expect(try await eventually { kernel.settings == Self.all && watcher.watched == [Self.run("a"): lease] })
        let wasEarly = early.load(ordering: .relaxed)
        #expect(!wasEarly)
        next.host.stop()
    }

    @Test("a claim is watched while it is active, and ends with what it lives by")
    func watched() async throws {
        let (kernel, watcher) = (FakeKernel(), FakeWatcher())
        let test = try TestHost(enforcer: kernel, watcher: watcher)
        let lease = Lease.process(ProcessIdentity(id: 7, startTime: 100, bootID: "b"))
        try await test.cores("a", 2, lease: lease, isEnforced: true).outcome()
        #expect(try await eventually { watcher.watched == [Self.run("a"): lease] })
        watcher.end(Self.run("a"))
        #expect(try await eventually { test.host.ledger.count == 0 && kernel.settings.isEmpty })
        #expect(try await eventually { watcher.watched.isEmpty })
        test.host.stop()
    }

    @Test("a lease that ends undoes the enforcement before the CPUs are free")
    func lease() async throws {
        let kernel = FakeKernel()
        let test = try TestHost(enforcer: kernel)
        try await test.cores("a", 2, lease: .until(2_000), isEnforced: true).outcome()
        test.move(to: 2_000)
        #expect(try await eventually { test.host.ledger.count == 0 })
        #expect(kernel.settings.isEmpty)
        test.host.stop()
    }

    /// A crash: what was committed so far, and what the kernel has, at one moment.
    private struct Crash: Sendable {
        let ledger: Ledger
        let settings: Set<String>
    }

    @Test("after a crash at any commit or kernel step the next start ends with a claim that is whole, or with nothing")
    func crashes() async throws {
        for refused in [nil, "a.mems", "a.partition"] {
            let store = MemoryStore()
            let crashes = Mutex<[Crash]>([])
            let box = Mutex<FakeKernel?>(nil)
            let kernel = FakeKernel { _ in
                guard let kernel = box.withLock({ $0 }) else { return }
                var ledger = Ledger()
                for record in store.records { try? ledger.apply(record.change) }
                crashes.withLock { $0.append(Crash(ledger: ledger, settings: kernel.settings)) }
            }
            box.withLock { $0 = kernel }
            if let refused { kernel.state.withLock { $0.refused = [refused] } }
            let test = try TestHost(store: store, enforcer: kernel)
            _ = try await test.cores("a", 2, isEnforced: true).answer()
            _ = try await test.submit(.release(Self.run("a"))).answer()
            test.host.stop()
            let points = crashes.withLock { $0 }
            #expect(points.count >= 4)
            for (index, crash) in points.enumerated() {
                let kernel = FakeKernel()
                kernel.state.withLock { $0.settings = crash.settings }
                let next = try TestHost(ledger: crash.ledger, enforcer: kernel)
                let isWhole = { () -> Bool in
                    switch next.host.ledger[Self.run("a")]?.enforcement?.phase {
                    case .active: kernel.settings == Self.all
                    case nil: kernel.settings.isEmpty && next.host.ledger.count == 0
                    default: false
                    }
                }
                #expect(try await eventually { isWhole() }, "crash \(index), refused \(refused ?? "nothing")")
                next.host.stop()
            }
        }
    }

    private struct Enforced {
        let host: TestHost
        let kernel: FakeKernel
        var store: MemoryStore { host.store }
    }

    /// A host whose run `a` has two CPUs, enforced.
    private func enforced() async throws -> Enforced {
        let kernel = FakeKernel()
        let host = try TestHost(enforcer: kernel)
        try await host.cores("a", 2, isEnforced: true).outcome()
        return Enforced(host: host, kernel: kernel)
    }
}
