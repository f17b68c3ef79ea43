/// A copy of the owner's whole state, stored beside the database for the day that the database cannot be trusted.
package struct LastGood: Sendable, Hashable {
    /// The state.
    package let snapshot: [UInt8]
    /// The journal's number when it was stored.
    package let seq: Int64
    /// When it was stored, as the caller said, in seconds since 1970.
    package let time: Int64

    /// A state to store.
    package init(snapshot: [UInt8], seq: Int64, time: Int64) {
        self.snapshot = snapshot
        self.seq = seq
        self.time = time
    }

    private static let magic = Array("BERTHLG1".utf8)
    /// Magic, application, seq, 0 (a checksum in version 0.1.0), time, length; then the snapshot; then the checksum of all before it.
    private static let headerSize = 48

    func encoded(application: UInt32) -> [UInt8] {
        var bytes = Self.magic
        bytes.reserveCapacity(Self.headerSize + snapshot.count + 8)
        let numbers = [
            UInt64(application), UInt64(bitPattern: seq), 0, UInt64(bitPattern: time), UInt64(snapshot.count),
        ]
        for number in numbers { withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) } }
        bytes.append(contentsOf: snapshot)
        let checksum = CRC64.of(bytes)
        withUnsafeBytes(of: checksum.bigEndian) { bytes.append(contentsOf: $0) }
        return bytes
    }

    init(_ bytes: [UInt8], application: UInt32, file: String) throws(Corruption) {
        func number(_ offset: Int) -> UInt64 { bytes[offset..<offset + 8].reduce(0) { $0 << 8 | UInt64($1) } }
        let end = bytes.count - 8
        guard end >= Self.headerSize, bytes.starts(with: Self.magic), number(40) == UInt64(end - Self.headerSize),
            CRC64.of(bytes[..<end]) == number(end)
        else { throw Corruption(.malformed, file: file, what: "is corrupt: its checksum or length is wrong") }
        guard number(8) == UInt64(application) else {
            throw Corruption(.foreign, file: file, what: "belongs to another application")
        }
        let seq = Int64(bitPattern: number(16))
        guard (0..<Schema.seqLimit).contains(seq) else {
            throw Corruption(.malformed, file: file, what: "has the impossible record number \(seq)")
        }
        self.init(
            snapshot: Array(bytes[Self.headerSize..<end]), seq: seq, time: Int64(bitPattern: number(32)))
    }
}

extension StoreFiles {
    /// The largest file with a last good state: the largest snapshot that a journal takes, and what surrounds it.
    private static let lastGoodLimit = Journal.payloadLimit + 100

    /// Stores a state as the last good one, in place of the one before; durable on return. A failure or a crash leaves
    /// the earlier one. For a store that exists: a last good state without a database is corruption.
    package func storeLastGood(_ state: LastGood) throws(StorageError) {
        guard state.snapshot.count <= Journal.payloadLimit else {
            throw StorageError("write", file: lastGood, .tooLarge(limit: Journal.payloadLimit))
        }
        try FileIO.prepareDirectory(directory)
        try FileIO.writeNew(newLastGood, state.encoded(application: applicationID))
        try FileIO.rename(newLastGood, to: lastGood)
        try FileIO.syncDirectory(directory)
    }

    /// The state stored last.
    /// - Throws: `StorageError`, with reason `absent` where none was stored and `corrupt` where it cannot be trusted.
    package func readLastGood() throws(StorageError) -> LastGood {
        guard let bytes = try FileIO.read(lastGood, limit: Self.lastGoodLimit) else {
            throw StorageError("read", file: lastGood, .absent)
        }
        do throws(Corruption) {
            return try LastGood(bytes, application: applicationID, file: lastGood)
        } catch {
            throw StorageError("read", file: lastGood, .corrupt(error))
        }
    }

    /// Quarantines the database and its log (`<file>.damaged-<n>`) and makes a new database from the state stored last.
    ///
    /// Hold the `StoreLock`, with no `Journal` open. May be repeated after a failure.
    /// - Returns: the state restored, and the names under which the quarantined files are found.
    package func restoreLastGood() throws(StorageError) -> (state: LastGood, quarantined: [String]) {
        let state = try readLastGood()
        return (state, try replace(snapshot: state.snapshot, after: state.seq))
    }
}
