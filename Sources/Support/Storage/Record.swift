/// What a row of the table `record` is.
package enum RecordKind: Int64, Sendable, Hashable {
    /// A change of the owner's state.
    case event = 1
    /// The owner's whole state.
    case snapshot = 2
    /// A number that an append used before it failed. Empty; its owner never sees it.
    case void = 3
}

/// A record as it is stored.
package struct StoredRecord: Sendable, Hashable {
    /// Its number; each record has the next one after the record before it.
    package let seq: Int64
    /// What it is.
    package let kind: RecordKind
    /// What the owner stored.
    package let payload: [UInt8]

    /// The checksum of a record: the CRC-64/XZ of its number and kind (each eight bytes, big-endian) and its payload.
    static func checksum(seq: Int64, kind: Int64, payload: UnsafeRawBufferPointer) -> UInt64 {
        var crc = CRC64()
        crc.add(UInt64(bitPattern: seq))
        crc.add(UInt64(bitPattern: kind))
        crc.add(payload)
        return crc.value
    }
}

/// The content of a store that its owner goes on from.
package struct Recovered: Sendable, Hashable {
    /// The last snapshot; nil where none was written yet.
    package internal(set) var snapshot: [UInt8]?
    /// The events after it, in order.
    package internal(set) var events: [[UInt8]]
    /// The number of the last record; 0 where there is none.
    package internal(set) var seq: Int64

    /// Names a content.
    package init(snapshot: [UInt8]?, events: [[UInt8]], seq: Int64) {
        (self.snapshot, self.events, self.seq) = (snapshot, events, seq)
    }

    static let empty = Recovered(snapshot: nil, events: [], seq: 0)

    /// Takes the next record.
    mutating func add(_ payload: [UInt8], kind: RecordKind) {
        switch kind {
        case .event: events.append(payload)
        case .snapshot: (snapshot, events) = (payload, [])
        case .void: break
        }
    }
}
