import CSQLite

/// The files opened by SQLite, with every setting read back, and transactions on them. Knows nothing of recovery.
final class OpenDatabase {
    private let files: StoreFiles
    private let connection: Connection
    private let begin: Statement
    private let commit: Statement
    private var writer: RecordWriter?
    /// The open files by path.
    let identities: [String: FileIdentity]
    /// What the files hold.
    private(set) var head: Head
    private let frames: FrameCount
    private let space: LogSpace
    /// How long the log is up to the last commit, in bytes.
    var logBytes: Int {
        frames.value == 0 ? 0 : WriteAheadLog.headerSize + frames.value * WriteAheadLog.frameSize
    }

    /// Opens files that `load` has found sound, completes what a crash interrupted and says "open" in them.
    init(
        _ files: StoreFiles, image: SQLiteImage, database: FileIdentity, schema: Schema, vfs: String?, logSpace: Int
    ) throws(StorageError) {
        self.files = files
        space = LogSpace(size: logSpace)
        connection = try Connection(files.database, flags: SQLITE_OPEN_READWRITE, vfs: vfs)
        // Closing must leave the files alone: after a failure they may not be what this process believes.
        try connection.configure(SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        try connection.configure(SQLITE_DBCONFIG_DEFENSIVE, true)
        try connection.configure(SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)
        // Exclusive before the first access: the index of the log is then in memory, with no file beside it.
        try connection.set("locking_mode", "EXCLUSIVE", reads: "exclusive")
        try connection.set("synchronous", "FULL", reads: "2")
        try connection.set("wal_autocheckpoint", "0", reads: "0")
        try connection.set("journal_size_limit", "-1", reads: "-1")
        try connection.set("cell_size_check", "ON", reads: "1")
        try connection.set("mmap_size", "0", reads: "0")
        try connection.set("temp_store", "MEMORY", reads: "2")
        // Appending touches a few pages only; the default would keep 2 MB of rows that nobody reads.
        try connection.set("cache_size", "-256", reads: "-256")
        // No frame may reach the log before its transaction commits, and no page may be blanked: see WriteAheadLog.
        try connection.set("cache_spill", "OFF", reads: "0")
        try connection.set("secure_delete", "OFF", reads: "0")
        let mode = try connection.text("PRAGMA journal_mode") ?? "nothing"
        guard mode == "wal" else {
            throw StorageError("open", file: files.database, .setting(asked: "journal_mode = wal", got: mode))
        }
        frames = FrameCount(connection)
        begin = try Statement(connection, "BEGIN IMMEDIATE")
        commit = try Statement(connection, "COMMIT")
        head = image.head
        let seen = image.schema == schema.number ? try Head(connection) : image.head
        guard let log = FileIdentity(path: files.log) else { throw StorageError("open", file: files.log, .moved) }
        identities = [files.database: database, files.log: log]
        guard seen == image.head, FileIdentity(path: files.database) == database else {
            throw StorageError("open", file: files.database, .moved)
        }
        // Drops the tail that a crash cut off before anything is written behind it.
        try checkpoint()
        if image.schema < schema.number {
            try transaction { () throws(StorageError) in try schema.migrate(connection, from: image.schema) }
            // New tables have blank pages, which must not stay in the log: see WriteAheadLog.
            try checkpoint()
        }
        writer = try RecordWriter(connection)
        if head.state == .closed { try setState(.open) }
        prepareSpace()
    }

    /// Throws where one of the paths no longer names the file that is open.
    func checkInPlace() throws(StorageError) {
        for (path, identity) in identities where FileIdentity(path: path) != identity {
            throw StorageError("write to", file: path, .moved)
        }
    }

    private func transaction(_ body: () throws(StorageError) -> Void) throws(StorageError) {
        // A transaction that began with the last 8 bytes of a block, and lost that block, could not be told from damage.
        if logBytes % WriteAheadLog.blockSize == WriteAheadLog.blockSize - 8 { try checkpoint() }
        try begin.run()
        try body()
        try commit.run()
    }

    /// Inserts the records in one transaction, durable on return; a snapshot replaces everything before it.
    func write(_ records: [[UInt8]], kind: RowKind) throws(StorageError) {
        guard let writer else { throw StorageError("write to", file: files.database, .closed) }
        var next = head
        try transaction { () throws(StorageError) in
            for record in records { try writer.insert(record, kind: kind, head: &next) }
            if kind.isSnapshot { try writer.delete(before: head.seq + 1) }
            try writer.update(next)
        }
        head = next
    }

    /// Continues the numbering behind `seq`, so that the next record is later than anything that may exist.
    func skip(to seq: Int64) { head.seq = max(head.seq, seq) }

    /// Writes the state and brings it into the database itself.
    func setState(_ state: HeadState) throws(StorageError) {
        guard let writer else { throw StorageError("write to", file: files.database, .closed) }
        var next = head
        next.state = state
        try transaction { () throws(StorageError) in try writer.update(next) }
        head = next
        try checkpoint()
    }

    /// Brings all of the log into the database, syncs it and empties the log.
    func checkpoint() throws(StorageError) {
        let code = sqlite3_wal_checkpoint_v2(connection.handle, "main", SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
        guard code == SQLITE_OK else { throw connection.error("checkpoint", code) }
        frames.value = 0
        space.reset()
        let size = try measureLog()
        guard size == 0 else {
            throw StorageError("empty", file: files.log, .setting(asked: "0 bytes", got: "\(size) bytes"))
        }
    }

    /// Writes zeros ahead of the frames where little is left of them; see `LogSpace`. What fails here fails silently.
    func prepareSpace() {
        let used = logBytes
        guard space.isShort(after: used) else { return }
        try? withLog("prepare") { file, methods in space.extend(file, methods, after: used) }
    }

    /// Cuts off whatever a failed transaction left behind the last commit, so that it cannot come back.
    func cutUncommitted() throws(StorageError) {
        let size = try measureLog()
        guard size > logBytes else { return }
        space.reset()
        let operation = "cut a failed write off"
        try withLog(operation) { file, methods in methods.xTruncate(file, Int64(logBytes)) }
        try withLog(operation) { file, methods in methods.xSync(file, SQLITE_SYNC_NORMAL) }
    }

    private func measureLog() throws(StorageError) -> Int {
        var size: Int64 = 0
        try withLog("measure") { file, methods in methods.xFileSize(file, &size) }
        return Int(size)
    }

    private func withLog(
        _ operation: String, _ body: (UnsafeMutablePointer<sqlite3_file>, sqlite3_io_methods) -> Int32
    ) throws(StorageError) {
        var file: UnsafeMutablePointer<sqlite3_file>?
        var code = sqlite3_file_control(connection.handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file)
        if code == SQLITE_OK {
            code = file.flatMap { file in file.pointee.pMethods.map { body(file, $0.pointee) } } ?? SQLITE_NOTFOUND
        }
        guard code == SQLITE_OK else { throw connection.error(operation, code, file: files.log) }
    }
}
