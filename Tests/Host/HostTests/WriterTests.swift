import Host
import Ledger
import LedgerStore
import Machine
import Synchronization
import TestSupport
import Testing

/// The writer: order, batches, failing and hanging disks, the end.
@Suite struct WriterTests {
    private static func run(_ name: String) -> Holder { Holder(kind: .run, name: name) }

    @Test("requests that wait are decided in their order, each on the result of the one before, in one transaction")
    func order() async throws {
        let test = try TestHost()
        test.store.hang()
        let first = test.cores("first", 1)
        _ = try await eventually { test.store.state.withLock { $0.begun } == 1 }
        let others = (0..<5).map { test.cores("run \($0)", 1) }
        test.store.release()
        #expect(try await first.outcome().decision.granted == CPUSet([0]))
        for (index, other) in others.enumerated() {
            #expect(try await other.outcome().decision.granted == CPUSet([index + 1]))
        }
        #expect(test.store.transactions.map(\.count) == [1, 5])
        #expect(test.store.records.map(\.seq) == Array(1...6))
        _ = try await eventually { test.reported.count == 6 }
        #expect(test.reported.map(\.record.holder.name) == ["first"] + (0..<5).map { "run \($0)" })
        #expect(test.host.current.version == 2)
        test.host.stop()
    }

    @Test("where a batch cannot be written each of its requests is refused, and none of them has happened")
    func failedBatch() async throws {
        let test = try TestHost()
        try await test.cores("before", 1).outcome()
        test.store.hang()
        let first = test.cores("first", 1)
        _ = try await eventually { test.store.state.withLock { $0.begun } == 2 }
        // The last asks for more than there would be: its refusal rests on what was not written.
        let batch = [test.cores("a", 3), test.cores("b", 3), test.cores("c", 4)]
        test.store.state.withLock { $0.isFailing = true }
        test.store.release()
        let failure = Host.Failure.notCommitted(.failed("no room"))
        for pending in [first] + batch { #expect(try await pending.failure() == failure) }
        #expect(test.host.ledger.holders == [Self.run("before")])
        // Not even what changes nothing is granted before a write succeeds.
        #expect(try await test.submit(.release(Self.run("nobody"))).failure() == failure)
        test.store.state.withLock { $0.isFailing = false }
        #expect(try await test.cores("a", 7).outcome().decision.granted == CPUSet(1...7))
        test.host.stop()
    }

    @Test("a request that is refused does not keep the others of its batch from being committed")
    func refusedInBatch() async throws {
        let test = try TestHost()
        test.store.hang()
        let first = test.cores("first", 4)
        _ = try await eventually { test.store.state.withLock { $0.begun } == 1 }
        let (tooMany, second) = (test.cores("too many", 5), test.cores("second", 4))
        test.store.release()
        try await first.outcome()
        let refusal = Refusal(
            .insufficient(requested: 5, available: 4),
            blockers: [.init(holder: Self.run("first"), cpus: CPUSet(0...3))])
        #expect(try await tooMany.failure() == .refused(refusal))
        #expect(try await second.outcome().decision.granted == CPUSet(4...7))
        #expect(test.store.transactions.map(\.count) == [1, 1])
        test.host.stop()
    }

    @Test("while the disk hangs nobody waits in submit, and the ledger as it is stored can be read")
    func hangingDisk() async throws {
        let test = try TestHost()
        try await test.cores("before", 1).outcome()
        test.store.hang()
        let pending = (0..<100).map { _ in test.cores("after", 2) }
        #expect(test.host.ledger.holders == [Self.run("before")])
        #expect(pending.allSatisfy { !$0.isAnswered })
        #expect(test.host.stop(within: 0) == false)
        test.store.release()
        for request in pending { try await request.outcome() }
        #expect(test.host.ledger.holders == [Self.run("after"), Self.run("before")])
        #expect(test.host.ledger[Self.run("after")]?.cpus == CPUSet([1, 2]))
    }

    @Test("what was submitted before the end is carried out, what comes after it is refused")
    func stop() async throws {
        let test = try TestHost()
        let last = test.cores("last", 1)
        #expect(test.host.stop())
        try await last.outcome()
        #expect(try await test.cores("late", 1).failure() == .stopping)
        #expect(test.host.ledger.holders == [Self.run("last")])
    }

    @Test("each committed record says when, who, what was asked and what was decided, and is read back by its number")
    func records() async throws {
        let test = try TestHost()
        try await test.submit(
            .claim(ClaimRequest(holder: .service("a"), cpus: CPURequest(.count(2)))), action: "allocate_cores"
        ).outcome()
        test.move(to: 5_000)
        try await test.submit(.release(.service("a")), action: "release").outcome()
        let answer = Answer()
        test.host.decisions(from: .after(1), limit: 10) { answer.set((try? $0.get())?.decisions ?? []) }
        _ = try await eventually { !answer.records.isEmpty }
        let record = try #require(answer.records.first)
        #expect(answer.records.count == 1 && record.seq == 2 && record.time == 5_000 && record.action == "release")
        #expect(record.caller == TestHost.root && record.outcome == .released && record.released == CPUSet([0, 1]))
        #expect(record.change == LedgerChange(removed: [.service("a")]))
        test.host.stop()
    }

    private final class Answer: Sendable {
        private let stored = Mutex<[DecisionRecord]>([])
        func set(_ records: [DecisionRecord]) { stored.withLock { $0 = records } }
        var records: [DecisionRecord] { stored.withLock { $0 } }
    }

    @Test("a claim ends with its lease, as a decision with a record of its own, unless it was renewed")
    func leases() async throws {
        let test = try TestHost()
        try await test.cores("short", 1, lease: .until(2_000)).outcome()
        try await test.cores("renewed", 1, lease: .until(2_000)).outcome()
        try await test.submit(.renew(Self.run("renewed"), .until(3_000))).outcome()
        test.move(to: 2_000)
        _ = try await eventually { test.host.ledger.count == 1 }
        #expect(test.host.ledger.holders == [Self.run("renewed")])
        let record = try #require(test.store.records.last)
        #expect(record.outcome == .expired && record.action == "expire" && record.caller == nil)
        #expect(record.holder == Self.run("short") && record.time == 2_000)
        test.move(to: 3_000)
        #expect(try await eventually { test.host.ledger.count == 0 })
        test.host.stop()
    }

    @Test("a claim ends with its process; the end of an earlier process of the same id ends nothing")
    func processLease() async throws {
        let test = try TestHost()
        let lease = Lease.process(ProcessIdentity(id: 7, startTime: 100, bootID: "b"))
        try await test.cores("p", 1, lease: lease).outcome()
        test.host.endLease(.process(ProcessIdentity(id: 7, startTime: 99, bootID: "b")), of: Self.run("p"))
        try await test.cores("other", 1).outcome()
        #expect(test.host.ledger.count == 2)
        test.host.endLease(lease, of: Self.run("p"))
        #expect(try await eventually { test.host.ledger.holders == [Self.run("other")] })
        test.host.stop()
    }

    @Test("the end of a lease that cannot be written is tried again")
    func leaseOnFailingDisk() async throws {
        let test = try TestHost()
        let lease = Lease.process(ProcessIdentity(id: 7, startTime: 100, bootID: "b"))
        try await test.cores("p", 1, lease: lease).outcome()
        test.store.state.withLock { $0.isFailing = true }
        let begun = test.store.state.withLock { $0.begun }
        test.host.endLease(lease, of: Self.run("p"))
        _ = try await eventually { test.store.state.withLock { $0.begun } > begun }
        #expect(test.host.ledger.count == 1)
        test.store.state.withLock { $0.isFailing = false }
        #expect(try await eventually { test.host.ledger.count == 0 })
        test.host.stop()
    }

    @Test("what the kernel reports is not lost, however many requests wait for the disk")
    func fullQueue() throws {
        let queue = WorkQueue<Int>(limit: 1)
        #expect(queue.add(1) == .yes && queue.add(2) == .full && queue.add(3, isLimited: false) == .yes)
        #expect(queue.takeAll().items == [1, 3])
    }

    @Test("followers get every committed decision, in order, until they leave")
    func followers() async throws {
        let test = try TestHost()
        let (seen, other) = (ReportedNumbers(), ReportedNumbers())
        let id = test.host.follow { seen.add($0) }
        _ = test.host.follow { other.add($0) }
        try await test.cores("a", 1).outcome()
        try await test.cores("b", 1).outcome()
        #expect(try await eventually { seen.all == [1, 2] })
        test.host.unfollow(id)
        try await test.cores("c", 1).outcome()
        #expect(try await eventually { other.all == [1, 2, 3] })
        #expect(seen.all == [1, 2])
        test.host.stop()
    }

    @Test("a disk that hangs shows in how long the writer has been busy")
    func busyTime() async throws {
        let test = try TestHost()
        #expect(try await eventually { test.host.busyTime == nil })
        test.store.hang()
        let pending = test.cores("a", 1)
        #expect(try await eventually { (test.host.busyTime ?? .zero) > .milliseconds(50) })
        #expect(try await eventually { test.host.refusal?.hasPrefix("The disk has not answered for ") == true })
        test.store.release()
        try await pending.outcome()
        #expect(try await eventually { test.host.busyTime == nil && test.host.refusal == nil })
        test.host.stop()
    }

    @Test("ordinary CPUs are those that are online and neither isolated nor housekeeping, which keeps one ordinary CPU")
    func ordinaryPool() async throws {
        let test = try TestHost(isolated: CPUSet([6, 7]))
        let machine = test.host.machine
        let siblings = try #require(machine.reader.siblings(of: 0))
        #expect(try machine.housekeeping() == siblings)
        #expect(try machine.ordinary() == CPUSet(0...5).subtracting(siblings))
        #expect(try machine.defaultPool() == Pool.isolated)
        machine.configure(housekeeping: CPUSet([5, 99]))
        #expect(try machine.housekeeping() == CPUSet([5]) && machine.ordinary() == CPUSet(0...4))
        // Isolated CPUs alone cannot keep house: the kernel schedules nothing there by itself.
        machine.configure(housekeeping: CPUSet([6]))
        #expect(try machine.housekeeping() == siblings.union(CPUSet([6])))
        let outcome = try await test.submit(
            .claim(
                ClaimRequest(holder: Self.run("a"), cpus: CPURequest(.count(2), pool: Pool.ordinary)))
        ).outcome()
        #expect(try outcome.decision.granted.isSubset(of: machine.ordinary()))
        #expect(try TestHost(isolated: CPUSet()).host.machine.defaultPool() == Pool.ordinary)
        test.host.stop()
    }
}

private final class ReportedNumbers: Sendable {
    private let numbers = Mutex<[Int64]>([])
    func add(_ records: [DecisionRecord]) { numbers.withLock { $0 += records.map(\.seq) } }
    var all: [Int64] { numbers.withLock { $0 } }
}
