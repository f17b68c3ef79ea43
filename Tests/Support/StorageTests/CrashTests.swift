import CFaultVFS
import CSQLite
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Storage

@Suite struct CrashTests {
    @Test("a crash at any write, torn at any byte, loses nothing acknowledged and is never called corruption")
    func tornAtEveryByte() throws {
        let session = try Session(Step.short)
        let loader = try Loader()
        var database = session.database
        var log = session.log
        var states = 0
        for (index, operation) in session.operations.enumerated() {
            let allowed = session.allowed(at: index)
            func check(_ database: [UInt8], _ log: [UInt8], _ cut: Int) throws {
                states += 1
                switch loader.load(database, log) {
                case .success(let model) where allowed.contains(model): break
                case let other: Issue.record("operation \(index) cut at \(cut): \(other)")
                }
            }
            if operation.isWrite {
                // A tear changes one more byte at a time: the state of the byte before is the start of the next.
                let start = operation.offset
                let stride = exhaustive ? 1 : 61
                for (cut, byte) in operation.bytes.enumerated() {
                    if cut.isMultiple(of: stride) || cut < 40 || cut > operation.size - 10 {
                        try check(database, log, cut)
                    }
                    if operation.isLog { log.put(byte, at: start + cut) } else { database.put(byte, at: start + cut) }
                }
            } else if operation.isTruncate {
                try check(database, log, 0)
                if operation.isLog { log.resize(operation.size) } else { database.resize(operation.size) }
            }
            try check(database, log, operation.size)
        }
        #expect(states > 3_000)
        #expect(loader.load(database, log) == .success(try #require(session.models.last)))
    }

    @Test(
        "a power loss that keeps any part of the unsynced blocks loses nothing acknowledged and is never called corruption",
        arguments: [512, 4_096])
    func lostBlocks(_ block: Int) throws {
        let session = try Session(Step.short)
        let loader = try Loader()
        let seed = UInt64.random(in: 0...9_999_999)
        print("lost blocks: seed \(seed)")
        var random = SeededRandom(seed: seed)
        var database = Disk(session.database)
        var log = Disk(session.log)
        for (index, operation) in session.operations.enumerated() {
            if operation.isLog { log.apply(operation) } else { database.apply(operation) }
            for _ in 0..<(exhaustive ? 80 : 8) {
                let (one, two) = (
                    database.afterPowerLoss(block, &random), log.afterPowerLoss(block, &random)
                )
                switch loader.load(one, two) {
                case .success(let model) where session.allowed(at: index).contains(model): break
                case let other: Issue.record("operation \(index), seed \(seed): \(other)")
                }
            }
        }
    }

    @Test("after a crash at any write the journal opens again on the real files and goes on")
    func reopening() throws {
        let whole = try Session(Step.short)
        let changes = whole.operations.filter { !$0.isOpen }.count
        #expect(changes > 30)
        for number in stride(from: 1, through: changes, by: 1) {
            let directory = try ScratchDirectory()
            let files = directory.files
            try Journal.open(files).journal.close()
            let vfs = try FaultVFS()
            faultvfs_crash(vfs.handle, number, [0, 1, 24, 32, 1_000, 4_095][number % 6])
            var models = [Model()]
            do throws(StorageError) {
                let (journal, _) = try Journal.open(files, vfs: vfs.name)
                for step in Step.short {
                    var model = models[0]
                    if case .append(let events) = step { models.append(Model(adding: events, to: model)) }
                    try Step.perform(step, on: journal, &model)
                    models = [model]
                }
                try journal.close()
                Issue.record("no crash at \(number)")
            } catch {}
            do {
                let (journal, recovered) = try Journal.open(files)
                let found = Model(recovered)
                #expect(models.contains(found), "crash at \(number)")
                try journal.append([payload(99)])
                try journal.close()
                let (_, again) = try Journal.open(files)
                #expect(Model(again) == Model(adding: [payload(99)], to: found), "crash at \(number)")
            }
        }
    }

    @Test("a crash at any step of making a new store leaves none or an empty one")
    func creation() throws {
        for number in 1...10 {
            let directory = try ScratchDirectory()
            let steps = Mutex(0)
            let crash: @Sendable (FileIO.Step, String) -> Int32? = { _, _ in
                steps.withLock {
                    $0 += 1; return $0 >= number ? EIO : nil
                }
            }
            #expect(throws: StorageError.self, "step \(number)") {
                try FileIO.$interposer.withValue(crash) { _ = try Journal.open(directory.files) }
            }
            if number > 1 {
                let state = try directory.files.inspect()
                #expect(state == .fresh || state == .recovered(.empty), "step \(number)")
            }
            #expect(try Journal.open(directory.files).recovered == .empty, "step \(number)")
        }
    }

    @Test(
        "a full disk or a crash at any operation of SQLite while a store is made leaves none", arguments: [true, false])
    func creationBySQLite(_ isFull: Bool) throws {
        var failures = 0
        for number in 1... {
            let directory = try ScratchDirectory()
            let vfs = try FaultVFS()
            if isFull {
                faultvfs_fail(vfs.handle, Int32(FAULTVFS_WRITE | FAULTVFS_SYNC), number, SQLITE_FULL, 1, 1)
            } else {
                faultvfs_crash(vfs.handle, number, number % 3 * 100)
            }
            do throws(StorageError) {
                _ = try Journal.open(directory.files, vfs: vfs.name)
                break
            } catch {
                failures += 1
                #expect(error.description.contains("ledger.db"), "\(error)")
            }
            #expect(try directory.files.inspect() == .fresh)
            #expect(!isFull || names(in: directory.files.directory).isEmpty)
            #expect(try Journal.open(directory.files).recovered == .empty)
            #expect(names(in: directory.files.directory) == ["ledger.created", "ledger.db", "ledger.db-wal"])
        }
        #expect(failures > 5)
    }
}

/// A file, what of it is on the disk, and what was written since the last sync.
private struct Disk {
    private var synced: [UInt8]
    private var current: [UInt8]
    private var unsynced: [Operation] = []

    init(_ bytes: [UInt8]) {
        synced = bytes
        current = bytes
    }

    mutating func apply(_ operation: Operation) {
        if operation.isSync {
            synced = current
            unsynced = []
        } else if operation.isWrite || operation.isTruncate {
            current.apply(operation)
            unsynced.append(operation)
        }
    }

    /// What the disk may hold after a power loss: truncations in order or not at all, and of each block that was written
    /// since, any of its versions.
    func afterPowerLoss(_ block: Int, _ random: inout SeededRandom) -> [UInt8] {
        var base = synced
        var writes = unsynced[...]
        while let cut = writes.firstIndex(where: \.isTruncate) {
            // Without the truncation, nothing that came after it is there either.
            guard Bool.random(using: &random) else {
                writes = writes[..<cut]
                break
            }
            for write in writes[...cut] { base.apply(write) }
            writes = writes[(cut + 1)...]
        }
        var versions = [base]
        for write in writes {
            var next = versions[versions.count - 1]
            next.apply(write)
            versions.append(next)
        }
        let full = versions[versions.count - 1].count
        var result = versions[versions.count - 1]
        for start in stride(from: 0, to: full, by: block) {
            let version = versions[Int.random(in: 0..<versions.count, using: &random)]
            let end = min(start + block, full)
            let kept = version[min(start, version.count)..<min(end, version.count)]
            result.replaceSubrange(start..<end, with: kept + repeatElement(0, count: end - start - kept.count))
        }
        if full > base.count && Bool.random(using: &random) {
            result.resize(Int.random(in: base.count...full, using: &random))
        }
        return result
    }
}

extension [UInt8] {
    mutating func apply(_ operation: Operation) {
        if operation.isTruncate { resize(operation.size) }
        guard operation.isWrite else { return }
        if count < operation.offset + operation.size { resize(operation.offset + operation.size) }
        replaceSubrange(operation.offset..<operation.offset + operation.size, with: operation.bytes)
    }

    mutating func put(_ byte: UInt8, at offset: Int) {
        if offset < count {
            self[offset] = byte
        } else {
            resize(offset)
            append(byte)
        }
    }

    mutating func resize(_ size: Int) {
        if size < count { removeLast(count - size) } else { append(contentsOf: repeatElement(0, count: size - count)) }
    }
}
