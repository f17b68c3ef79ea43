import Glibc
import Synchronization
import Testing

@testable import Storage

@Suite struct LastGoodTests {
    private let state = LastGood(snapshot: payload(5, length: 3_000), seq: 41, time: 1_750_000_000)

    @Test("the last good state reads back as stored, and a changed or missing byte in it is detected")
    func roundTrip() throws {
        let files = try ScratchDirectory().files
        let directory = try ScratchDirectory()
        #expect(throws: StorageError.self) { try files.readLastGood() }
        try directory.files.storeLastGood(state)
        #expect(try directory.files.readLastGood() == state)
        let good = try #require(try bytes(of: directory.files.lastGood))
        func refused(_ bytes: [UInt8]) -> Bool {
            (try? LastGood(bytes, application: StoreFiles.berth, file: "")) == nil
        }
        for offset in stride(from: 0, to: good.count, by: 1) where offset < 60 || offset % 37 == 0 || offset > 3_040 {
            for pattern: UInt8 in [1, 0x80, 0xFF] {
                var bad = good
                bad[offset] ^= pattern
                #expect(refused(bad), "byte \(offset)")
            }
            #expect(refused(Array(good.prefix(offset))), "cut at \(offset)")
        }
    }

    @Test("a failure at any step of storing leaves the earlier state or the new one")
    func failures() throws {
        let directory = try ScratchDirectory()
        try directory.files.storeLastGood(state)
        let next = LastGood(snapshot: [1], seq: 42, time: 2)
        for number in 1...5 {
            let steps = Mutex(0)
            let fault: @Sendable (FileIO.Step, String) -> Int32? = { _, _ in
                steps.withLock {
                    $0 += 1; return $0 == number ? ENOSPC : nil
                }
            }
            #expect(throws: StorageError.self, "step \(number)") {
                try FileIO.$interposer.withValue(fault) { try directory.files.storeLastGood(next) }
            }
            let found = try directory.files.readLastGood()
            #expect(found == state || found == next)
        }
        try directory.files.storeLastGood(next)
        #expect(try directory.files.readLastGood() == next)
    }

    @Test("restoring quarantines the corrupt files, brings the stored state back, and may be repeated after a crash")
    func restore() throws {
        for number in 1...14 {
            let directory = try ScratchDirectory()
            let files = directory.files
            do {
                let (journal, _) = try Journal.open(files)
                try journal.append([payload(1)])
                try files.storeLastGood(state)
            }
            var corrupt = try #require(try bytes(of: files.database))
            corrupt[18] ^= 1
            try put(corrupt, at: files.database)
            #expect(throws: StorageError.self) { try Journal.open(files) }
            let steps = Mutex(0)
            let crash: @Sendable (FileIO.Step, String) -> Int32? = { _, _ in
                steps.withLock {
                    $0 += 1; return $0 >= number ? EIO : nil
                }
            }
            _ = try? FileIO.$interposer.withValue(crash) { try files.restoreLastGood() }
            if try files.inspect() == .fresh { Issue.record("crash at step \(number) looks like a new store") }
            let (restored, _) = try files.restoreLastGood()
            #expect(restored == state)
            let kept = try names(in: files.directory).filter { $0.hasPrefix("ledger.db.damaged") }
                .map { try bytes(of: "\(files.directory)/\($0)") }
            #expect(kept.contains(corrupt))
            let (journal, recovered) = try Journal.open(files)
            #expect(recovered.snapshot == state.snapshot && recovered.events.isEmpty)
            // One more where the first attempt got as far as the new database.
            #expect((42...43).contains(recovered.seq))
            try journal.append([payload(2)])
        }
    }
}
