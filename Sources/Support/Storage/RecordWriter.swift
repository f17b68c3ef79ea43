/// The prepared statements that change the tables; the caller holds the transaction.
final class RecordWriter {
    private let insertRow: Statement
    private let updateHead: Statement
    private let deleteBefore: Statement

    init(_ connection: Connection) throws(StorageError) {
        insertRow = try Statement(connection, "INSERT INTO record(seq, kind, payload, chain) VALUES (?1, ?2, ?3, ?4)")
        updateHead = try Statement(
            connection, "UPDATE head SET seq = ?1, chain = ?2, state = ?3, checksum = ?4 WHERE id = 1")
        deleteBefore = try Statement(connection, "DELETE FROM record WHERE seq < ?1")
    }

    /// Inserts a record after `head` and moves `head` to its last row. A snapshot starts the chain anew.
    func insert(_ payload: [UInt8], kind: RowKind, head: inout Head) throws(StorageError) {
        if kind.isSnapshot { head.chain = 0 }
        let parts = RecordChain.parts(of: payload.count)
        try payload.withUnsafeBufferPointer { (buffer) throws(StorageError) in
            for (index, range) in parts.enumerated() {
                let rowKind = index == parts.count - 1 ? kind : kind == .snapshot ? .snapshotPart : .eventPart
                let part = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: buffer[range]))
                head.seq += 1
                head.chain = RecordChain.next(after: head.chain, seq: head.seq, kind: rowKind, part: part)
                insertRow.bind(1, head.seq)
                insertRow.bind(2, rowKind.rawValue)
                insertRow.bind(3, borrowed: part)
                insertRow.bind(4, head.chain)
                try insertRow.run()
            }
        }
    }

    func update(_ head: Head) throws(StorageError) {
        updateHead.bind(1, head.seq)
        updateHead.bind(2, head.chain)
        updateHead.bind(3, head.state.rawValue)
        updateHead.bind(4, RecordChain.headCheck(seq: head.seq, chain: head.chain, state: head.state))
        try updateHead.run()
    }

    func delete(before seq: Int64) throws(StorageError) {
        deleteBefore.bind(1, seq)
        try deleteBefore.run()
    }
}
