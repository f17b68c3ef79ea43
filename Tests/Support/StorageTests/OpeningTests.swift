import CSQLite
import Glibc
import Testing

@testable import Storage

@Suite struct OpeningTests {
    private func mode(_ path: String) -> UInt32? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o7777 : nil
    }

    @Test("folder and files are for their owner alone, and nothing else is left beside them")
    func modes() throws {
        let folder = try ScratchFolder()
        mkdir(folder.files.folder, 0o755)
        let previous = umask(0)
        let (journal, _) = try Journal.open(folder.files)
        umask(previous)
        try journal.append([payload(1)])
        #expect(mode(folder.files.folder) == 0o700)
        #expect(names(in: folder.files.folder) == ["ledger.created", "ledger.db", "ledger.db-wal"])
        for path in [folder.files.database, folder.files.log, folder.files.marker] { #expect(mode(path) == 0o600) }
    }

    @Test("a setting that SQLite does not take is an error that says what was asked and what it answers")
    func settings() throws {
        let connection = try Connection(":memory:", flags: SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY)
        try connection.set("synchronous", "FULL", reads: "2")
        let error = #expect(throws: StorageError.self) { try connection.set("journal_mode", "WAL", reads: "wal") }
        #expect(error?.reason == .setting(asked: "journal_mode = wal", got: "memory"))
    }

    @Test("a second program cannot write while the journal has the database open")
    func exclusive() throws {
        let folder = try ScratchFolder()
        let (journal, _) = try Journal.open(folder.files)
        // POSIX locks do not show within a process: ask for them from another one.
        try journal.append([payload(1)])
        let child = Glibc.open(folder.files.database, O_RDWR)
        defer { close(child) }
        var lock = flock()
        lock.l_type = Int16(F_WRLCK)
        lock.l_whence = Int16(SEEK_SET)
        lock.l_start = 0x4000_0000
        lock.l_len = 512
        // F_OFD_GETLK sees the locks of this process too.
        lock.l_pid = 0
        #expect(fcntl(child, 36, &lock) == 0)
        #expect(lock.l_type != Int16(F_UNLCK))
    }

    @Test("an older schema number is migrated once, with its content, and a crash before that harms nothing")
    func migration() throws {
        let next = Schema(
            first: Schema.current.first,
            migrations: [
                Schema.Migration(
                    statements: ["CREATE TABLE note(text TEXT) STRICT"],
                    objects: Schema.current.first + [
                        Schema.Object(name: "note", sql: "CREATE TABLE note(text TEXT) STRICT")
                    ])
            ])
        let folder = try ScratchFolder()
        let files = folder.files
        do {
            let (journal, _) = try Journal.open(files)
            try journal.append([payload(1)])
        }
        for round in 1...3 {
            let (journal, recovered) = try Journal.open(files, vfs: nil, schema: next)
            #expect(recovered.events.count == round)
            try journal.append([payload(round + 1)])
        }
        let error = #expect(throws: StorageError.self) { try Journal.open(files) }
        guard case .damaged(let damage) = error?.reason else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(damage.kind == .newer)
    }

    @Test("the checksum of records is CRC-64/XZ")
    func checkValue() {
        #expect(CRC64.of(Array("123456789".utf8)) == 0x995D_C9BB_DF19_39FA)
    }

    @Test("a payload beyond the limit is refused and the journal goes on")
    func tooLarge() throws {
        let folder = try ScratchFolder()
        let (journal, _) = try Journal.open(folder.files)
        let error = #expect(throws: StorageError.self) {
            // Its pages are never touched.
            try journal.append([[UInt8](unsafeUninitializedCapacity: Journal.payloadLimit + 1) { $1 = $0.count }])
        }
        #expect(error?.reason == .tooLarge(limit: Journal.payloadLimit))
        try journal.append([payload(1)])
        #expect(journal.seq == 1)
        try journal.close()
        let closed = #expect(throws: StorageError.self) { try journal.append([payload(2)]) }
        #expect(closed?.reason == .closed)
        #expect(throws: StorageError.self) { try journal.rebuild(snapshot: []) }
        try #expect(Journal.open(folder.files).recovered.events == [payload(1)])
    }

    @Test("the lock is held by one at a time, names its holder, and ends with it")
    func lock() throws {
        let folder = try ScratchFolder()
        do {
            let lock = try StoreLock(folder: folder.files.folder)
            let error = #expect(throws: StorageError.self) { try StoreLock(folder: folder.files.folder) }
            #expect(error?.reason == .locked(pid: getpid()))
            #expect(mode(lock.file) == 0o600)
            withExtendedLifetime(lock) {}
        }
        _ = try StoreLock(folder: folder.files.folder)
    }
}
