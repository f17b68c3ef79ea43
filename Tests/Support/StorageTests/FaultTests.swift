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
            let directory = try ScratchDirectory()
            let (journal, _) = try Journal.open(directory.files, vfs: vfs.name)
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
                    #expect(error.description.contains(directory.files.name))
                }
                #expect(model == before)
                #expect(journal.failed != nil)
                #expect(throws: StorageError.self) { try journal.append([payload(77)]) }
                // Whoever dies now comes back to what was acknowledged; only where not even the log could be emptied may
                // the refused step still be in it, as a whole.
                var allowed = [before]
                if fault.persistent, case .append(let events) = step {
                    allowed.append(Model(adding: events, to: before))
                }
                #expect(try allowed.contains(#require(try content(directory.files))), "operation \(number)")
                if fault.persistent {
                    // Some kinds of persistent fault do not hinder a rebuild; whatever it says, the content holds.
                    try? journal.rebuild(snapshot: model.snapshot)
                    #expect(
                        try allowed.contains(#require(try content(directory.files))), "operation \(number), rebuilding")
                    faultvfs_fail(vfs.handle, 0, 0, 0, 0, 0)
                }
                try journal.rebuild(snapshot: model.snapshot)
                #expect(journal.failed == nil)
                #expect(try content(directory.files) == model, "operation \(number), rebuilt")
            }
            #expect(try content(directory.files) == model)
            do throws(StorageError) { try journal.close() } catch { failed = true }
            #expect(try content(directory.files) == model)
            #expect(names(in: directory.files.directory).allSatisfy { !$0.contains("damaged") })
            if failed { failures += 1 } else if faultvfs_count(vfs.handle, Int32(fault.kinds)) < number { break }
        }
        #expect(failures > 2)
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
        let directory = try ScratchDirectory()
        let (journal, _) = try Journal.open(directory.files)
        try journal.append([payload(1), payload(2)])
        for victim in victims { unlink("\(directory.files.directory)/\(victim)") }
        let error = #expect(throws: StorageError.self) { try journal.append([payload(3)]) }
        #expect(error?.reason == .moved)
        let model = Model(adding: [payload(1), payload(2)], to: Model())
        try journal.rebuild(snapshot: model.snapshot)
        try journal.append([payload(4)])
        try journal.close()
        let (_, recovered) = try Journal.open(directory.files)
        #expect(Model(recovered) == Model(adding: [payload(4)], to: model))
        #expect(recovered.seq > 3)
    }

    @Test("another file in the database's place is named and left alone, however often one tries")
    func replaced() throws {
        let directory = try ScratchDirectory()
        let (journal, _) = try Journal.open(directory.files)
        try journal.append([payload(1)])
        unlink(directory.files.database)
        try put(Array("not ours".utf8), at: directory.files.database)
        #expect(throws: StorageError.self) { try journal.append([payload(2)]) }
        for _ in 0..<2 {
            let error = #expect(throws: StorageError.self) { try journal.rebuild(snapshot: []) }
            #expect(error?.file == directory.files.database)
        }
        #expect(try bytes(of: directory.files.database) == Array("not ours".utf8))
    }

    @Test("files found corrupt while rebuilding are quarantined, never overwritten")
    func corruptWhileRunning() throws {
        let directory = try ScratchDirectory()
        let (journal, _) = try Journal.open(directory.files)
        try journal.append([payload(1)])
        try journal.maintain(above: 0)
        let descriptor = open(directory.files.database, O_WRONLY)
        #expect(pwrite(descriptor, [UInt8](repeating: 0x5A, count: 4_096), 4_096, 4_096) == 4_096)
        close(descriptor)
        let corrupt = try bytes(of: directory.files.database)
        try journal.rebuild(snapshot: Model(adding: [payload(1)], to: Model()).snapshot)
        #expect(try bytes(of: "\(directory.files.database).damaged-1") == corrupt)
        try journal.append([payload(2)])
        #expect(try content(directory.files)?.events == [payload(1), payload(2)])
    }

    @Test("rebuilding sound files retains the history, and a refused record that is found in them is void")
    func refusedRecordFound() throws {
        let directory = try ScratchDirectory()
        do {
            let (journal, _) = try Journal.open(directory.files)
            for number in 1...3 { try journal.append([payload(number)]) }
        }
        // As if number 3 had been refused by a disk that took it all the same.
        let holding = Recovered(snapshot: nil, events: [payload(1), payload(2)], seq: 2)
        let error = StorageError("sync", file: directory.files.log, .system(EIO))
        let journal = Journal(unopened: directory.files, holding: holding, after: error)
        #expect(throws: StorageError.self) { try journal.append([payload(4)]) }
        try journal.rebuild(snapshot: payload(0))
        #expect(try journal.append([payload(5)]) == 5)
        #expect(try journal.records(after: 0, limit: 9).map(\.seq) == [1, 2, 4, 5])
        try journal.close()
        let (again, recovered) = try Journal.open(directory.files)
        #expect(recovered == Recovered(snapshot: payload(0), events: [payload(5)], seq: 5))
        #expect(
            try again.records(after: 0, limit: 9).map(\.payload) == [payload(1), payload(2), payload(0), payload(5)])
    }

    @Test("sound files that lack what was acknowledged are quarantined, and numbers are not used again")
    func acknowledgedMissing() throws {
        let directory = try ScratchDirectory()
        try Journal.open(directory.files).journal.close()
        let error = StorageError("sync", file: directory.files.log, .system(EIO))
        let holding = Recovered(snapshot: nil, events: [payload(1), payload(2)], seq: 2)
        let journal = Journal(unopened: directory.files, holding: holding, after: error)
        try journal.rebuild(snapshot: payload(0))
        #expect(journal.seq == 3)
        #expect(names(in: directory.files.directory).contains("ledger.db.damaged-1"))
    }

    @Test("a disk that hangs delays an append until it goes on, and nothing is lost", arguments: [-1, 300])
    func hanging(_ milliseconds: Int) throws {
        let directory = try ScratchDirectory()
        let (files, vfs) = (directory.files, try FaultVFS())
        let name = vfs.name
        nonisolated(unsafe) let handle = vfs.handle
        let clock = ContinuousClock()
        let start = clock.now
        let worker = Worker {
            let (journal, _) = try Journal.open(files, vfs: name)
            try journal.append([payload(1)])
            faultvfs_delay(handle, Int32(FAULTVFS_SYNC), milliseconds)
            try journal.append([payload(2)])
            faultvfs_release(handle)
            try journal.close()
        }
        #expect(waits { faultvfs_waiting(handle) == 1 })
        if milliseconds < 0 {
            usleep(100_000)
            #expect(!worker.isDone && faultvfs_waiting(handle) == 1)
            faultvfs_release(handle)
        }
        try worker.join()
        #expect(milliseconds < 0 || clock.now - start >= .milliseconds(milliseconds))
        #expect(try Journal.open(files).recovered.events == [payload(1), payload(2)])
    }
}
