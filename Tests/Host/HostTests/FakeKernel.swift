import Host
import Kernel
import Ledger
import Synchronization

/// A kernel of named settings: each step sets one, and its undo unsets it.
final class FakeKernel: Enforcer {
    struct State {
        var settings: Set<String> = []
        /// Steps that the kernel refuses.
        var refused: Set<String> = []
        /// Undos that the kernel refuses.
        var stuck: Set<String> = []
        /// What was done, in order.
        var calls: [String] = []
        /// Whether somebody else changes the settings behind our back.
        var hasDrifted = false
    }

    let state = Mutex(State())
    /// Called before each step and undo.
    let onCall: @Sendable (String) -> Void

    init(onCall: @escaping @Sendable (String) -> Void = { _ in }) { self.onCall = onCall }

    func plan(_ claim: Claim, in ledger: Ledger) throws(EnforcementError) -> EnforcementPlan {
        guard claim.holder.name != "impossible" else { throw EnforcementError("no cgroup v2 here") }
        func step(_ name: String) -> EnforcementStep {
            EnforcementStep(action: "\(claim.holder.name).\(name)", undo: "\(claim.holder.name).\(name)")
        }
        if let before = claim.predecessor.claim?.enforcement {
            let steps = before.steps + [step("more"), step("most")]
            return EnforcementPlan(steps: steps, isolation: .partition, nextSteps: before.steps + [step("most")])
        }
        let steps = ["cpus", "mems", "partition"].map(step)
        return EnforcementPlan(steps: steps, isolation: .partition)
    }

    func apply(_ step: EnforcementStep, of holder: Holder) throws(EnforcementError) {
        onCall("apply \(step.action)")
        let isRefused = state.withLock { state in
            state.calls.append("apply \(step.action)")
            // A refused write may have had an effect all the same.
            state.settings.insert(step.action)
            return state.refused.contains(step.action)
        }
        if isRefused { throw EnforcementError("the kernel refuses \(step.action)") }
    }

    func undo(_ step: EnforcementStep, of holder: Holder) throws(EnforcementError) {
        onCall("undo \(step.undo)")
        let isStuck = state.withLock { state in
            state.calls.append("undo \(step.undo)")
            guard !state.stuck.contains(step.undo) else { return true }
            state.settings.remove(step.undo)
            return false
        }
        if isStuck { throw EnforcementError("\(step.undo) is busy") }
    }

    func verify(_ claim: Claim) throws(EnforcementError) {
        let isMissing = state.withLock { state in
            (claim.enforcement?.steps ?? []).contains { !state.settings.contains($0.action) }
        }
        if isMissing { throw EnforcementError("a setting is gone") }
    }

    var settings: Set<String> { state.withLock { $0.settings } }
    var calls: [String] { state.withLock { $0.calls } }
}

/// Watches leases that end when the test says so.
final class FakeWatcher: LeaseWatcher {
    private let state = Mutex<(watched: [Holder: Lease], report: (@Sendable (Holder, Lease) -> Void)?)>(([:], nil))

    func start(report: @escaping @Sendable (Holder, Lease) -> Void) { state.withLock { $0.report = report } }
    func watch(_ lease: Lease, of holder: Holder) { state.withLock { $0.watched[holder] = lease } }
    func unwatch(_ holder: Holder) { state.withLock { _ = $0.watched.removeValue(forKey: holder) } }

    var watched: [Holder: Lease] { state.withLock { $0.watched } }

    func end(_ holder: Holder) {
        let (lease, report) = state.withLock { ($0.watched[holder], $0.report) }
        if let lease { report?(holder, lease) }
    }
}
