import CFaultVFS
import CSQLite
import Glibc
import Testing

@testable import Storage

/// A kind of operation that fails, how, and whether it goes on failing.
struct Fault: Sendable, CustomTestStringConvertible {
    let kinds: Int
    let code: Int32
    let persistent: Bool
    let partial: Bool

    var testDescription: String {
        "\(kinds) code \(code) \(persistent ? "from then on" : "once")\(partial ? ", half written" : "")"
    }

    static let all = [
        (FAULTVFS_WRITE, SQLITE_FULL), (FAULTVFS_WRITE, SQLITE_IOERR | 3 << 8),
        (FAULTVFS_SYNC, SQLITE_IOERR | 4 << 8), (FAULTVFS_TRUNCATE, SQLITE_IOERR | 6 << 8),
        (FAULTVFS_CHANGES, SQLITE_FULL),
    ]
    .flatMap { kinds, code in
        [false, true].map { Fault(kinds: kinds, code: code, persistent: $0, partial: code == SQLITE_FULL) }
    }
}

@Suite struct FaultTests {
    @Test(
        "wherever the disk fails, the change is refused, nothing acknowledged is lost, and after rebuilding the refused one never comes back",
        arguments: Fault.all)
    func everyOperation(_ fault: Fault) throws {
        let vfs = try FaultVFS()
        var number = 0
        var failures = 0
        while true {
            number += 1
            let folder = try ScratchFolder()
            let (journal, _) = try Journal.open(folder.files, vfs: vfs.name, logSpace: 24 << 10)
            defer { faultvfs_fail(vfs.handle, 0, 0, 0, 0, 0) }
            faultvfs_fail(
                vfs.handle, Int32(fault.kinds), number, fault.code, fault.persistent ? 1 : 0, fault.partial ? 1 : 0)
            var model = Model()
            var failed = false
            for step in Step.short {
                let before = model
                do throws(StorageError) {
                    try Step.perform(step, on: journal, &model)
                    continue
                } catch {
                    failed = true
                    #expect(error.description.contains(folder.files.name))
                }
                #expect(model == before)
                #expect(journal.failed != nil)
                #expect(throws: StorageError.self) { try journal.append([payload(77)]) }
                // Whoever dies now comes back to what was acknowledged; only where not even the log could be cut may
                // the refused step still be in it, as a whole.
                var allowed = [before]
                if fault.persistent, case .append(let events) = step {
                    allowed.append(Model(adding: events, to: before))
                }
                #expect(try allowed.contains(#require(try content(folder.files))), "operation \(number)")
                if fault.persistent {
                    // Some kinds of persistent fault do not hinder a rebuild; whatever it says, the content holds.
                    try? journal.rebuild(snapshot: model.snapshot)
                    #expect(
                        try allowed.contains(#require(try content(folder.files))), "operation \(number), rebuilding")
                    faultvfs_fail(vfs.handle, 0, 0, 0, 0, 0)
                }
                try journal.rebuild(snapshot: model.snapshot)
                #expect(journal.failed == nil)
                #expect(try content(folder.files) == model, "operation \(number), rebuilt")
            }
            #expect(try content(folder.files) == model)
            do throws(StorageError) { try journal.close() } catch { failed = true }
            #expect(try content(folder.files) == model)
            #expect(names(in: folder.files.folder).allSatisfy { !$0.contains("damaged") })
            if failed { failures += 1 } else if faultvfs_count(vfs.handle, Int32(fault.kinds)) < number { break }
        }
        #expect(failures > 2)
    }

    @Test("where the log cannot be written ahead, opening and appending succeed and the room is given back")
    func noRoomAhead() throws {
        let whole = try Session([.append([payload(1)]), .checkpoint, .append([payload(2)])], logSpace: 24 << 10)
        let writes = whole.operations.filter { $0.isWrite || $0.isSync }
        let ahead = writes.indices.filter {
            writes[$0].isLog && writes[$0].isWrite && writes[$0].bytes.allSatisfy { $0 == 0 }
        }
        #expect(ahead.count >= 2)
        for number in ahead + ahead.map({ $0 + 1 }) {
            let folder = try ScratchFolder()
            try Journal.open(folder.files).journal.close()
            let vfs = try FaultVFS()
            faultvfs_fail(vfs.handle, Int32(FAULTVFS_WRITE | FAULTVFS_SYNC), number + 1, SQLITE_FULL, 0, 1)
            let (journal, _) = try Journal.open(folder.files, vfs: vfs.name, logSpace: 24 << 10)
            try journal.append([payload(1)])
            try journal.maintain(above: 0)
            try journal.append([payload(2)])
            #expect(try content(folder.files)?.events == [payload(1), payload(2)])
            let size = try #require(try bytes(of: folder.files.log)).count
            #expect(number < writes.count / 2 || size == journal.logBytes)
            try journal.close()
            #expect(try bytes(of: folder.files.log) == [])
        }
    }

    /// What the files hold, read while the journal is open: the lock that this drops matters to nobody here.
    private func content(_ files: StoreFiles) throws -> Model? {
        guard case .recovered(let recovered) = try files.inspect() else {
            Issue.record("\(try files.inspect())")
            return nil
        }
        return Model(recovered)
    }

    @Test(
        "a database or log deleted under the running store is noticed and made anew from memory",
        arguments: [
            ["ledger.db"], ["ledger.db-wal"], ["ledger.db", "ledger.db-wal"],
            ["ledger.db", "ledger.db-wal", "ledger.created"],
        ])
    func deleted(_ victims: [String]) throws {
        let folder = try ScratchFolder()
        let (journal, _) = try Journal.open(folder.files)
        try journal.append([payload(1), payload(2)])
        for victim in victims { unlink("\(folder.files.folder)/\(victim)") }
        let error = #expect(throws: StorageError.self) { try journal.append([payload(3)]) }
        #expect(error?.reason == .moved)
        let model = Model(adding: [payload(1), payload(2)], to: Model())
        try journal.rebuild(snapshot: model.snapshot)
        try journal.append([payload(4)])
        try journal.close()
        let (_, recovered) = try Journal.open(folder.files)
        #expect(Model(recovered) == Model(adding: [payload(4)], to: model))
        #expect(recovered.seq > 3)
    }

    @Test("another file in the database's place is named and left alone, however often one tries")
    func replaced() throws {
        let folder = try ScratchFolder()
        let (journal, _) = try Journal.open(folder.files)
        try journal.append([payload(1)])
        unlink(folder.files.database)
        try put(Array("not ours".utf8), at: folder.files.database)
        #expect(throws: StorageError.self) { try journal.append([payload(2)]) }
        for _ in 0..<2 {
            let error = #expect(throws: StorageError.self) { try journal.rebuild(snapshot: []) }
            #expect(error?.file == folder.files.database)
        }
        #expect(try bytes(of: folder.files.database) == Array("not ours".utf8))
    }

    @Test("files found damaged while rebuilding are set aside, never overwritten")
    func damagedWhileRunning() throws {
        let folder = try ScratchFolder()
        let (journal, _) = try Journal.open(folder.files)
        try journal.append([payload(1)])
        try journal.maintain(above: 0)
        let descriptor = open(folder.files.database, O_WRONLY)
        #expect(pwrite(descriptor, [UInt8](repeating: 0x5A, count: 4_096), 4_096, 4_096) == 4_096)
        close(descriptor)
        let damaged = try bytes(of: folder.files.database)
        try journal.rebuild(snapshot: Model(adding: [payload(1)], to: Model()).snapshot)
        #expect(try bytes(of: "\(folder.files.database).damaged-1") == damaged)
        try journal.append([payload(2)])
        #expect(try content(folder.files)?.events == [payload(1), payload(2)])
    }
}
