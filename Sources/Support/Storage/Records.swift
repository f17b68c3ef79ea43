/// Inserts records.
final class RecordInsertion {
    private let statement: Statement

    init(_ connection: Connection) throws(StorageError) {
        statement = try Statement(
            connection, "INSERT INTO record(seq, kind, payload, checksum) VALUES (?1, ?2, ?3, ?4)")
    }

    func run(_ payload: [UInt8], seq: Int64, kind: RecordKind) throws(StorageError) {
        try payload.withUnsafeBufferPointer { (buffer) throws(StorageError) in
            let bytes = UnsafeRawBufferPointer(buffer)
            statement.bind(1, seq)
            statement.bind(2, kind.rawValue)
            statement.bind(3, borrowed: bytes)
            statement.bind(4, StoredRecord.checksum(seq: seq, kind: kind.rawValue, payload: bytes))
            try statement.run()
        }
    }
}

/// Reads and checks the content of a database; changes nothing.
struct RecordReader {
    private let connection: Connection

    init(_ connection: Connection) { self.connection = connection }

    /// Checks that this is a sound database of Berth.
    /// - Returns: the number of its schema.
    func checkSchema(applicationID: UInt32) throws(StorageError) -> Int {
        let application = try number("PRAGMA application_id").map { UInt32(truncatingIfNeeded: $0) }
        guard application == applicationID else {
            throw connection.corrupt("belongs to another application: application_id \(application ?? 0)", .foreign)
        }
        let schema = Int(try number("PRAGMA user_version") ?? 0)
        guard schema <= Schema.number else {
            throw connection.corrupt(
                "has schema number \(schema), newer than \(Schema.number), which this version knows: use a newer version",
                .newer)
        }
        let integrity = try connection.text("PRAGMA integrity_check(1)") ?? "no answer"
        guard integrity == "ok" else { throw connection.corrupt("integrity check: \(integrity)") }
        var tables: [String] = []
        let query = try Statement(connection, "SELECT sql FROM sqlite_schema")
        while try query.step() { tables.append(query.text(0) ?? "") }
        guard tables.sorted() == (schema == 1 ? FirstSchema.tables : Schema.tables).sorted(), schema >= 1 else {
            throw connection.corrupt("its tables are not those of schema number \(schema)")
        }
        return schema
    }

    /// Reads all records, checks them, and returns what their owner goes on from. What came before the last snapshot is checked and
    /// forgotten.
    func content() throws(StorageError) -> (row: StoreRow, recovered: Recovered) {
        guard let row = try StoreRow(connection) else { throw connection.corrupt("its table store is broken") }
        let snapshot = try number("SELECT max(seq) FROM record WHERE kind = 2") ?? 0
        let query = try Statement(connection, "SELECT seq, kind, payload, checksum FROM record ORDER BY seq")
        var recovered = Recovered(snapshot: nil, events: [], seq: row.first - 1)
        while try query.step() {
            let (seq, kind) = try check(query, after: recovered.seq)
            recovered.seq = seq
            if seq >= snapshot, let payload = query.blob(2) { recovered.add(payload, kind: kind) }
        }
        // A clean close writes the number of the last record; records after the row was written are fine otherwise.
        guard recovered.seq == row.last || (recovered.seq > row.last && row.use == .open) else {
            throw connection.corrupt("its records end at number \(recovered.seq) and should end at \(row.last)")
        }
        return (row, recovered)
    }

    /// Up to `limit` records with numbers above `seq`.
    func records(after seq: Int64, limit: Int) throws(StorageError) -> [StoredRecord] {
        let query = try Statement(
            connection,
            "SELECT seq, kind, payload, checksum FROM record WHERE seq > ?1 AND kind != 3 ORDER BY seq LIMIT ?2")
        query.bind(1, seq)
        query.bind(2, Int64(max(0, limit)))
        var records: [StoredRecord] = []
        while try query.step() {
            let (seq, kind) = try check(query, after: nil)
            records.append(StoredRecord(seq: seq, kind: kind, payload: query.blob(2) ?? []))
        }
        return records
    }

    /// The number after which the newest `count` events come, of those up to `seq`; 0 where there are fewer.
    func start(ofNewestEvents count: Int, upTo seq: Int64) throws(StorageError) -> Int64 {
        let query = try Statement(
            connection,
            "SELECT seq - 1 FROM record WHERE kind = 1 AND seq <= ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2")
        query.bind(1, seq)
        query.bind(2, Int64(max(0, count - 1)))
        return try query.step() ? query.integer(0) ?? 0 : 0
    }

    /// The highest number in a database that may be broken.
    func highestSeq() throws(StorageError) -> Int64 { try number("SELECT max(seq) FROM record") ?? 0 }

    private func check(_ row: Statement, after last: Int64?) throws(StorageError) -> (Int64, RecordKind) {
        guard let seq = row.integer(0), let number = row.integer(1), let checksum = row.integer(3),
            last == nil || seq == last.map({ $0 + 1 }), (1..<Schema.seqLimit).contains(seq)
        else { throw connection.corrupt("the record after number \(last ?? 0) is missing or broken") }
        let kind = RecordKind(rawValue: number)
        let isSound = row.withBlob(2) { bytes in
            StoredRecord.checksum(seq: seq, kind: number, payload: bytes) == UInt64(bitPattern: checksum)
        }
        guard isSound == true else { throw connection.corrupt("record \(seq) has a wrong checksum") }
        guard let kind else {
            throw connection.corrupt("record \(seq) is of kind \(number): use a newer version", .newer)
        }
        return (seq, kind)
    }

    private func number(_ query: String) throws(StorageError) -> Int64? {
        let statement = try Statement(connection, query)
        return try statement.step() ? statement.integer(0) : nil
    }
}
