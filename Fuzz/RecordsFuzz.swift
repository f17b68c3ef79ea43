import Ledger
import LedgerStore

/// Records of the store and the reference's state file: refused, or a ledger that reads back as it was written.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzRecords(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    var input = Input(bytes, count)
    let isState = input.byte() & 1 == 1
    if isState {
        guard let found = try? EPAState.read(input.all) else { return 0 }
        let written = EPAState.write(found.ledger, updatedAt: "t")
        guard let again = try? EPAState.read(written.text) else { fatalError("the export cannot be imported") }
        require(again.ledger == found.ledger, "the export is another ledger")
        let snapshot = LedgerRecord.snapshot(of: found.ledger)
        require((try? Ledger(snapshot: snapshot)) == found.ledger, "the snapshot is another ledger")
    } else {
        let bytes = input.all
        guard let change = try? LedgerRecord.change(json: bytes) else { return 0 }
        if let record = try? LedgerRecord.decision(json: bytes, seq: 1) {
            require((try? LedgerRecord.decision(json: record.json, seq: 1)) == record, "the decision does not read back")
        }
        var ledger = Ledger()
        guard (try? ledger.apply(change)) != nil else { return 0 }
        _ = ledger.holdersWithPages
        require((try? Ledger(snapshot: LedgerRecord.snapshot(of: ledger))) == ledger, "another ledger")
    }
    return 0
}
