/// One row of the table `record`: a record, or a part of one too long for a page.
enum RowKind: Int64, Sendable {
    case event = 1
    case snapshot = 2
    case eventPart = 3
    case snapshotPart = 4

    var isSnapshot: Bool { self == .snapshot || self == .snapshotPart }
    /// Whether the record goes on in the next row.
    var continues: Bool { self == .eventPart || self == .snapshotPart }
}

/// The running checksum over rows: each value covers the one before it, the row's number, its kind and its bytes, so
/// that a row that is changed, lost, repeated or moved shows. A snapshot starts the chain anew from 0.
enum RecordChain {
    /// The longest part of a record in one row. Rows this long never spill into overflow pages, so that every page ends
    /// in the checksum of a row: `WriteAheadLog` relies on pages that do not end in zeros.
    static let partSize = 4_000

    static func next(after chain: UInt64, seq: Int64, kind: RowKind, part: UnsafeRawBufferPointer) -> UInt64 {
        var crc = CRC64()
        crc.add(chain)
        crc.add(UInt64(bitPattern: seq))
        crc.add(UInt64(bitPattern: kind.rawValue))
        crc.add(part)
        return crc.value
    }

    /// The checksum of the head row itself.
    static func headCheck(seq: Int64, chain: UInt64, state: HeadState) -> UInt64 {
        var crc = CRC64()
        crc.add(UInt64(bitPattern: seq))
        crc.add(chain)
        crc.add(state == .open ? 1 : 2)
        return crc.value
    }

    /// The parts of a payload: at least one, all but the last of `partSize`.
    static func parts(of count: Int) -> [Range<Int>] {
        count <= partSize
            ? [0..<count] : stride(from: 0, to: count, by: partSize).map { $0..<min($0 + partSize, count) }
    }
}
