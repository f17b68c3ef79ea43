/// Whether the store is in use (or was when its process died).
enum HeadState: String, Sendable {
    case open, closed
}

/// The one row of the table `head`: a second witness of where the log ends.
struct Head: Sendable, Hashable {
    var seq: Int64
    var chain: UInt64
    var state: HeadState

    /// Row numbers stay below this, so that counting on from one that was read cannot overflow.
    static let seqLimit: Int64 = 1 << 60

    static let empty = Head(seq: 0, chain: 0, state: .closed)
}

extension Head {
    /// The head row of a database; nil where it is not intact.
    init?(_ connection: Connection) throws(StorageError) {
        let query = try Statement(connection, "SELECT id, seq, chain, state, checksum FROM head")
        guard try query.step(), query.integer(0) == 1, let seq = query.integer(1), let chain = query.integer(2),
            let state = query.text(3).flatMap(HeadState.init(rawValue:)), let checksum = query.integer(4)
        else { return nil }
        self.init(seq: seq, chain: UInt64(bitPattern: chain), state: state)
        let expected = RecordChain.headCheck(seq: seq, chain: self.chain, state: state)
        guard (0..<Head.seqLimit).contains(seq), UInt64(bitPattern: checksum) == expected, try !query.step() else {
            return nil
        }
    }
}
