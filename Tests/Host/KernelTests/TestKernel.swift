import Kernel
import Ledger
import Machine
import Synchronization

/// A host with a fake kernel: it plans, commits, applies and undoes as the writer and the worker of a real one do.
struct TestKernel {
    let files: FakeCgroups
    let enforcer: KernelEnforcer
    var ledger = Ledger()
    let notices: Notices
    let affinities: any AffinityStore
    let pods = PodMemory()
    let units = Units()

    final class Notices: Sendable {
        let texts = Mutex<[String]>([])
    }

    /// A systemd that remembers what its units are to have.
    final class Units: UnitControl {
        let asked = Mutex<[String: CPUSet]>([:])
        var isThere: Bool { true }
        func allow(_ unit: String, cpus: CPUSet?, memoryNodes: CPUSet?) throws(EnforcementError) {
            asked.withLock { $0[unit] = cpus }
        }
    }

    init(
        _ kernel: FakeCgroups.Kernel = .linux612, cpus: Int = 16, isolated: CPUSet = CPUSet(),
        settings: KernelSettings = KernelSettings()
    ) {
        self.init(FakeCgroups(kernel, cpus: cpus, isolated: isolated), settings: settings)
    }

    init(
        _ files: FakeCgroups, settings: KernelSettings = KernelSettings(), ledger: Ledger = Ledger(),
        affinities: any AffinityStore = AffinityMemory()
    ) {
        self.files = files
        self.ledger = ledger
        self.affinities = affinities
        let notices = Notices()
        self.notices = notices
        enforcer = KernelEnforcer(
            files: files, settings: settings, processes: files, affinities: affinities, pods: pods, units: units,
            pause: { _ in },
            notice: { text in notices.texts.withLock { $0.append(text) } })
    }

    static func claim(
        _ name: String, _ cpus: CPUSet, exclusive: CPUSet? = nil, process: Int? = nil, minimum: Isolation = .none,
        isBalanced: Bool = true, memoryNodes: [Int] = [], reservations: [PageReservation] = []
    ) -> Claim {
        let identity = process.map { ProcessIdentity(id: $0, startTime: $0 * 10, bootID: "boot-1") }
        return Claim(
            holder: Holder(kind: .run, name: name), owner: .administrators,
            grants: cpus.isEmpty ? [] : [Grant(cpus: cpus, exclusive: exclusive)], memoryNodes: memoryNodes,
            reservations: reservations, lease: identity.map { .process($0) } ?? .forever,
            enforcement: Enforcement(
                EnforcementRequest(minimum: minimum, isBalanced: isBalanced, process: identity), phase: .preparing))
    }

    /// Plans and commits a claim, takes its steps and reads back. Where that fails, all is undone.
    @discardableResult
    mutating func enforce(_ claim: Claim) throws(EnforcementError) -> EnforcementPlan {
        let plan = try commit(claim)
        do throws(EnforcementError) {
            try apply(claim.holder)
            return plan
        } catch {
            try? release(claim.holder.name)
            throw error
        }
    }

    /// Plans and commits a claim.
    @discardableResult
    mutating func commit(_ claim: Claim) throws(EnforcementError) -> EnforcementPlan {
        var with = ledger
        guard (try? with.apply(LedgerChange(claims: [claim]))) != nil else { throw EnforcementError("not this claim") }
        let plan = try enforcer.plan(claim, in: with)
        var planned = claim
        planned.enforcement?.steps = plan.steps
        planned.enforcement?.isolation = plan.isolation
        planned.enforcement?.nextSteps = plan.nextSteps
        if let lease = plan.lease { planned.lease = lease }
        try? ledger.apply(LedgerChange(claims: [planned]))
        return plan
    }

    /// Takes the steps of a claim and reads back.
    func apply(_ holder: Holder) throws(EnforcementError) {
        guard let claim = ledger[holder] else { return }
        for step in claim.enforcement?.steps ?? [] { try enforcer.apply(step, of: holder) }
        try enforcer.verify(claim)
    }

    /// Changes an enforced claim. Where that fails, it is what it was.
    mutating func change(_ name: String, _ edit: (inout Claim) -> Void) throws(EnforcementError) {
        try commitChange(name, edit)
        do throws(EnforcementError) { try applyChange(name) } catch {
            try? undoChange(name)
            throw error
        }
    }

    /// Plans and commits a change.
    mutating func commitChange(_ name: String, _ edit: (inout Claim) -> Void) throws(EnforcementError) {
        guard let before = ledger[Holder(kind: .run, name: name)] else { return }
        var claim = before
        edit(&claim)
        claim.enforcement?.phase = .preparing
        claim.predecessor = .claim(before)
        try commit(claim)
    }

    /// Takes the steps of a change, reads back, and commits what the claim is now.
    mutating func applyChange(_ name: String) throws(EnforcementError) {
        guard let claim = ledger[Holder(kind: .run, name: name)], let before = claim.predecessor.claim else { return }
        for step in (claim.enforcement?.steps ?? []).dropFirst(before.enforcement?.steps.count ?? 0) {
            try enforcer.apply(step, of: claim.holder)
        }
        try enforcer.verify(claim.changed)
        try? ledger.apply(LedgerChange(claims: [claim.changed]))
    }

    /// Undoes the steps of a change; the claim is what it was.
    mutating func undoChange(_ name: String) throws(EnforcementError) {
        guard let claim = ledger[Holder(kind: .run, name: name)], let before = claim.predecessor.claim else { return }
        var problem: EnforcementError?
        for step in (claim.enforcement?.steps ?? []).dropFirst(before.enforcement?.steps.count ?? 0).reversed() {
            do throws(EnforcementError) { try enforcer.undo(step, of: claim.holder) } catch {
                problem = problem ?? error
            }
        }
        try? ledger.apply(LedgerChange(claims: [before]))
        if let problem { throw problem }
    }

    /// Undoes all steps; the claim ends where that succeeds.
    mutating func release(_ name: String) throws(EnforcementError) {
        let holder = Holder(kind: .run, name: name)
        guard let claim = ledger[holder] else { return }
        var problem: EnforcementError?
        for step in (claim.enforcement?.steps ?? []).reversed() {
            do throws(EnforcementError) { try enforcer.undo(step, of: holder) } catch { problem = problem ?? error }
        }
        if let problem { throw problem }
        try? ledger.apply(LedgerChange(removed: [holder]))
    }

    func settle() { enforcer.settle(Array(ledger.sortedClaims)) }

    func verify(_ name: String) throws(EnforcementError) {
        if let claim = ledger[Holder(kind: .run, name: name)] { try enforcer.verify(claim) }
    }
}
