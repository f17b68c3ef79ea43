/// A durable log of records in SQLite, opened the one right way: what `append` has returned from survives a killed
/// process, a full disk and a power loss, and what it has thrown for never comes back.
///
/// The owner's state in memory is the authority. It opens the journal, brings its state up to what was recovered, and then
/// writes each change before it says yes to anybody. After a failure it asks for `rebuild`.
///
/// Not `Sendable`: open, use and release it on one thread (or one serial executor), and hold a `StoreLock` all the while.
package final class Journal {
    /// The files it lives in.
    package let files: StoreFiles
    private let schema: Schema
    private let vfs: String?
    private let logSpace: Int
    private var database: OpenDatabase?
    /// The files opened last, to tell them from others at their paths; empty where none are known.
    private var ours: [String: FileIdentity] = [:]
    private var failure: String?
    private var isClosed = false
    private var lastHead: Head
    /// Records appended since the last snapshot (since the start, where there is none).
    package private(set) var recordsSinceSnapshot: Int

    /// The largest payload of a record, in bytes (1 GiB).
    package static let payloadLimit = 1 << 30
    /// How long the write-ahead log may grow, in bytes, before `append` empties it first.
    static let logLimit = 4 << 20
    /// From which length on `maintain` empties it.
    static let idleLogLimit = 1 << 19
    /// How much of the write-ahead log is written ahead at a time, in bytes.
    static let logSpace = 1 << 20

    /// The number of the last row. A record of more than 4,000 bytes takes several rows; numbers never go back.
    package var seq: Int64 { lastHead.seq }
    /// The checksum chained up to `seq`.
    package var chain: UInt64 { lastHead.chain }
    /// How long the write-ahead log is, in bytes.
    package var logBytes: Int { database?.logBytes ?? 0 }
    /// Why nothing can be appended until `rebuild` has succeeded; nil while all is well.
    package var failed: String? { failure }

    /// Opens the store, creating the folder (mode 0700) and an empty store where nothing was ever stored.
    /// - Parameters:
    ///   - files: where it lives.
    ///   - vfs: the name of the SQLite VFS to use, for tests; nil for the system's own.
    /// - Returns: the journal and what it holds.
    /// - Throws: `StorageError`, with reason `damaged` where the content cannot be trusted; the files are then untouched.
    package static func open(
        _ files: StoreFiles, vfs: String? = nil
    ) throws(StorageError) -> (journal: Journal, recovered: Recovered) {
        try open(files, vfs: vfs, schema: .current, logSpace: logSpace)
    }

    static func open(
        _ files: StoreFiles, vfs: String?, schema: Schema = .current, logSpace: Int = logSpace
    ) throws(StorageError) -> (journal: Journal, recovered: Recovered) {
        try FileIO.prepareFolder(files.folder)
        var loaded = try files.load(schema: schema)
        if case .fresh = loaded {
            try DatabaseBuilder.place(
                try DatabaseBuilder.image(files: files, schema: schema, snapshot: nil), files: files)
            loaded = try files.load(schema: schema)
        }
        let (image, identity) = try files.sound(loaded)
        let journal = Journal(files, schema: schema, vfs: vfs, logSpace: logSpace, head: image.head)
        try journal.attach(image, identity)
        journal.recordsSinceSnapshot = image.recovered.events.count
        return (journal, image.recovered)
    }

    /// A journal that has failed before it was opened: for an owner who knows what a sound store holds, but could not `open`
    /// it for writing (a full disk, one that is read-only). `rebuild` opens it as soon as that can be done.
    package convenience init(
        unopened files: StoreFiles, vfs: String? = nil, holding: Recovered, after error: StorageError
    ) {
        let head = Head(seq: holding.seq, chain: holding.chain, state: .open)
        self.init(files, schema: .current, vfs: vfs, logSpace: Self.logSpace, head: head)
        recordsSinceSnapshot = holding.events.count
        failure = error.description
    }

    private init(_ files: StoreFiles, schema: Schema, vfs: String?, logSpace: Int, head: Head) {
        self.files = files
        self.schema = schema
        self.vfs = vfs
        self.logSpace = logSpace
        lastHead = head
        recordsSinceSnapshot = 0
    }

    private func attach(_ image: SQLiteImage, _ identity: FileIdentity) throws(StorageError) {
        try FileIO.remove(files.newDatabase)
        if let completion = image.completion {
            try FileIO.overwrite(files.log, completion.bytes, at: completion.offset)
        }
        let opened = try OpenDatabase(
            files, image: image, database: identity, schema: schema, vfs: vfs, logSpace: logSpace)
        database = opened
        ours = opened.identities
        try DatabaseBuilder.mark(files)
    }

    /// Writes the payloads as events, all in one transaction with one sync; durable on return.
    ///
    /// An empty list does nothing. On a throw none of them is stored, and except for `tooLarge` nothing can be appended
    /// until `rebuild` has succeeded.
    package func append(_ payloads: [[UInt8]]) throws(StorageError) {
        guard !payloads.isEmpty else { return }
        try check(payloads)
        try attempt { (database) throws(StorageError) in
            // Here and not after the commit: what throws must not have been stored.
            if database.logBytes > Self.logLimit { try database.checkpoint() }
            database.prepareSpace()
            try database.write(payloads, kind: .event)
        }
        recordsSinceSnapshot += payloads.count
    }

    /// Writes the whole state as a snapshot and deletes every record before it, in one transaction; then empties the
    /// write-ahead log. On a throw the content is what it was, with or without this step, and `rebuild` must follow.
    package func compact(snapshot: [UInt8]) throws(StorageError) {
        try check([snapshot])
        try attempt { (database) throws(StorageError) in
            try database.write([snapshot], kind: .snapshot)
            try database.checkpoint()
            database.prepareSpace()
        }
        recordsSinceSnapshot = 0
    }

    /// Empties the write-ahead log where it has grown past 512 KiB: for the owner's idle moments, so that `append` need not.
    package func maintain() throws(StorageError) { try maintain(above: Self.idleLogLimit) }

    func maintain(above limit: Int) throws(StorageError) {
        try attempt { (database) throws(StorageError) in
            guard database.logBytes > limit else { return }
            try database.checkpoint()
            database.prepareSpace()
        }
    }

    /// Says "closed" in the database, empties the write-ahead log and closes the files. The journal is of no use
    /// afterwards, also on a throw. A journal released without this is like one whose process was killed: sound.
    package func close() throws(StorageError) {
        defer {
            database = nil
            isClosed = true
        }
        try attempt { (database) throws(StorageError) in try database.setState(.closed) }
    }

    private func check(_ payloads: [[UInt8]]) throws(StorageError) {
        guard payloads.allSatisfy({ $0.count <= Self.payloadLimit }) else {
            throw StorageError("write to", file: files.database, .tooLarge(limit: Self.payloadLimit))
        }
    }

    /// Runs a step on the open database; where it fails, takes back what may have reached the log and marks the failure.
    private func attempt(_ body: (OpenDatabase) throws(StorageError) -> Void) throws(StorageError) {
        if let failure { throw StorageError("write to", file: files.database, .failed(failure)) }
        guard let database else { throw StorageError("write to", file: files.database, .closed) }
        do throws(StorageError) {
            try database.checkInPlace()
            try body(database)
            lastHead = database.head
        } catch {
            failure = error.description
            // Where this fails too, `rebuild` does it before anything else.
            try? database.cutUncommitted()
            throw error
        }
    }

    /// Brings the files back to the owner's state after a failure.
    ///
    /// Sound files are reopened and get the snapshot as their newest record. Files that are damaged or gone are set aside
    /// (`<file>.damaged-<n>`) and made anew. Something else in their place is left alone and named in the error.
    /// May be called again until it succeeds; also on a journal that has not failed.
    package func rebuild(snapshot: [UInt8]) throws(StorageError) {
        try check([snapshot])
        guard !isClosed else { throw StorageError("rebuild", file: files.database, .closed) }
        failure = failure ?? "rebuilding"
        do throws(StorageError) {
            try reopen(snapshot)
        } catch {
            failure = error.description
            throw error
        }
        failure = nil
        recordsSinceSnapshot = 0
    }

    private func reopen(_ snapshot: [UInt8]) throws(StorageError) {
        try database?.cutUncommitted()
        for (path, identity) in ours where FileIdentity(path: path) != identity {
            guard try FileIO.exists(path) else { continue }
            throw StorageError("rebuild", file: path, .occupied("another file has taken its place; it is left alone"))
        }
        database = nil
        switch try files.load(schema: schema) {
        case .image(let image, let identity):
            try attach(image, identity)
        case .damaged(let damage) where damage.kind == .foreign || damage.kind == .newer:
            throw StorageError("rebuild", file: damage.file, .damaged(damage))
        case .damaged, .fresh:
            try files.replace(snapshot: snapshot, after: lastHead.seq, schema: schema)
            ours = [:]
            let (image, identity) = try files.sound(try files.load(schema: schema))
            try attach(image, identity)
            lastHead = image.head
            return
        }
        guard let database else { throw StorageError("rebuild", file: files.database, .closed) }
        database.skip(to: lastHead.seq)
        try database.write([snapshot], kind: .snapshot)
        try database.checkpoint()
        database.prepareSpace()
        lastHead = database.head
    }
}

extension StoreFiles {
    /// What was loaded, where it is sound.
    func sound(_ loaded: Loaded) throws(StorageError) -> (SQLiteImage, FileIdentity) {
        switch loaded {
        case .image(let image, let database): return (image, database)
        case .damaged(let damage): throw StorageError("open", file: damage.file, .damaged(damage))
        case .fresh: throw StorageError("open", file: database, .absent)
        }
    }

    /// Sets what there is aside and makes a new database that holds the snapshot with a number after `seq`.
    @discardableResult
    func replace(
        snapshot: [UInt8], after seq: Int64, schema: Schema, mark: SetAsideMark = .damaged
    ) throws(StorageError) -> [String] {
        let image = try DatabaseBuilder.image(files: self, schema: schema, snapshot: (snapshot, seq + 1))
        // The log first: without its database it does no harm, the other way round SQLite would take it for another's.
        var setAside: [String] = []
        for path in [log, rollbackJournal, database] {
            if let name = try FileIO.setAside(path, mark) { setAside.append(name) }
        }
        try FileIO.syncFolder(folder)
        try DatabaseBuilder.place(image, files: self)
        return setAside
    }
}
