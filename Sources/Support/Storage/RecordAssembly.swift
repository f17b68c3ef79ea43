/// Puts rows back together to records, checking the chain on the way.
struct RecordAssembly {
    private(set) var recovered = Recovered.empty
    private var unfinished: RowKind?
    private var payload: [UInt8] = []
    private var isFirst = true

    /// Whether the last record is whole.
    var isComplete: Bool { unfinished == nil }

    /// Takes the next row; false where it does not fit.
    mutating func add(seq: Int64?, kind: Int64?, part: UnsafeRawBufferPointer, chain: Int64?) -> Bool {
        guard let seq, let chain, let kind = kind.flatMap(RowKind.init(rawValue:)) else { return false }
        // A log starts with its first event or with a snapshot, and has no other snapshot.
        let startsWell = isFirst && seq >= 1 && (kind.isSnapshot || seq == 1)
        let continuesWell = !isFirst && seq == recovered.seq &+ 1 && (!kind.isSnapshot || unfinished != nil)
        guard startsWell || continuesWell else { return false }
        let value = RecordChain.next(after: recovered.chain, seq: seq, kind: kind, part: part)
        guard value == UInt64(bitPattern: chain) else { return false }
        if let unfinished, unfinished.isSnapshot != kind.isSnapshot { return false }
        isFirst = false
        recovered.seq = seq
        recovered.chain = value
        payload.append(contentsOf: part)
        unfinished = kind.continues ? kind : nil
        guard !kind.continues else { return true }
        if kind.isSnapshot { recovered.snapshot = payload } else { recovered.events.append(payload) }
        payload.removeAll()
        return true
    }
}
