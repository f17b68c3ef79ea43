/// The tables of the database and their number in `user_version`.
enum Schema {
    static let pageSize = 4_096
    static let number = 2
    /// Record numbers stay below this, so that counting on from one that was read cannot overflow.
    static let seqLimit: Int64 = 1 << 60

    /// The statements that make the tables, as `sqlite_schema` lists them.
    static let tables = [
        "CREATE TABLE record(seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, payload BLOB NOT NULL, "
            + "checksum INTEGER NOT NULL) STRICT",
        "CREATE TABLE store(id INTEGER PRIMARY KEY, state TEXT NOT NULL, first INTEGER NOT NULL, "
            + "last INTEGER NOT NULL) STRICT",
    ]

    /// Makes the tables in an empty database or in a transaction that has put older ones out of the way.
    static func create(_ connection: Connection, _ row: StoreRow) throws(StorageError) {
        for table in tables { try connection.run(table) }
        try connection.run("PRAGMA user_version = \(number)")
        try connection.run("INSERT INTO store(id, state, first, last) VALUES (1, '', 0, 0)")
        try row.write(connection)
    }
}

/// Whether the store is in use, or was when its process died.
enum StoreUse: String, Sendable {
    case open, closed
}

/// The one row of the table `store`, written when the store is opened or closed and when records are deleted.
struct StoreRow: Sendable, Hashable {
    var use: StoreUse
    /// The number of the first record; one above the last where there is none.
    var first: Int64
    /// The number of the last record when the row was written; 0 where there was none.
    var last: Int64

    /// The row of a database; nil where it makes no sense.
    init?(_ connection: Connection) throws(StorageError) {
        let query = try Statement(connection, "SELECT id, state, first, last FROM store")
        guard try query.step(), query.integer(0) == 1, let use = query.text(1).flatMap(StoreUse.init(rawValue:)),
            let first = query.integer(2), let last = query.integer(3), first >= 1, last >= first - 1,
            last < Schema.seqLimit, try !query.step()
        else { return nil }
        self.init(use: use, first: first, last: last)
    }

    init(use: StoreUse, first: Int64, last: Int64) {
        (self.use, self.first, self.last) = (use, first, last)
    }

    func write(_ connection: Connection) throws(StorageError) {
        let update = try Statement(connection, "UPDATE store SET state = ?1, first = ?2, last = ?3 WHERE id = 1")
        update.bind(1, use.rawValue)
        update.bind(2, first)
        update.bind(3, last)
        try update.run()
    }
}
