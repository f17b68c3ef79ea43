/// A copy of the owner's whole state, kept beside the database for the day that the database cannot be trusted.
package struct LastGood: Sendable, Hashable {
    /// The state.
    package let snapshot: [UInt8]
    /// The journal's number when it was kept.
    package let seq: Int64
    /// The journal's chained checksum when it was kept.
    package let chain: UInt64
    /// When it was kept, as the caller said, in seconds since 1970.
    package let time: Int64

    /// A state to keep.
    package init(snapshot: [UInt8], seq: Int64, chain: UInt64, time: Int64) {
        self.snapshot = snapshot
        self.seq = seq
        self.chain = chain
        self.time = time
    }

    private static let magic = Array("BERTHLG1".utf8)
    /// Magic, application, seq, chain, time, length; then the snapshot; then the checksum of all before it.
    private static let headerSize = 48

    func encoded(application: UInt32) -> [UInt8] {
        var bytes = Self.magic
        bytes.reserveCapacity(Self.headerSize + snapshot.count + 8)
        let numbers = [
            UInt64(application), UInt64(bitPattern: seq), chain, UInt64(bitPattern: time), UInt64(snapshot.count),
        ]
        for number in numbers { withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) } }
        bytes.append(contentsOf: snapshot)
        let checksum = CRC64.of(bytes)
        withUnsafeBytes(of: checksum.bigEndian) { bytes.append(contentsOf: $0) }
        return bytes
    }

    init(_ bytes: [UInt8], application: UInt32, file: String) throws(Damage) {
        func number(_ offset: Int) -> UInt64 { bytes[offset..<offset + 8].reduce(0) { $0 << 8 | UInt64($1) } }
        let end = bytes.count - 8
        guard end >= Self.headerSize, bytes.starts(with: Self.magic), number(40) == UInt64(end - Self.headerSize),
            CRC64.of(bytes[..<end]) == number(end)
        else { throw Damage(.malformed, file: file, what: "is damaged: its checksum or length is wrong") }
        guard number(8) == UInt64(application) else {
            throw Damage(.foreign, file: file, what: "belongs to another application")
        }
        let seq = Int64(bitPattern: number(16))
        guard (0..<Head.seqLimit).contains(seq) else {
            throw Damage(.malformed, file: file, what: "has the impossible record number \(seq)")
        }
        self.init(
            snapshot: Array(bytes[Self.headerSize..<end]), seq: seq, chain: number(24),
            time: Int64(bitPattern: number(32)))
    }
}

extension StoreFiles {
    /// Keeps a state as the last good one, in place of the one kept before; durable on return. A failure or a crash leaves
    /// the earlier one. For a store that exists: a last good state without a database is damage.
    package func keepLastGood(_ state: LastGood) throws(StorageError) {
        try FileIO.prepareFolder(folder)
        try FileIO.writeNew(newLastGood, state.encoded(application: applicationID))
        try FileIO.rename(newLastGood, to: lastGood)
        try FileIO.syncFolder(folder)
    }

    /// The state kept last.
    /// - Throws: `StorageError`, with reason `absent` where none was kept and `damaged` where it cannot be trusted.
    package func readLastGood() throws(StorageError) -> LastGood {
        guard let (bytes, _) = try FileIO.read(lastGood, limit: Self.sizeLimit) else {
            throw StorageError("read", file: lastGood, .absent)
        }
        do throws(Damage) {
            return try LastGood(bytes, application: applicationID, file: lastGood)
        } catch {
            throw StorageError("read", file: lastGood, .damaged(error))
        }
    }

    /// Sets the database and its log aside (`<file>.damaged-<n>`) and makes a new database from the state kept last.
    ///
    /// Hold the `StoreLock`, with no `Journal` open. May be repeated after a failure.
    /// - Returns: the state restored, and the names under which the files set aside are found.
    package func restoreLastGood() throws(StorageError) -> (state: LastGood, setAside: [String]) {
        let state = try readLastGood()
        let setAside = try replace(snapshot: state.snapshot, after: state.seq, schema: .current)
        return (state, setAside)
    }
}
