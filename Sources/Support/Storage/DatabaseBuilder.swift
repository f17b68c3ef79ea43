import CSQLite

/// Makes a new database as bytes in memory and puts it in place in one step, so that a crash leaves all of it or nothing.
enum DatabaseBuilder {
    /// The bytes of a closed store that holds `snapshot` as row `seq` and before, or nothing.
    static func image(
        files: StoreFiles, schema: Schema, snapshot: (bytes: [UInt8], firstSeq: Int64)?
    ) throws(StorageError) -> [UInt8] {
        let connection = try Connection(":memory:", flags: SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY)
        try connection.set("page_size", "\(WriteAheadLog.pageSize)", reads: "\(WriteAheadLog.pageSize)")
        try connection.run("BEGIN")
        for object in schema.objects(at: schema.number) ?? [] { try connection.run(object.sql) }
        try connection.run("PRAGMA application_id = \(Int32(bitPattern: files.applicationID))")
        try connection.run("PRAGMA user_version = \(schema.number)")
        let writer = try RecordWriter(connection)
        try connection.run("INSERT INTO head(id, seq, chain, state, checksum) VALUES (1, 0, 0, '', 0)")
        var head = Head.empty
        if let snapshot {
            head.seq = snapshot.firstSeq - 1
            try writer.insert(snapshot.bytes, kind: .snapshot, head: &head)
        }
        try writer.update(head)
        try connection.run("COMMIT")

        var size: Int64 = 0
        guard let memory = sqlite3_serialize(connection.handle, "main", &size, 0) else {
            throw connection.error("create", SQLITE_NOMEM, file: files.database)
        }
        defer { sqlite3_free(memory) }
        var bytes = Array(UnsafeBufferPointer(start: memory, count: Int(size)))
        guard bytes.count >= WriteAheadLog.pageSize else {
            throw connection.error("create", SQLITE_INTERNAL, file: files.database)
        }
        // A database in memory knows no write-ahead log and counts no changes: fill these fields of the header in.
        bytes[18] = 2
        bytes[19] = 2
        bytes.replaceSubrange(24..<28, with: [0, 0, 0, 1])
        bytes.replaceSubrange(92..<96, with: [0, 0, 0, 1])
        return bytes
    }

    /// Writes the database under another name, syncs it, then gives it its own, which must be free.
    static func place(_ bytes: [UInt8], files: StoreFiles) throws(StorageError) {
        for path in [files.log, files.rollbackJournal] where try FileIO.exists(path) {
            throw StorageError("create", file: files.database, .occupied("\(path) is in the way"))
        }
        try FileIO.writeNew(files.newDatabase, bytes)
        try FileIO.link(files.newDatabase, to: files.database)
        try FileIO.syncFolder(files.folder)
        try FileIO.remove(files.newDatabase)
        try mark(files)
    }

    /// Leaves the sign that a database exists here.
    static func mark(_ files: StoreFiles) throws(StorageError) {
        guard try !FileIO.exists(files.marker) else { return }
        try FileIO.writeNew(files.marker, [])
        try FileIO.syncFolder(files.folder)
    }
}
