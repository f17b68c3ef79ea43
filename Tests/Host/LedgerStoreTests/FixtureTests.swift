import CFaultVFS
import CSQLite
import Ledger
import LedgerStore
import Storage
import TestSupport
import Testing

/// Stores that version 0.1.0 wrote, closed or killed. The zeros that it wrote ahead of the log's frames were cut off the files;
/// `expected.txt` has the number of the last record, then the records.
@Suite struct FixtureTests {
    static let names = ["fresh", "events-closed", "events-killed", "snapshot-closed", "snapshot-killed"]

    private struct Fixture {
        let directory: TemporaryDirectory
        let files: StoreFiles
        let expected: Recovered

        init(_ name: String, zeros: Int = 0, cut: Int = 0) throws {
            let source = #filePath.split(separator: "/").dropLast().joined(separator: "/")
            let path = "/\(source)/Fixtures/\(name)"
            directory = try TemporaryDirectory(in: "/dev/shm")
            files = StoreFiles(directory: directory.path, name: LedgerStore.name)
            for file in TemporaryDirectory.names(in: path) where file.hasPrefix("ledger.") {
                var bytes = try #require(TemporaryDirectory.read("\(path)/\(file)"))
                if file.hasSuffix("-wal") {
                    bytes.removeLast(cut)
                    bytes += [UInt8](repeating: 0, count: zeros)
                }
                try TemporaryDirectory.write(bytes, to: "\(directory.path)/\(file)")
            }
            let lines = try #require(TemporaryDirectory.read("\(path)/expected.txt")).split(separator: 10)
            expected = Recovered(
                snapshot: lines.first { $0.starts(with: "snapshot ".utf8) }.map { Array($0.dropFirst(9)) },
                events: lines.filter { $0.starts(with: "event ".utf8) }.map { Array($0.dropFirst(6)) },
                seq: try #require(lines.first.flatMap { Int64(String(decoding: $0, as: UTF8.self)) }))
        }

        /// How many records there are.
        var count: Int { expected.events.count + (expected.snapshot == nil ? 0 : 1) }

        func open() throws -> (LedgerStore, Ledger) {
            guard
                case .ready(let store, let ledger) = try LedgerStore.open(
                    directory: directory.path, now: { 0 }, report: { _ in })
            else { throw Untrusted() }
            return (store, ledger)
        }
    }

    private struct Untrusted: Error {}

    @Test("a store of version 0.1.0 opens, holds what it held, and goes on", arguments: names, [0, 1 << 20])
    func opens(_ name: String, _ zeros: Int) throws {
        let fixture = try Fixture(name, zeros: zeros)
        #expect(try fixture.files.inspect() == .recovered(fixture.expected))
        let unmigrated = try fixture.files.records(after: 0, limit: .max)
        let before = try Ledger(records: fixture.expected)
        #expect(before.count == ["fresh": 0, "events": 202, "snapshot": 70][name.prefix { $0 != "-" }])
        let change = LedgerChange(claims: [Claim(holder: .service("new"), owner: .administrators, memoryNodes: [1])])
        var after = before
        try after.apply(change)
        do {
            let (store, ledger) = try fixture.open()
            #expect(ledger == before)
            _ = try store.commit([DecisionRecord(change)], before: ledger)
            // As if the process had been killed.
        }
        do {
            let (store, ledger) = try fixture.open()
            #expect(ledger == after)
            store.close(ledger)
        }
        #expect(try fixture.open().1 == after)
        let records = try fixture.files.records(after: 0, limit: .max)
        let last = fixture.expected.seq
        #expect(records.dropLast() == unmigrated[...])
        #expect(records.map(\.seq) == Array(last - Int64(fixture.count) + 1...last + 1))
        #expect(
            records.map(\.payload) == [fixture.expected.snapshot].compactMap(\.self) + fixture.expected.events + [
                DecisionRecord(change).json
            ])
    }

    @Test(
        "a transaction of version 0.1.0 that a crash cut off is dropped",
        arguments: ["events-killed", "snapshot-killed"])
    func torn(_ name: String) throws {
        for zeros in [0, 1 << 20] {
            let fixture = try Fixture(name, zeros: zeros, cut: 100)
            var expected = fixture.expected
            #expect(try fixture.files.inspect() != .recovered(expected))
            expected = Recovered(snapshot: expected.snapshot, events: expected.events.dropLast(), seq: expected.seq - 1)
            #expect(try fixture.files.inspect() == .recovered(expected))
            #expect(try fixture.open().1 == Ledger(records: expected))
        }
    }

    @Test("a changed byte in a store of version 0.1.0 is corruption or harmless")
    func flips() throws {
        var random = SeededRandom(seed: .random(in: 0...9_999_999))
        print("flips: \(random)")
        var refused = 0
        for file in ["ledger.db", "ledger.db-wal"] {
            let fixture = try Fixture("events-killed", zeros: 10_000)
            let path = "\(fixture.directory.path)/\(file)"
            let good = try #require(TemporaryDirectory.read(path))
            for _ in 0..<150 {
                var bad = good
                // Not in the last transaction of the log, which is two frames long.
                let end = file.hasSuffix("wal") ? good.count - 10_000 - 2 * 4_120 : good.count
                bad[Int.random(in: 0..<end, using: &random)] ^= 1 << Int.random(in: 0..<8, using: &random)
                try TemporaryDirectory.write(bad, to: path)
                switch try fixture.files.inspect() {
                case .recovered(let found): #expect(found == fixture.expected)
                case .corrupt: refused += 1
                case .fresh: Issue.record("fresh")
                }
            }
        }
        #expect(refused > 100)
    }

    @Test("a crash at any write of the migration loses nothing", arguments: ["events-killed", "snapshot-closed"])
    func crashes(_ name: String) throws {
        let vfsName = "migration-\(name)"
        let vfs = try #require(faultvfs_create(vfsName))
        defer { faultvfs_destroy(vfs) }
        var crashes = 0
        for nth in 1... {
            let fixture = try Fixture(name)
            faultvfs_crash(vfs, nth, [0, 1, 24, 32, 1_000, 4_095][nth % 6])
            var failed = false
            do {
                let (journal, recovered) = try Journal.open(fixture.files, vfs: vfsName)
                #expect(recovered == fixture.expected)
                do { try journal.begin() } catch { failed = true }
            }
            faultvfs_crash(vfs, 0, 0)
            #expect(try fixture.files.inspect() == .recovered(fixture.expected), "crash at \(nth)")
            #expect(try Journal.open(fixture.files).recovered == fixture.expected, "crash at \(nth)")
            guard failed else { break }
            crashes += 1
        }
        #expect(crashes > 10)
    }
}

extension Ledger {
    /// The ledger of these records.
    fileprivate init(records: Recovered) throws {
        if let snapshot = records.snapshot { try self.init(snapshot: snapshot) } else { self.init() }
        for event in records.events { try apply(LedgerRecord.change(json: event)) }
        forgetOrder()
    }
}
