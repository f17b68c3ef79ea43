import Glibc
import Synchronization
import Testing

@testable import Storage

@Suite struct LastGoodTests {
    private let state = LastGood(snapshot: payload(5, length: 3_000), seq: 41, chain: 99, time: 1_750_000_000)

    @Test("the last good state reads back as kept, and a changed or missing byte in it is detected")
    func roundTrip() throws {
        let files = try ScratchFolder().files
        let folder = try ScratchFolder()
        #expect(throws: StorageError.self) { try files.readLastGood() }
        try folder.files.keepLastGood(state)
        #expect(try folder.files.readLastGood() == state)
        let good = try #require(try bytes(of: folder.files.lastGood))
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

    @Test("a failure at any step of keeping leaves the earlier state or the new one")
    func failures() throws {
        let folder = try ScratchFolder()
        try folder.files.keepLastGood(state)
        let next = LastGood(snapshot: [1], seq: 42, chain: 1, time: 2)
        for number in 1...5 {
            let steps = Mutex(0)
            let fault: @Sendable (FileIO.Step, String) -> Int32? = { _, _ in
                steps.withLock {
                    $0 += 1; return $0 == number ? ENOSPC : nil
                }
            }
            #expect(throws: StorageError.self, "step \(number)") {
                try FileIO.$interposer.withValue(fault) { try folder.files.keepLastGood(next) }
            }
            let found = try folder.files.readLastGood()
            #expect(found == state || found == next)
        }
        try folder.files.keepLastGood(next)
        #expect(try folder.files.readLastGood() == next)
    }

    @Test("restoring sets the damaged files aside, brings the kept state back, and may be repeated after a crash")
    func restore() throws {
        for number in 1...12 {
            let folder = try ScratchFolder()
            let files = folder.files
            do {
                let (journal, _) = try Journal.open(files)
                try journal.append([payload(1)])
                try files.keepLastGood(state)
            }
            var damaged = try #require(try bytes(of: files.database))
            damaged[30] ^= 1
            try put(damaged, at: files.database)
            #expect(throws: StorageError.self) { try Journal.open(files) }
            let steps = Mutex(0)
            let crash: @Sendable (FileIO.Step, String) -> Int32? = { _, _ in
                steps.withLock {
                    $0 += 1; return $0 >= number ? EIO : nil
                }
            }
            _ = try? FileIO.$interposer.withValue(crash) { try files.restoreLastGood() }
            if case .fresh = try files.inspect() { Issue.record("crash at step \(number) looks like a new store") }
            let (restored, _) = try files.restoreLastGood()
            #expect(restored == state)
            let kept = try names(in: files.folder).filter { $0.hasPrefix("ledger.db.damaged") }
                .map { try bytes(of: "\(files.folder)/\($0)") }
            #expect(kept.contains(damaged))
            let (journal, recovered) = try Journal.open(files)
            #expect(recovered.snapshot == state.snapshot && recovered.events.isEmpty)
            #expect(recovered.seq == 42)
            try journal.append([payload(2)])
        }
    }
}
