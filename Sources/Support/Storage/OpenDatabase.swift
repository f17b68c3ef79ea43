import CSQLite

/// The files opened by SQLite, with every setting read back and their content checked; then transactions on them.
/// Nothing is written before `begin`.
final class OpenDatabase {
    private let files: StoreFiles
    private let connection: Connection
    private let name: String
    private var insertion: RecordInsertion?
    private let frames: FrameCount
    private var schema: Int
    private var row: StoreRow
    private var hasBegun = false
    /// The open files by path.
    let identities: [String: FileIdentity]
    /// What the files held when they were opened.
    let recovered: Recovered
    /// The number of the last record.
    private(set) var last: Int64

    /// The number of the first record.
    var first: Int64 { row.first }

    /// How long the log is up to the last commit, in bytes.
    var logBytes: Int { frames.value == 0 ? 0 : WriteAheadLog.headerSize + frames.value * WriteAheadLog.frameSize }

    /// Opens and checks files that exist.
    /// - Parameters:
    ///   - original: the files whose copy this is; for errors.
    ///   - payloadLimit: the largest payload of a record.
    /// - Throws: `StorageError`, with reason `corrupt` where the content cannot be trusted. The files are then untouched.
    init(
        _ files: StoreFiles, copyOf original: StoreFiles? = nil, vfs: String? = nil, payloadLimit: Int
    ) throws(StorageError) {
        self.files = files
        name = (original ?? files).database
        let hasLog = try FileIO.exists(files.log)
        try files.checkHeader(name: name)
        if hasLog { try WriteAheadLog.check(files.log, of: files.database, name: (original ?? files).log) }
        let database = FileIdentity(path: files.database)
        connection = try Connection(files.database, name: name, flags: SQLITE_OPEN_READWRITE, vfs: vfs)
        try Self.configure(connection, payloadLimit: payloadLimit)
        frames = FrameCount(connection)
        let reader = RecordReader(connection)
        schema = try reader.checkSchema(applicationID: files.applicationID)
        if schema == 1 {
            var recovered = Recovered.empty
            row = try FirstSchema.read(connection) { recovered.add($0.payload, kind: $0.kind) }
            recovered.seq = row.last
            self.recovered = recovered
        } else {
            (row, recovered) = try reader.content()
        }
        last = recovered.seq
        guard hasLog || row.use == .closed else { throw StorageError.missingLog(original ?? files) }
        guard let log = FileIdentity(path: files.log), let database, FileIdentity(path: files.database) == database
        else { throw StorageError("open", file: name, .moved) }
        identities = [files.database: database, files.log: log]
    }

    private static func configure(_ connection: Connection, payloadLimit: Int) throws(StorageError) {
        // Closing leaves the files alone: after a failure they may not be what this process believes.
        try connection.configure(SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        try connection.configure(SQLITE_DBCONFIG_DEFENSIVE, true)
        try connection.configure(SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)
        try connection.limit(payload: payloadLimit)
        // Exclusive before the first access: the index of the log is then in memory, with no file beside it.
        try connection.set("locking_mode", "EXCLUSIVE", reads: "exclusive")
        try connection.set("synchronous", "FULL", reads: "2")
        try connection.set("wal_autocheckpoint", "0", reads: "0")
        try connection.set("cell_size_check", "ON", reads: "1")
        try connection.set("mmap_size", "0", reads: "0")
        // How much of the log's file stays when the log starts anew.
        try connection.set("journal_size_limit", "\(2 * Journal.logLimit)", reads: "\(2 * Journal.logLimit)")
        // A transaction writes its pages to the log once, in order, when it commits: see WriteAheadLog.
        try connection.set("cache_spill", "OFF", reads: "0")
        // Compaction frees pages; some builds of SQLite would write zeros over each of them.
        try connection.set("secure_delete", "OFF", reads: "0")
        // Appending touches a few pages only; the default would keep 2 MB of rows that nobody reads.
        try connection.set("cache_size", "-256", reads: "-256")
        // Without it SQLite writes the frame that commits twice: see WriteAheadLog.
        try connection.checkPowersafeOverwrite()
        let mode = try connection.text("PRAGMA journal_mode") ?? "nothing"
        guard mode == "wal" else { throw connection.corrupt("its journal mode is \(mode) and not WAL") }
    }

    /// Readies sound files for writing, once: drops what a crash cut off, migrates, and marks the store open.
    func begin() throws(StorageError) {
        guard !hasBegun else { return }
        // The second name of the database, where its creation was cut off.
        try FileIO.remove(files.newDatabase)
        // The incomplete transaction must go before anything is written behind it.
        try checkpoint()
        if schema == 1 {
            try connection.transaction { () throws(StorageError) in try FirstSchema.migrate(connection) }
            schema = Schema.number
        }
        row.use = .open
        row.last = last
        try connection.transaction { () throws(StorageError) in try row.write(connection) }
        try checkpoint()
        try files.mark()
        insertion = try RecordInsertion(connection)
        hasBegun = true
    }

    /// Throws where one of the paths no longer names the file that is open.
    func checkInPlace() throws(StorageError) {
        for (path, identity) in identities where FileIdentity(path: path) != identity {
            throw StorageError("write to", file: path, .moved)
        }
    }

    private func insert(_ payload: [UInt8], _ seq: Int64, _ kind: RecordKind) throws(StorageError) {
        guard let insertion else { throw StorageError("write to", file: name, .closed) }
        try insertion.run(payload, seq: seq, kind: kind)
    }

    /// Adds events in one transaction, durable on return.
    /// - Returns: the number of the first.
    func append(_ payloads: [[UInt8]]) throws(StorageError) -> Int64 {
        let first = last + 1
        try connection.transaction { () throws(StorageError) in
            for (index, payload) in payloads.enumerated() { try insert(payload, first + Int64(index), .event) }
        }
        last += Int64(payloads.count)
        return first
    }

    /// Adds a snapshot and deletes all but the newest records, in one transaction.
    func compact(snapshot: [UInt8], retaining: Int) throws(StorageError) {
        let seq = last + 1
        let next = StoreRow(use: row.use, first: max(row.first, seq - Int64(max(1, retaining)) + 1), last: seq)
        try connection.transaction { () throws(StorageError) in
            try insert(snapshot, seq, .snapshot)
            try connection.run("DELETE FROM record WHERE seq < \(next.first)")
            try next.write(connection)
        }
        (row, last) = (next, seq)
    }

    /// Adds a snapshot behind all there is, in one transaction. Records above `acknowledged` were refused when they were appended: they
    /// are emptied.
    func restart(snapshot: [UInt8], acknowledged: Int64) throws(StorageError) {
        guard last >= acknowledged else {
            throw connection.corrupt("its records end at number \(last), although \(acknowledged) was stored")
        }
        var next = row
        next.last = last + 1
        try connection.transaction { () throws(StorageError) in
            for seq in max(acknowledged + 1, row.first)..<next.last {
                try connection.run("DELETE FROM record WHERE seq = \(seq)")
                try insert([], seq, .void)
            }
            try insert(snapshot, next.last, .snapshot)
            try next.write(connection)
        }
        (row, last) = (next, next.last)
    }

    /// Marks the store closed, in the database itself.
    func end() throws(StorageError) {
        var next = row
        (next.use, next.last) = (.closed, last)
        try connection.transaction { () throws(StorageError) in try next.write(connection) }
        row = next
        try checkpoint()
    }

    /// Brings all of the log into the database, syncs it and empties the log. What a failed transaction left in the log is
    /// gone then, too.
    func checkpoint() throws(StorageError) {
        try checkpoint(SQLITE_CHECKPOINT_TRUNCATE)
        let size = try FileReader(files.log).size
        guard size == 0 else {
            throw StorageError("empty", file: files.log, .setting(asked: "0 bytes", got: "\(size) bytes"))
        }
        // Synced, so that nothing of the old content can turn up behind what is written next: see WriteAheadLog.
        try FileIO.sync(files.log)
    }

    /// Brings all of the log into the database, syncs it and has the next commit write from the start of the log again. A
    /// commit into blocks that the file has already costs about half of one that makes the file grow.
    func restartLog() throws(StorageError) { try checkpoint(SQLITE_CHECKPOINT_RESTART) }

    private func checkpoint(_ mode: Int32) throws(StorageError) {
        let code = sqlite3_wal_checkpoint_v2(connection.handle, "main", mode, nil, nil)
        guard code == SQLITE_OK else { throw connection.error("checkpoint", code) }
        frames.value = 0
    }

    /// Up to `limit` records with numbers above `seq`.
    func records(after seq: Int64, limit: Int) throws(StorageError) -> [StoredRecord] {
        guard schema == 1 else { return try RecordReader(connection).records(after: seq, limit: limit) }
        var records: [StoredRecord] = []
        _ = try FirstSchema.read(connection) { record in
            if record.seq > seq && records.count < limit { records.append(record) }
        }
        return records
    }

    /// The number after which the newest `count` events come, of those up to `seq`; 0 where there are fewer.
    func start(ofNewestEvents count: Int, upTo seq: Int64) throws(StorageError) -> Int64 {
        guard schema == 1 else { return try RecordReader(connection).start(ofNewestEvents: count, upTo: seq) }
        var events: [Int64] = []
        _ = try FirstSchema.read(connection) { if $0.kind == .event, $0.seq <= seq { events.append($0.seq) } }
        return events.dropLast(max(0, count - 1)).last.map { $0 - 1 } ?? 0
    }
}

/// How many frames the log holds, as SQLite reports after each commit.
private final class FrameCount {
    var value = 0

    init(_ connection: Connection) {
        sqlite3_wal_hook(
            connection.handle,
            { count, _, _, frames in
                if let count { Unmanaged<FrameCount>.fromOpaque(count).takeUnretainedValue().value = Int(frames) }
                return SQLITE_OK
            }, Unmanaged.passUnretained(self).toOpaque())
    }
}
