import Ledger
import LedgerStore

/// Records of the store and the reference's state file: refused, or a ledger that reads back as it was written.
@_cdecl("LLVMFuzzerTestOneInput")
package func fuzzRecords(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    var input = Input(bytes, count)
    let isState = input.byte() & 1 == 1
    if isState {
        guard let found = try? ReferenceState.read(input.all) else { return 0 }
        let written = ReferenceState.write(found.ledger, updatedAt: "t")
        guard let again = try? ReferenceState.read(written) else { fatalError("the export cannot be imported") }
        require(again.ledger == found.ledger, "the export is another ledger")
        let snapshot = LedgerChange(snapshotOf: found.ledger).json
        require((try? Ledger(snapshot: snapshot)) == found.ledger, "the snapshot is another ledger")
    } else {
        guard let change = try? LedgerChange(json: input.all) else { return 0 }
        require((try? LedgerChange(json: change.json)) == change, "the change does not read back")
        var ledger = Ledger()
        guard (try? ledger.apply(change)) != nil else { return 0 }
        _ = ledger.holdersWithPages
        require((try? Ledger(snapshot: LedgerChange(snapshotOf: ledger).json)) == ledger, "another ledger")
    }
    return 0
}
