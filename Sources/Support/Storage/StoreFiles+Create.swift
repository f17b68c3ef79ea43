import CSQLite

extension StoreFiles {
    /// Makes a store that holds `snapshot`, in one step: a crash leaves either nothing or all of it.
    ///
    /// Only where ``isFresh()`` holds; hold the `StoreLock`.
    package func create(snapshot: [UInt8]) throws(StorageError) { try create(snapshot: (snapshot, 1)) }

    /// Makes a store that holds nothing, or a snapshot with the number given: under another name, synced, then linked into
    /// place.
    func create(snapshot: (bytes: [UInt8], seq: Int64)?, vfs: String? = nil) throws(StorageError) {
        try FileIO.prepareDirectory(directory)
        for path in [log, rollbackJournal] where try FileIO.exists(path) {
            throw StorageError("create", file: database, .occupied("\(path) is in the way"))
        }
        try removeNew()
        try FileIO.writeNew(newDatabase, [])
        do throws(StorageError) {
            try fill(snapshot, vfs)
            try FileIO.sync(newDatabase)
        } catch {
            // Somebody may need the room.
            try? removeNew()
            throw error
        }
        try FileIO.link(newDatabase, to: database)
        try FileIO.syncDirectory(directory)
        try FileIO.remove(newDatabase)
        try mark()
    }

    private func removeNew() throws(StorageError) {
        for suffix in ["-journal", "-wal", ""] { try FileIO.remove(newDatabase + suffix) }
    }

    private func fill(_ snapshot: (bytes: [UInt8], seq: Int64)?, _ vfs: String?) throws(StorageError) {
        let connection = try Connection(newDatabase, flags: SQLITE_OPEN_READWRITE, vfs: vfs)
        try connection.set("page_size", "\(Schema.pageSize)", reads: "\(Schema.pageSize)")
        try connection.set("locking_mode", "EXCLUSIVE", reads: "exclusive")
        try connection.transaction { () throws(StorageError) in
            try connection.run("PRAGMA application_id = \(Int32(bitPattern: applicationID))")
            let seq = snapshot?.seq ?? 0
            try Schema.create(connection, StoreRow(use: .closed, first: max(1, seq), last: seq))
            if let snapshot { try RecordInsertion(connection).run(snapshot.bytes, seq: seq, kind: .snapshot) }
        }
        try connection.set("journal_mode", "WAL", reads: "wal")
    }

    /// Leaves the sign that a database exists here.
    func mark() throws(StorageError) {
        guard try !FileIO.exists(marker) else { return }
        try FileIO.writeNew(marker, [])
        try FileIO.syncDirectory(directory)
    }

    /// Quarantines whatever is there (`<file>.<mark>-<n>`) and makes a store that holds `snapshot`.
    ///
    /// Hold the `StoreLock`, with no `Journal` open. May be repeated after a failure.
    /// - Returns: the names under which the quarantined files are found.
    package func restore(snapshot: [UInt8], mark: QuarantineMark = .corrupt) throws(StorageError) -> [String] {
        try FileIO.prepareDirectory(directory)
        var seq = (try? readLastGood().seq) ?? 0
        // Numbers that cannot be read any more may have been given: none of them comes twice.
        let isThere = try FileIO.exists(database)
        if isThere, highestSeq() == nil { seq += Self.unknownRecords }
        return try replace(snapshot: snapshot, after: seq, mark: mark)
    }

    /// How many numbers are left out where it cannot be read which were given.
    private static let unknownRecords: Int64 = 1 << 20

    /// Quarantines what there is and makes a new database that holds the snapshot with a number after `seq` and after all
    /// that can still be read.
    func replace(
        snapshot: [UInt8], after seq: Int64, mark: QuarantineMark = .corrupt, vfs: String? = nil
    ) throws(StorageError) -> [String] {
        let last = max(0, seq, highestSeq() ?? 0)
        // The log first: without its database it does no harm, the other way round SQLite would take it for another's.
        var quarantined: [String] = []
        for path in [log, rollbackJournal, database] {
            if let name = try FileIO.quarantine(path, mark) { quarantined.append(name) }
        }
        try FileIO.syncDirectory(directory)
        try create(snapshot: (snapshot, last + 1), vfs: vfs)
        return quarantined
    }

    /// The highest number of a record in files that may be corrupt; nil where it cannot be read.
    private func highestSeq() -> Int64? {
        guard let copy = try? StoreCopy.make(of: self),
            let connection = try? Connection(copy.files.database, flags: SQLITE_OPEN_READWRITE),
            (try? connection.set("locking_mode", "EXCLUSIVE", reads: "exclusive")) != nil,
            let seq = try? RecordReader(connection).highestSeq(), (0..<Schema.seqLimit - 1).contains(seq)
        else { return nil }
        return seq
    }
}
