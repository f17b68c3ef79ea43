import Ledger
import Machine
import Testing

/// What happens to claims without a caller's request.
@Suite struct TransitionTests {
    @Test("the end of a claim, and a change that the kernel follows, say which huge pages were given back")
    func releasedPages() throws {
        let holder = Holder(kind: .run, name: "a")
        var active = Claim(
            holder: holder, owner: .administrators, grants: [Grant(cpus: [1])],
            reservations: [.init(node: 0, sizeKB: 2048, count: 4), .init(node: 1, sizeKB: 2048, count: 1)],
            enforcement: Enforcement(phase: .active, id: 7))
        var changed = active
        changed.enforcement?.phase = .preparing
        changed.reservations = [.init(node: 0, sizeKB: 2048, count: 3)]
        changed.predecessor = .claim(active)
        var ledger = Ledger()
        try ledger.apply(LedgerChange(claims: [changed]))
        #expect(
            ledger.decide(.enforced(holder, id: 7)).releasedPages
                == [.init(node: 0, sizeKB: 2048, count: 1), .init(node: 1, sizeKB: 2048, count: 1)])
        #expect(ledger.decide(.undone(holder, id: 7, "no")).releasedPages.isEmpty)
        active.enforcement?.phase = .releasing
        try ledger.apply(LedgerChange(claims: [active]))
        #expect(ledger.decide(.undone(holder, id: 7, nil)).releasedPages == active.reservations)
        active.enforcement = nil
        try ledger.apply(LedgerChange(claims: [active]))
        #expect(ledger.decide(.leaseOver(holder, .forever)).releasedPages == active.reservations)
    }
}
