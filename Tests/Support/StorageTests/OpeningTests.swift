import CSQLite
import Glibc
import Testing

@testable import Storage

@Suite struct OpeningTests {
    private func mode(_ path: String) -> UInt32? {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o7777 : nil
    }

    @Test("directory and files are for their owner alone, and nothing else is left beside them")
    func modes() throws {
        let directory = try ScratchDirectory()
        mkdir(directory.files.directory, 0o755)
        let previous = umask(0)
        let (journal, _) = try Journal.open(directory.files)
        umask(previous)
        try journal.append([payload(1)])
        #expect(mode(directory.files.directory) == 0o700)
        #expect(names(in: directory.files.directory) == ["ledger.created", "ledger.db", "ledger.db-wal"])
        for path in [directory.files.database, directory.files.log, directory.files.marker] {
            #expect(mode(path) == 0o600)
        }
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
        let directory = try ScratchDirectory()
        let (journal, _) = try Journal.open(directory.files)
        // POSIX locks do not show within a process: ask for them from another one.
        try journal.append([payload(1)])
        let child = Glibc.open(directory.files.database, O_RDWR)
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

    @Test("opening alone changes nothing in the files, whatever a crash left in them")
    func opening() throws {
        let directory = try ScratchDirectory()
        let files = directory.files
        do {
            let (journal, _) = try Journal.open(files)
            try journal.append([payload(1)])
            try journal.append([payload(2)])
        }
        let database = try bytes(of: files.database)
        for dropped in [0, 100] {
            let log = Array(try #require(try bytes(of: files.log)).dropLast(dropped))
            try put(log, at: files.log)
            let (journal, recovered) = try Journal.open(files)
            #expect(recovered.events == (dropped == 0 ? [payload(1), payload(2)] : [payload(1)]))
            #expect(try bytes(of: files.log) == log)
            #expect(try bytes(of: files.database) == database)
            withExtendedLifetime(journal) {}
        }
        let (journal, _) = try Journal.open(files)
        try journal.begin()
        #expect(try bytes(of: files.log) == [])
    }

    @Test("the checksum of records is CRC-64/XZ")
    func checkValue() {
        #expect(CRC64.of(Array("123456789".utf8)) == 0x995D_C9BB_DF19_39FA)
    }

    @Test(
        "what the writer accepts the reader loads, up to the last byte; beyond that it is refused and the journal goes on"
    )
    func tooLarge() throws {
        let limit = 10_000
        let directory = try ScratchDirectory()
        let (journal, _) = try Journal.open(directory.files, payloadLimit: limit)
        let (largest, tooLarge) = (payload(1, length: limit), payload(1, length: limit + 1))
        for attempt in [
            { try journal.append([payload(2), tooLarge]) }, { try journal.compact(snapshot: tooLarge, retaining: 1) },
            { try journal.rebuild(snapshot: tooLarge) },
        ] as [() throws -> Void] {
            let error = #expect(throws: StorageError.self) { try attempt() }
            #expect(error?.reason == .tooLarge(limit: limit))
        }
        #expect(try journal.append([largest]) == 1)
        try journal.compact(snapshot: largest, retaining: 9)
        try journal.close()
        let closed = #expect(throws: StorageError.self) { try journal.append([payload(2)]) }
        #expect(closed?.reason == .closed)
        #expect(throws: StorageError.self) { try journal.rebuild(snapshot: []) }
        let (again, recovered) = try Journal.open(directory.files, payloadLimit: limit)
        #expect(recovered.snapshot == largest)
        #expect(try again.records(after: 0, limit: 9).map(\.payload) == [largest, largest])
    }

    @Test("the limit of a payload is the one that SQLite has, for the writer and for the reader")
    func limit() throws {
        let connection = try Connection(":memory:", flags: SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY)
        let most = sqlite3_limit(connection.handle, SQLITE_LIMIT_LENGTH, -1)
        #expect(Journal.payloadLimit + Connection.rowOverhead == Int(most))
        try connection.limit(payload: Journal.payloadLimit)
        #expect(throws: StorageError.self) { try connection.limit(payload: Journal.payloadLimit + 1) }
    }

    @Test("the lock is held by one at a time, names its holder, and ends with it")
    func lock() throws {
        let directory = try ScratchDirectory()
        do {
            let lock = try StoreLock(directory: directory.files.directory)
            let error = #expect(throws: StorageError.self) { try StoreLock(directory: directory.files.directory) }
            #expect(error?.reason == .locked(pid: getpid()))
            #expect(mode(lock.file) == 0o600)
            withExtendedLifetime(lock) {}
        }
        _ = try StoreLock(directory: directory.files.directory)
    }
}
