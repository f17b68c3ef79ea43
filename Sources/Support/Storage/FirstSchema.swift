/// The tables of schema 1, which version 0.1.0 wrote: a record could take several rows, each with a checksum chained to
/// the one before, and the table `head` named the last row.
enum FirstSchema {
    static let tables = [
        "CREATE TABLE record(seq INTEGER PRIMARY KEY, kind INTEGER NOT NULL, payload BLOB NOT NULL, "
            + "chain INTEGER NOT NULL) STRICT",
        "CREATE TABLE head(id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, chain INTEGER NOT NULL, "
            + "state TEXT NOT NULL, checksum INTEGER NOT NULL) STRICT",
    ]

    private enum RowKind: Int64 {
        case event = 1
        case snapshot = 2
        /// The record goes on in the next row.
        case eventPart = 3
        case snapshotPart = 4

        var record: RecordKind { self == .event || self == .eventPart ? .event : .snapshot }
        var isPart: Bool { self == .eventPart || self == .snapshotPart }
    }

    private struct Head {
        let seq: Int64
        let chain: UInt64
        let use: StoreUse

        init?(_ connection: Connection) throws(StorageError) {
            let query = try Statement(connection, "SELECT id, seq, chain, state, checksum FROM head")
            guard try query.step(), query.integer(0) == 1, let seq = query.integer(1), let chain = query.integer(2),
                let use = query.text(3).flatMap(StoreUse.init(rawValue:)), let checksum = query.integer(4),
                (0..<Schema.seqLimit).contains(seq), try !query.step()
            else { return nil }
            (self.seq, self.chain, self.use) = (seq, UInt64(bitPattern: chain), use)
            var crc = CRC64()
            crc.add(UInt64(bitPattern: seq))
            crc.add(self.chain)
            crc.add(use == .open ? 1 : 2)
            guard UInt64(bitPattern: checksum) == crc.value else { return nil }
        }
    }

    /// Hands over the records in order, numbered so that the last one keeps its number, and checks all that there is.
    /// - Returns: the row for the table `store`.
    static func read(
        _ connection: Connection, _ body: (StoredRecord) throws(StorageError) -> Void
    ) throws(StorageError) -> StoreRow {
        guard let head = try Head(connection) else { throw connection.corrupt("its head record is broken") }
        let count = try Statement(connection, "SELECT count(*) FROM record WHERE kind IN (1, 2)")
        let records = try count.step() ? count.integer(0) ?? 0 : 0
        let query = try Statement(connection, "SELECT seq, kind, payload, chain FROM record ORDER BY seq")
        var (chain, payload, last) = (UInt64(0), [UInt8](), Int64?.none)
        var part: RecordKind?
        var number = head.seq - records
        while try query.step() {
            guard let seq = query.integer(0), let kind = query.integer(1).flatMap(RowKind.init(rawValue:)),
                // The rows start with a snapshot or with event 1, and there is no other snapshot.
                last.map({ seq == $0 + 1 }) ?? (seq >= 1 && (kind.record == .snapshot || seq == 1)),
                kind.record == .event || last == nil || part == .snapshot, part == nil || part == kind.record
            else { throw connection.corrupt("the record after number \(last ?? 0) is missing or out of place") }
            let sum = query.withBlob(2) { bytes in
                payload.append(contentsOf: bytes)
                var crc = CRC64()
                crc.add(chain)
                crc.add(UInt64(bitPattern: seq))
                crc.add(UInt64(bitPattern: kind.rawValue))
                crc.add(bytes)
                return crc.value
            }
            guard let sum, let stored = query.integer(3), UInt64(bitPattern: stored) == sum else {
                throw connection.corrupt("record \(seq) has a wrong checksum")
            }
            (chain, last, part) = (sum, seq, kind.isPart ? kind.record : nil)
            guard !kind.isPart else { continue }
            number += 1
            try body(StoredRecord(seq: number, kind: kind.record, payload: payload))
            payload = []
        }
        guard part == nil, last ?? 0 == head.seq, chain == head.chain else {
            throw connection.corrupt("its records end at number \(last ?? 0), its head record says \(head.seq)")
        }
        return StoreRow(use: head.use, first: head.seq - records + 1, last: head.seq)
    }

    /// Writes the records anew as schema 2, in the transaction that the caller has begun.
    static func migrate(_ connection: Connection) throws(StorageError) {
        // Read from under another name: the new table takes the name.
        var records: [StoredRecord] = []
        let row = try read(connection) { records.append($0) }
        for table in ["record", "head"] { try connection.run("DROP TABLE \(table)") }
        try Schema.create(connection, row)
        let insert = try RecordInsertion(connection)
        for record in records { try insert.run(record.payload, seq: record.seq, kind: record.kind) }
    }
}
