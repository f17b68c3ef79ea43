import CSQLite

/// A store read from the bytes of its files: SQLite sees a copy in memory, never the files.
struct SQLiteImage: Sendable {
    private(set) var recovered: Recovered
    let head: Head
    /// The number of the schema in the files, before any migration of the copy.
    let schema: Int
    /// What to write into the log before SQLite reads it; nil where nothing is missing.
    private(set) var completion: WriteAheadLog.Completion?

    /// Reads the store.
    /// - Parameter log: the bytes of the write-ahead log; nil where there is no such file.
    /// - Throws: `Damage` wherever the content is not exactly what was acknowledged, as far as the files can tell.
    init(database: [UInt8], log: [UInt8]?, files: StoreFiles, schema: Schema = .current) throws(Damage) {
        let (image, frames) = try Self.assemble(database, log ?? [], files, schema)
        try self.init(image: image, files: files, schema: schema)
        if log == nil && head.state == .open {
            throw Damage(.missing, file: files.log, what: "is missing, although the store was not closed")
        }
        completion = frames.completion
        if case .unfinished(let bytes) = frames.tail { recovered.droppedBytes = bytes }
    }

    /// Reads the store from a database that needs no log.
    init(image: [UInt8], files: StoreFiles, schema: Schema) throws(Damage) {
        self.schema = Int(Self.big(image, 60))
        let reader = try Reader(image, file: files.database)
        try reader.check(schema, number: self.schema)
        head = try reader.head()
        recovered = try reader.records(until: head)
    }

    /// The database with the committed pages of the log in their places, and what was read of the log.
    static func assemble(
        _ database: [UInt8], _ log: [UInt8], _ files: StoreFiles, _ schema: Schema
    ) throws(Damage) -> (image: [UInt8], frames: WriteAheadLog) {
        try checkHeader(database, files: files, schema: schema)
        let frames = try WriteAheadLog(log, file: files.log)
        let image = try assemble(database, frames, file: files.database)
        try checkHeader(image, files: files, schema: schema)
        return (image, frames)
    }

    private static func big(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
        bytes.withUnsafeBytes { UInt32(bigEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self)) }
    }

    /// Checks the fields of the database header that are the same in every state of a store.
    /// Source: "Database File Format", section 1.3.
    static func checkHeader(_ bytes: [UInt8], files: StoreFiles, schema: Schema) throws(Damage) {
        func damage(_ kind: Damage.Kind, _ what: String) -> Damage { Damage(kind, file: files.database, what: what) }
        guard bytes.count >= 100 else { throw damage(.malformed, "only \(bytes.count) bytes long") }
        guard bytes.starts(with: Array("SQLite format 3\0".utf8)) else {
            throw damage(.foreign, "not a SQLite database")
        }
        let application = big(bytes, 68)
        guard application == files.applicationID else {
            throw damage(
                .foreign,
                "belongs to another application: application_id 0x\(String(application, radix: 16)) instead of 0x"
                    + String(files.applicationID, radix: 16))
        }
        let number = big(bytes, 60)
        guard number <= UInt32(schema.number) else {
            throw damage(
                .newer,
                "has schema number \(number), newer than \(schema.number), which this version knows: use a newer version"
            )
        }
        guard number >= 1 else { throw damage(.malformed, "has schema number 0") }
        // Page size 4096, write-ahead log, no reserved bytes, payload fractions; schema format 4; no vacuum; UTF-8.
        let constant =
            big(bytes, 16) == 0x1000_0202 && big(bytes, 20) == 0x0040_2020 && big(bytes, 44) == 4
            && big(bytes, 52) == 0 && big(bytes, 56) == 1 && big(bytes, 64) == 0
            && stride(from: 72, to: 92, by: 4).allSatisfy { big(bytes, $0) == 0 }
        guard constant else { throw damage(.malformed, "its header has fields that Berth never writes") }
    }

    private static func assemble(
        _ database: [UInt8], _ frames: WriteAheadLog, file: String
    ) throws(Damage) -> [UInt8] {
        let pageSize = WriteAheadLog.pageSize
        guard frames.databasePages > 0 else {
            let count = Int(big(database, 28))
            guard count > 0, count * pageSize == database.count, big(database, 24) == big(database, 92) else {
                throw Damage(
                    .malformed, file: file, what: "is \(database.count) bytes long where its header says \(count) pages"
                )
            }
            return database
        }
        let count = frames.databasePages
        // Pages beyond the database's end all come from the log, so their number is bounded by its size.
        guard count <= database.count / pageSize + frames.pages.count + 1 else {
            throw Damage(.malformed, file: file, what: "is cut: \(database.count) bytes of \(count) pages")
        }
        for page in 1...count where page * pageSize > database.count && frames.pages[UInt32(page)] == nil {
            throw Damage(.malformed, file: file, what: "is cut: page \(page) of \(count) is missing")
        }
        let image = [UInt8](unsafeUninitializedCapacity: count * pageSize) { image, initialized in
            let whole = UnsafeMutableRawBufferPointer(image)
            database.withUnsafeBytes {
                whole.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0.prefix(whole.count)))
            }
            frames.bytes.withUnsafeBytes { log in
                for (page, offset) in frames.pages where page <= count {
                    let start = (Int(page) - 1) * pageSize
                    let target = UnsafeMutableRawBufferPointer(rebasing: whole[start..<start + pageSize])
                    target.copyMemory(from: UnsafeRawBufferPointer(rebasing: log[offset..<offset + pageSize]))
                }
            }
            initialized = count * pageSize
        }
        guard big(image, 28) == count, big(image, 24) == big(image, 92) else {
            throw Damage(.malformed, file: file, what: "its header does not fit the write-ahead log")
        }
        return image
    }
}

extension SQLiteImage {
    /// A connection to the copy in memory.
    private final class Reader {
        let connection: Connection
        let file: String

        init(_ image: [UInt8], file: String) throws(Damage) {
            self.file = file
            do throws(StorageError) {
                connection = try Connection(":memory:", flags: SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY)
                try connection.configure(SQLITE_DBCONFIG_DEFENSIVE, true)
                try connection.configure(SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)
                let size = Int64(image.count)
                let memory = sqlite3_malloc64(UInt64(image.count))?.assumingMemoryBound(to: UInt8.self)
                guard let memory else { throw connection.error("load", SQLITE_NOMEM) }
                image.withUnsafeBufferPointer { source in
                    if let base = source.baseAddress { memory.update(from: base, count: image.count) }
                }
                // An image in memory has no log: say "rollback journal" in its header. SQLite frees the memory.
                memory[18] = 1
                memory[19] = 1
                let flags = UInt32(SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE)
                let code = sqlite3_deserialize(connection.handle, "main", memory, size, size, flags)
                guard code == SQLITE_OK else { throw connection.error("load", code) }
            } catch {
                throw Damage(.malformed, file: file, what: error.description)
            }
        }

        /// Runs a step; whatever SQLite says against it is damage.
        private func damaging<R>(_ body: () throws(StorageError) -> R) throws(Damage) -> R {
            do throws(StorageError) {
                return try body()
            } catch {
                guard case .sqlite(_, _, let message) = error.reason else {
                    throw Damage(.malformed, file: file, what: error.description)
                }
                throw Damage(.malformed, file: file, what: message)
            }
        }

        func check(_ schema: Schema, number: Int) throws(Damage) {
            let integrity = try damaging { () throws(StorageError) in try connection.text("PRAGMA integrity_check(1)") }
            guard integrity == "ok" else {
                throw Damage(.malformed, file: file, what: "integrity check: \(integrity ?? "no answer")")
            }
            let objects = try damaging { () throws(StorageError) in
                var objects: [Schema.Object] = []
                let query = try Statement(connection, "SELECT name, sql FROM sqlite_schema ORDER BY rowid")
                while try query.step() {
                    objects.append(Schema.Object(name: query.text(0) ?? "", sql: query.text(1) ?? ""))
                }
                return objects
            }
            guard objects == schema.objects(at: number) else {
                throw Damage(.malformed, file: file, what: "its tables are not those of schema number \(number)")
            }
            if number < schema.number {
                try damaging { () throws(StorageError) in try schema.migrate(connection, from: number) }
            }
        }

        func head() throws(Damage) -> Head {
            let head = try damaging { () throws(StorageError) in try Head(connection) }
            guard let head else { throw Damage(.malformed, file: file, what: "its head record is damaged") }
            return head
        }

        func records(until head: Head) throws(Damage) -> Recovered {
            let query = try damaging { () throws(StorageError) in
                try Statement(connection, "SELECT seq, kind, payload, chain FROM record ORDER BY seq")
            }
            var assembly = RecordAssembly()
            while try damaging({ () throws(StorageError) in try query.step() }) {
                let fits = query.withBlob(2) { part in
                    assembly.add(seq: query.integer(0), kind: query.integer(1), part: part, chain: query.integer(3))
                }
                guard fits == true else {
                    let after =
                        assembly.recovered.seq == 0 ? "the first" : "the one after number \(assembly.recovered.seq)"
                    throw Damage(
                        .malformed, file: file, what: "a record (\(after)) is damaged, missing or out of place")
                }
            }
            guard assembly.isComplete, assembly.recovered.seq == head.seq, assembly.recovered.chain == head.chain else {
                throw Damage(
                    .malformed, file: file,
                    what: "its records end at number \(assembly.recovered.seq), its head record says \(head.seq)")
            }
            return assembly.recovered
        }
    }
}
