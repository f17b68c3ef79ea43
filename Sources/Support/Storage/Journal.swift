/// A durable log of records in SQLite: what `append` has returned from survives a killed process, a full disk and a power
/// loss, and what it has thrown for never comes back, except as docs/storage.md says ("What is not detected").
///
/// The owner's state in memory is the authority. It opens the journal, brings its state up to what was recovered, and then
/// writes each change before it says yes to anybody. After a failure it asks for `rebuild`.
///
/// Not `Sendable`: open, use and release it on one thread (or one serial executor), and hold a `StoreLock` all the while.
package final class Journal {
    /// The files it lives in.
    package let files: StoreFiles
    private let vfs: String?
    private let payloadLimit: Int
    private var database: OpenDatabase?
    /// The files opened last, to tell them from others at their paths; empty where none are known.
    private var ours: [String: FileIdentity] = [:]
    private var failure: String?
    private var isClosed = false
    /// The number of the last record that was stored.
    package private(set) var seq: Int64
    /// Records appended since the last snapshot (since the start, where there is none).
    package private(set) var recordsSinceSnapshot: Int

    /// The largest payload of a record, in bytes: what SQLite stores in a row.
    package static let payloadLimit = 1_000_000_000 - Connection.rowOverhead
    /// How long the write-ahead log may grow, in bytes, before `append` empties it first.
    static let logLimit = 4 << 20
    /// From which length on `maintain` empties it.
    static let idleLogLimit = 1 << 19

    /// How long the write-ahead log is, in bytes.
    package var logBytes: Int { database?.logBytes ?? 0 }
    /// The number of the oldest record that is retained.
    package var oldest: Int64 { database?.first ?? seq }
    /// Why nothing can be appended until `rebuild` has succeeded; nil while all is well.
    package var failed: String? { failure }

    /// Opens the store and checks all that is in it, creating the directory (mode 0700) and an empty store where nothing was
    /// ever stored. Nothing is written to a store that exists before ``begin()``.
    /// - Parameters:
    ///   - files: where it lives.
    ///   - vfs: the name of the SQLite VFS to use, for tests; nil for the system's own.
    /// - Returns: the journal and what it holds.
    /// - Throws: `StorageError`, with reason `corrupt` where the content cannot be trusted; the files are then untouched.
    package static func open(
        _ files: StoreFiles, vfs: String? = nil
    ) throws(StorageError) -> (journal: Journal, recovered: Recovered) {
        try open(files, vfs: vfs, payloadLimit: payloadLimit)
    }

    static func open(
        _ files: StoreFiles, vfs: String? = nil, payloadLimit: Int
    ) throws(StorageError) -> (journal: Journal, recovered: Recovered) {
        try FileIO.prepareDirectory(files.directory)
        let isFresh = try files.isFresh()
        if isFresh { try files.create(snapshot: nil, vfs: vfs) }
        let database = try open(files, vfs, payloadLimit, isNew: isFresh)
        let recovered = database.recovered
        let journal = Journal(files, vfs: vfs, payloadLimit: payloadLimit, holding: recovered)
        journal.database = database
        journal.ours = database.identities
        return (journal, recovered)
    }

    private static func open(
        _ files: StoreFiles, _ vfs: String?, _ payloadLimit: Int, isNew: Bool = false
    ) throws(StorageError) -> OpenDatabase {
        // SQLite makes a log where there is none: find out first whether it should be there, from a copy.
        if !isNew, try !FileIO.exists(files.log), case .corrupt(let corruption) = try files.inspect() {
            throw StorageError("open", file: corruption.file, .corrupt(corruption))
        }
        return try OpenDatabase(files, vfs: vfs, payloadLimit: payloadLimit)
    }

    /// A journal that has failed before it was opened: for an owner who knows what a sound store holds, but could not `open`
    /// it for writing (a full disk, one that is read-only). `rebuild` opens it as soon as that can be done.
    package convenience init(
        unopened files: StoreFiles, vfs: String? = nil, holding: Recovered, after error: StorageError
    ) {
        self.init(files, vfs: vfs, payloadLimit: Self.payloadLimit, holding: holding)
        failure = error.description
    }

    private init(_ files: StoreFiles, vfs: String?, payloadLimit: Int, holding recovered: Recovered) {
        self.files = files
        self.vfs = vfs
        self.payloadLimit = payloadLimit
        seq = recovered.seq
        recordsSinceSnapshot = recovered.events.count
    }

    // MARK: - Writing

    /// Readies the files for writing: drops what a crash cut off, migrates an older schema, marks the store open. The first
    /// `append`, `compact`, `maintain` or `close` does this otherwise.
    package func begin() throws(StorageError) { try attempt { _ in } }

    /// Writes the payloads as events, all in one transaction with one sync; durable on return.
    ///
    /// An empty list does nothing. On a throw none of them is stored, and except for `tooLarge` nothing can be appended
    /// until `rebuild` has succeeded.
    /// - Returns: the number of the first; the others follow it.
    @discardableResult
    package func append(_ payloads: [[UInt8]]) throws(StorageError) -> Int64 {
        try check(payloads)
        var first = seq + 1
        guard !payloads.isEmpty else { return first }
        try attempt { (database) throws(StorageError) in
            // Here and not after the commit: what throws must not have been stored.
            if database.logBytes > Self.logLimit { try database.restartLog() }
            first = try database.append(payloads)
        }
        recordsSinceSnapshot += payloads.count
        return first
    }

    /// Writes the whole state as a snapshot and deletes all but the newest `retaining` records (the snapshot is one of them
    /// and always stays), in one transaction; then empties the write-ahead log. On a throw the content is what it was,
    /// with or without this step, and `rebuild` must follow.
    package func compact(snapshot: [UInt8], retaining: Int) throws(StorageError) {
        try check([snapshot])
        try attempt { (database) throws(StorageError) in
            try database.compact(snapshot: snapshot, retaining: retaining)
            try database.restartLog()
        }
        recordsSinceSnapshot = 0
    }

    /// Empties the write-ahead log where it has grown past 512 KiB: for the owner's idle moments, so that `append` need not.
    package func maintain() throws(StorageError) { try maintain(above: Self.idleLogLimit) }

    func maintain(above limit: Int) throws(StorageError) {
        try attempt { (database) throws(StorageError) in
            if database.logBytes > limit { try database.restartLog() }
        }
    }

    /// Marks the store closed in the database, empties the write-ahead log and closes the files. The journal is of no use
    /// afterwards, also on a throw. A journal released without this is like one whose process was killed: sound.
    package func close() throws(StorageError) {
        defer {
            database = nil
            isClosed = true
        }
        try attempt { (database) throws(StorageError) in try database.end() }
    }

    private func check(_ payloads: [[UInt8]]) throws(StorageError) {
        guard payloads.allSatisfy({ $0.count <= payloadLimit }) else {
            throw StorageError("write to", file: files.database, .tooLarge(limit: payloadLimit))
        }
    }

    /// Runs a step on the open database; where it fails, takes back what may have reached the log and marks the failure.
    private func attempt(_ body: (OpenDatabase) throws(StorageError) -> Void) throws(StorageError) {
        if let failure { throw StorageError("write to", file: files.database, .failed(failure)) }
        guard let database else { throw StorageError("write to", file: files.database, .closed) }
        do throws(StorageError) {
            try database.checkInPlace()
            try database.begin()
            try body(database)
            seq = database.last
        } catch {
            failure = error.description
            // The log may hold all of a transaction that failed: empty it. Where this fails too, `rebuild` does it first.
            if error.reason != .moved { try? database.checkpoint() }
            throw error
        }
    }

    // MARK: - Reading

    /// Up to `limit` records with numbers above `seq`, in order: history that compaction retained, snapshots, events.
    package func records(after seq: Int64, limit: Int) throws(StorageError) -> [StoredRecord] {
        guard let database else { throw StorageError("read", file: files.database, .closed) }
        return try database.records(after: seq, limit: limit).filter { $0.seq <= self.seq }
    }

    /// The number after which the newest `count` events come; 0 where there are fewer.
    package func start(ofNewestEvents count: Int) throws(StorageError) -> Int64 {
        guard let database else { throw StorageError("read", file: files.database, .closed) }
        return try database.start(ofNewestEvents: count, upTo: seq)
    }

    // MARK: - Rebuilding

    /// Brings the files back to the owner's state after a failure.
    ///
    /// Sound files are reopened and get the snapshot as their newest record; earlier records stay. Files that are corrupt or
    /// gone are quarantined (`<file>.damaged-<n>`) and made anew. Something else in their place is left alone and named in
    /// the error. May be called again until it succeeds; also on a journal that has not failed.
    package func rebuild(snapshot: [UInt8]) throws(StorageError) {
        try check([snapshot])
        guard !isClosed else { throw StorageError("rebuild", file: files.database, .closed) }
        failure = failure ?? "rebuilding"
        do throws(StorageError) {
            for (path, identity) in ours where FileIdentity(path: path) != identity {
                guard try FileIO.exists(path) else { continue }
                throw StorageError(
                    "rebuild", file: path, .occupied("another file has taken its place; it is left alone"))
            }
            try? database?.checkpoint()
            database = nil
            try reopen(snapshot)
        } catch {
            failure = error.description
            throw error
        }
        failure = nil
        recordsSinceSnapshot = 0
    }

    private func reopen(_ snapshot: [UInt8]) throws(StorageError) {
        do throws(StorageError) {
            let isFresh = try files.isFresh()
            let opened = isFresh ? nil : try Self.open(files, vfs, payloadLimit)
            if let opened {
                try opened.begin()
                try opened.restart(snapshot: snapshot, acknowledged: seq)
                return try attach(opened)
            }
        } catch {
            guard case .corrupt(let corruption) = error.reason, ![.foreign, .newer].contains(corruption.kind) else {
                throw error
            }
        }
        ours = [:]
        _ = try files.replace(snapshot: snapshot, after: seq, vfs: vfs)
        let opened = try Self.open(files, vfs, payloadLimit, isNew: true)
        try opened.begin()
        try attach(opened)
    }

    private func attach(_ opened: OpenDatabase) throws(StorageError) {
        try opened.checkpoint()
        database = opened
        ours = opened.identities
        seq = opened.last
    }
}
