import CFaultVFS
import CSQLite
import Ledger
import LedgerStore
import Machine
import Storage
import Synchronization
import TestSupport
import Testing

/// A ledger in its directory.
@Suite struct StoreTests {
    /// A store that is open, and what its caller believes.
    private final class Session {
        var ledger: Ledger
        let store: LedgerStore

        init(
            _ directory: String, imported: Ledger? = nil, vfs: String? = nil, now: @escaping @Sendable () -> Int = { 0 }
        )
            throws
        {
            guard
                case .ready(let store, let ledger) = try LedgerStore.open(
                    directory: directory, imported: imported, vfs: vfs, now: now, report: { _ in })
            else { throw Untrusted() }
            (self.store, self.ledger) = (store, ledger)
        }

        /// Commits a change as the host does: nothing is believed that is not committed.
        func commit(_ changes: [LedgerChange]) throws {
            var next = ledger
            for change in changes { try next.apply(change) }
            _ = try store.commit(changes.map { DecisionRecord($0) }, before: ledger)
            ledger = next
        }
    }

    /// A change that makes a holder of this name.
    private static func change(_ name: String) -> LedgerChange {
        LedgerChange(claims: [
            Claim(holder: Holder(kind: .run, name: name), owner: .administrators, memoryNodes: [1])
        ])
    }

    private struct Untrusted: Error {}

    private final class Clock: Sendable { let time = Atomic(1_000_000) }

    private static func directory() throws -> TemporaryDirectory { try TemporaryDirectory(in: "/dev/shm") }

    private static func content(_ directory: String) throws -> Ledger? {
        guard
            case .sound(let ledger, _) = try LedgerStore.read(StoreFiles(directory: directory, name: LedgerStore.name))
        else { return nil }
        return ledger
    }

    @Test("what was kept is there again, after a clean end and after none", arguments: 0..<6 as Range<UInt64>)
    func reopening(seed: UInt64) throws {
        let directory = try Self.directory()
        let state = "\(directory.path)/state"
        var maker = RandomLedger(seed: seed)
        var last = Ledger()
        for life in 0..<4 {
            let session = try Session(state)
            #expect(session.ledger == last, "seed \(seed), life \(life)")
            for _ in 0..<20 { try session.commit([maker.change(of: session.ledger)]) }
            last = session.ledger
            if life % 2 == 0 { session.store.close(last) }
        }
        #expect(try Self.content(state) == last)
    }

    @Test("an imported ledger is what a new store begins with, and an old one never")
    func imported() throws {
        let directory = try Self.directory()
        let state = "\(directory.path)/state"
        var maker = RandomLedger(seed: 1)
        var ledger = Ledger()
        try ledger.apply(maker.change(of: ledger))
        do {
            let session = try Session(state, imported: ledger)
            #expect(session.ledger == ledger)
        }
        #expect(try Session(state).ledger == ledger)
        #expect(try Session(state, imported: Ledger()).ledger == ledger)
    }

    @Test(
        "records that are whole and mean nothing are not trusted, and the last good state is shown",
        arguments: [
            "", "null", "[]", #"{"claims":[{"holder":"service:a"}]}"#,
            #"{"claims":[{"holder":"service:a","parts":[{"cpus":"1-3","withdrawn":"1-3","protection":"explicit","exclusiveness":"cpu"}]},{"holder":"pod:b","parts":[{"cpus":"3","withdrawn":"3","protection":"explicit","exclusiveness":"cpu"}]}]}"#,
            #"{"claims":[{"holder":"service:a","pages":[{"node":0,"size_kb":4,"count":0}]}]}"#,
        ])
    func meaningless(record: String) throws {
        let directory = try Self.directory()
        let state = "\(directory.path)/state"
        let good = LedgerChange(claims: [
            Claim(holder: .service("good"), owner: .administrators, grants: [Grant(cpus: [9], isExplicit: true)])
        ])
        do {
            let session = try Session(state)
            try session.commit([good])
            session.store.close(session.ledger)
            let (journal, _) = try Journal.open(StoreFiles(directory: state, name: LedgerStore.name))
            try journal.append([Array(record.utf8)])
            try journal.close()
        }
        let before = TemporaryDirectory.read("\(state)/ledger.db")
        guard
            case .refused(let error, let lastGood) = try LedgerStore.open(
                directory: state, now: { 0 }, report: { _ in })
        else {
            Issue.record("it was trusted")
            return
        }
        #expect(error.description.contains("\(state)/ledger.db"))
        #expect(lastGood?.holders == [.service("good")])
        #expect(TemporaryDirectory.read("\(state)/ledger.db") == before)
        let store = RefusingStore(error)
        let refusal = #expect(throws: CommitError.self) { try store.commit([DecisionRecord(good)], before: Ledger()) }
        #expect(refusal == error && refusal?.description.contains("berthd restore") == true)
    }

    @Test("the trail is read in pages of any size, whatever snapshots lie between, without gaps")
    func trail() throws {
        let directory = try Self.directory()
        let state = "\(directory.path)/state"
        let session = try Session(state)
        let names = (0..<530).map { "run \($0)" }
        try session.commit(names.prefix(520).map { Self.change($0) })
        // So many records are followed by a snapshot, which has a number of its own.
        session.store.maintain(session.ledger, isIdle: true)
        try session.commit(names.suffix(10).map { Self.change($0) })
        let all = try session.store.decisions(from: .after(0), limit: 1_000)
        #expect(all.map(\.holder.name) == names)
        #expect(all.last?.seq == 531)
        for count in [1, 10, 11, 529, 9_999] {
            #expect(try session.store.decisions(from: .newest(count), limit: 1_000) == Array(all.suffix(count)))
        }
        #expect(try session.store.decisions(from: .newest(20), limit: 3) == Array(all.suffix(20).prefix(3)))
        session.store.close(session.ledger)
        let files = StoreFiles(directory: state, name: LedgerStore.name)
        #expect(try LedgerStore.decisions(of: files, from: .newest(11), limit: 1_000) == Array(all.suffix(11)))
        for size in [1, 2, 7] {
            var read: [DecisionRecord] = []
            while true {
                let page = try LedgerStore.decisions(of: files, from: .after(read.last?.seq ?? 515), limit: size)
                guard !page.isEmpty else { break }
                read += page
            }
            #expect(read == Array(all.suffix(15)), "pages of \(size)")
        }
    }

    @Test("after many records the store is written anew, without a change to what it holds")
    func compaction() throws {
        let directory = try Self.directory()
        let state = "\(directory.path)/state"
        let session = try Session(state)
        func changes(_ count: Int) -> [LedgerChange] {
            (0..<count).map { number in
                LedgerChange(claims: [
                    Claim(
                        holder: .service("s\(number % 3)"), owner: .administrators,
                        reservations: [.init(node: 0, sizeKB: 4, count: number + 1)])
                ])
            }
        }
        func records() throws -> Int? {
            guard
                case .recovered(let found) = try StoreFiles(directory: state, name: LedgerStore.name).inspect()
            else { return nil }
            return found.events.count
        }
        try session.commit(changes(511))
        session.store.maintain(session.ledger, isIdle: true)
        try session.commit(changes(1))
        session.store.maintain(session.ledger, isIdle: false)
        try session.commit(changes(2))
        session.store.maintain(session.ledger, isIdle: true)
        try session.commit(changes(1))
        let last = session.ledger
        session.store.close(session.ledger)
        #expect(try records() == 1)
        #expect(try Session(state).ledger == last)
    }

    @Test("item 16: the last good state is kept when nobody waits, once a minute at most, and at the end")
    func lastGood() throws {
        let directory = try Self.directory()
        let state = "\(directory.path)/state"
        let clock = Clock()
        let files = StoreFiles(directory: state, name: LedgerStore.name)
        var maker = RandomLedger(seed: 4)
        let session = try Session(state, now: { clock.time.load(ordering: .relaxed) })
        func kept() -> Ledger? { (try? files.readLastGood()).flatMap { try? Ledger(snapshot: $0.snapshot) } }
        try session.commit([maker.change(of: session.ledger)])
        session.store.maintain(session.ledger, isIdle: false)
        #expect(kept() == nil)
        session.store.maintain(session.ledger, isIdle: true)
        let first = session.ledger
        #expect(kept() == first)
        #expect(try files.readLastGood().time == 1000)
        try session.commit([maker.change(of: session.ledger)])
        clock.time.add(59_999, ordering: .relaxed)
        session.store.maintain(session.ledger, isIdle: true)
        #expect(kept() == first)
        clock.time.add(1, ordering: .relaxed)
        session.store.maintain(session.ledger, isIdle: true)
        #expect(kept() == session.ledger && session.ledger != first)
        try session.commit([maker.change(of: session.ledger)])
        session.store.close(session.ledger)
        #expect(kept() == session.ledger)
    }

    // MARK: - Faults

    private static let number = Atomic(0)

    /// A VFS with faults under a name of its own.
    private static func withFaults<Result>(_ body: (String, OpaquePointer) throws -> Result) throws -> Result {
        let name = "ledger-fault-\(number.add(1, ordering: .relaxed).newValue)"
        let vfs = try #require(faultvfs_create(name))
        defer { faultvfs_destroy(vfs) }
        return try body(name, vfs)
    }

    struct Fault: Sendable, CustomTestStringConvertible {
        let kinds: Int
        let code: Int32
        let persistent: Bool
        var testDescription: String { "\(kinds) code \(code) \(persistent ? "from then on" : "once")" }
    }

    @Test(
        "a sound store on a disk that is full at the start is shown, refuses changes, and goes on when there is room",
        arguments: [FAULTVFS_OPEN, FAULTVFS_WRITE, FAULTVFS_SYNC])
    func fullAtTheStart(_ kinds: Int) throws {
        let directory = try Self.directory()
        let state = "\(directory.path)/state"
        var stored: Ledger?
        do {
            let session = try Session(state)
            try session.commit([Self.change("kept")])
            session.store.close(session.ledger)
            stored = session.ledger
        }
        try Self.withFaults { name, vfs in
            faultvfs_fail(vfs, Int32(kinds), 1, SQLITE_FULL, 1, 0)
            let session = try Session(state, vfs: name)
            #expect(session.store.failure?.contains(state) == true)
            #expect(session.ledger == stored)
            for _ in 1...2 {
                #expect(throws: CommitError.self) { try session.commit([Self.change("refused")]) }
                session.store.maintain(session.ledger, isIdle: true)
            }
            #expect(try Self.content(state) == stored)
            faultvfs_fail(vfs, 0, 0, 0, 0, 0)
            try session.commit([Self.change("granted")])
            #expect(session.store.failure == nil)
            session.store.close(session.ledger)
            stored = session.ledger
        }
        #expect(try Self.content(state) == stored)
    }

    @Test(
        "item 12: wherever the disk fails, what is refused is not there and what was granted is, now and after a restart; then all goes on",
        arguments: [
            Fault(kinds: FAULTVFS_WRITE, code: SQLITE_FULL, persistent: false),
            Fault(kinds: FAULTVFS_WRITE, code: SQLITE_FULL, persistent: true),
            Fault(kinds: FAULTVFS_SYNC, code: SQLITE_IOERR | 4 << 8, persistent: false),
            Fault(kinds: FAULTVFS_SYNC, code: SQLITE_IOERR | 4 << 8, persistent: true),
            Fault(kinds: FAULTVFS_CHANGES, code: SQLITE_IOERR | 3 << 8, persistent: false),
            Fault(kinds: FAULTVFS_CHANGES, code: SQLITE_IOERR | 3 << 8, persistent: true),
        ])
    func faults(_ fault: Fault) throws {
        var refusals = 0
        var nth = 0
        while true {
            nth += 1
            let directory = try Self.directory()
            let state = "\(directory.path)/state"
            let isLast = try Self.withFaults { name, vfs in
                let context = "operation \(nth)"
                var maker = RandomLedger(seed: UInt64(nth))
                let session = try Session(state, vfs: name)
                faultvfs_fail(vfs, Int32(fault.kinds), nth, fault.code, fault.persistent ? 1 : 0, 1)
                defer { faultvfs_fail(vfs, 0, 0, 0, 0, 0) }
                var failed = false
                var refused: Ledger?
                for step in 0..<5 {
                    let change = maker.change(of: session.ledger)
                    do { try session.commit([change]) } catch let error as CommitError {
                        failed = true
                        refusals += 1
                        #expect(error.description.contains("nothing was changed") && error.description.contains(state))
                        var next = session.ledger
                        try next.apply(change)
                        refused = refused ?? next
                        // What the change would have freed is held still.
                        maker = RandomLedger(seed: UInt64(nth * 100 + step))
                        maker.avoid(session.ledger.exclusive)
                    }
                    if failed || step == 4 {
                        // A disk that refuses even to take a write back may keep the first one refused; no other.
                        let content = try #require(try Self.content(state), "\(context), step \(step)")
                        #expect(
                            content == session.ledger || (fault.persistent && content == refused),
                            "\(context), step \(step)")
                    }
                    session.store.maintain(session.ledger, isIdle: step == 2)
                }
                let operations = faultvfs_count(vfs, Int32(fault.kinds))
                faultvfs_fail(vfs, 0, 0, 0, 0, 0)
                // The disk is well again: at once or at the next try all goes on.
                session.store.maintain(session.ledger, isIdle: true)
                try session.commit([Self.change("after")])
                #expect(try Self.content(state) == session.ledger, "\(context), afterwards")
                return !failed && operations < nth
            }
            #expect(try Self.content(state) != nil)
            if isLast { break }
        }
        #expect(refusals > 2)
    }

    @Test(
        "wherever the process dies, and however much of a write it did, what was acknowledged is there, and nothing half"
    )
    func crashes() throws {
        var nth = 0
        while true {
            nth += 1
            let directory = try Self.directory()
            let state = "\(directory.path)/state"
            var maker = RandomLedger(seed: UInt64(nth))
            let died = try Self.withFaults { name, vfs in
                var session: Session? = try Session(state, vfs: name)
                let torn = [0, 1, 24, 100, 4096, 4119].randomElement(using: &maker.random) ?? 0
                faultvfs_crash(vfs, nth, torn)
                var allowed: [Ledger] = []
                var died = false
                for step in 0..<6 {
                    guard let open = session else { break }
                    let change = maker.change(of: open.ledger)
                    do { try open.commit([change]) } catch is CommitError {
                        died = true
                        var next = open.ledger
                        try next.apply(change)
                        allowed = [open.ledger, next]
                        break
                    }
                    open.store.maintain(open.ledger, isIdle: step == 3)
                    allowed = [open.ledger]
                }
                session = nil
                faultvfs_crash(vfs, 0, 0)
                let found = try Session(state)
                #expect(allowed.contains(found.ledger), "operation \(nth), \(torn) bytes of it")
                return died
            }
            if !died { break }
        }
        #expect(nth > 6)
    }
}
