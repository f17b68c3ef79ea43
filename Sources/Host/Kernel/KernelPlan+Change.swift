import Ledger
import Machine

extension KernelPlan {
    /// The steps that make the kernel follow `claim` where it follows its predecessor: what is new is taken first, then what
    /// is given up is given back. The cgroup, the processes in it and the kind of isolation stay.
    ///
    /// - Returns: the steps of the predecessor and those of the change, and what the steps are once it is active.
    /// - Throws: ``EnforcementError`` where it cannot be changed, is weaker than was asked for, or would endanger the machine.
    func change(_ before: Claim, to claim: Claim, in ledger: Ledger) throws(EnforcementError) -> EnforcementPlan {
        let target = claim.changed
        let isolation = before.enforcement?.isolation ?? .none
        let steps = before.enforcement?.steps ?? []
        guard !target.cpus.isEmpty else {
            throw EnforcementError("a claim that the kernel enforces keeps at least one CPU; release it instead")
        }
        guard (claim.enforcement?.request.minimum ?? .none) <= isolation else {
            throw EnforcementError("its isolation is \(isolation.rawValue); release it to ask for a stronger one")
        }
        guard claim.enforcement?.request.isBalanced ?? true else {
            throw EnforcementError("a claim without load balancing must be released before its CPUs change")
        }
        let (all, present) = (target.allCPUs, before.allCPUs)
        let uid = target.enforcement?.request.pod?.uid
        if let obstacle = state.kubelet?.obstacle(all.subtracting(present), uid) { throw EnforcementError(obstacle) }
        if claim.enforcement?.request.pod != nil, isolation != .none { try checkPod(target, claim, in: ledger) }
        if isolation == .partition {
            let added = all.subtracting(present)
            if let obstacle = state.partitionObstacle(added) { throw EnforcementError(obstacle) }
            let others = Others(than: claim, in: ledger)
            if let danger = state.danger(ofTaking: added, besides: others.partitioned) {
                throw EnforcementError(danger)
            }
        }
        var change = Change(
            all: all, present: present, target: target, limits: limitsPages(target) ? pages(target) : [])
        for step in steps { try change.add(step) }
        if isolation == .cpuset || isolation == .affinity { change.moveBars(from: before.exclusive) }
        change.moveShifts(from: before.exclusive, fresh: shifts(target.exclusive.subtracting(before.exclusive)))
        return EnforcementPlan(steps: steps + change.steps, isolation: isolation, nextSteps: change.next)
    }
}

/// The steps of a change, in the making.
private struct Change {
    let all: CPUSet
    let present: CPUSet
    let target: Claim
    let limits: [PageLimit]
    /// What takes what is new.
    private var first: [EnforcementStep] = []
    /// What gives back what is given up.
    private var last: [EnforcementStep] = []
    /// The steps of the claim once it has changed, but for those of masks and the last ones.
    private var head: [EnforcementStep] = []
    private var shifts: [MaskShift] = []
    private var tail: [EnforcementStep] = []

    init(all: CPUSet, present: CPUSet, target: Claim, limits: [PageLimit]) {
        self.all = all
        self.present = present
        self.target = target
        self.limits = limits
    }

    var steps: [EnforcementStep] { first + last }
    var next: [EnforcementStep] { head + shifts.map(Self.step) + tail }

    /// Takes one step of the claim as it was over.
    mutating func add(_ step: EnforcementStep) throws(EnforcementError) {
        guard let action = KernelStep(text: step.action) else {
            throw EnforcementError("the step '\(step.action)' is not known")
        }
        switch action {
        case .prepare(let path, let controllers) where !limits.isEmpty && !controllers.contains("hugetlb"):
            let more = KernelStep.prepare(path: path, controllers: controllers + ["hugetlb"])
            first.append(EnforcementStep(more, undo: .nothing))
            head.append(EnforcementStep(action: more.text, undo: step.undo))
        case .grow(_, let place):
            let added = all.subtracting(present)
            let removed = present.subtracting(all)
            if !added.isEmpty { first.append(EnforcementStep(.grow(added, place), undo: .shrink(added, place))) }
            if !removed.isEmpty { last.append(EnforcementStep(.shrink(removed, place), undo: .grow(removed, place))) }
            head.append(EnforcementStep(.grow(all, place), undo: .shrink(all, place)))
        case .cgroup(let cgroup):
            var changed = ClaimCgroup(
                path: cgroup.path, cpus: target.cpus, memoryNodes: CPUSet(target.memoryNodes), pages: limits)
            head.append(EnforcementStep(action: KernelStep.cgroup(changed).text, undo: step.undo))
            var former = cgroup
            // A limit that only one of them has is lifted for the other.
            changed.pages += Self.lifted(cgroup.pages, but: limits)
            former.pages += Self.lifted(limits, but: cgroup.pages)
            first.append(EnforcementStep(.cgroup(changed), undo: .cgroup(former)))
        case .pin(let process, let cpus):
            first.append(EnforcementStep(.pin(process, target.cpus), undo: .pin(process, cpus)))
            guard case .unpin(_, _, let affinity)? = KernelStep(text: step.undo) else {
                throw EnforcementError("the step '\(step.undo)' is not known")
            }
            tail.append(
                EnforcementStep(.pin(process, target.cpus), undo: .unpin(process, target.cpus, affinity)))
        case .confine(let former):
            guard let pod = target.enforcement?.request.pod else { throw EnforcementError("the claim names no pod") }
            let confinement = PodConfinement(target, pod)
            first.append(EnforcementStep(.confine(confinement), undo: .confine(former)))
            if confinement.uid != former.uid {
                last.append(EnforcementStep(.free(former.uid), undo: .confine(former)))
            }
            tail.append(EnforcementStep(.confine(confinement), undo: .free(confinement.uid)))
        case .bar: break
        case .shift(let shift): shifts.append(shift)
        case .move: tail.append(step)
        default: head.append(step)
        }
    }

    /// Keeps pods without a claim off the new exclusive CPUs, and lets them come back to those that were given up.
    mutating func moveBars(from exclusive: CPUSet) {
        let added = target.exclusive.subtracting(exclusive)
        let given = exclusive.subtracting(target.exclusive)
        if !added.isEmpty { first.insert(EnforcementStep(.bar(added), undo: .unbar(added)), at: 0) }
        if !given.isEmpty { last.append(EnforcementStep(.unbar(given), undo: .bar(given))) }
        if !target.exclusive.isEmpty {
            head.append(EnforcementStep(.bar(target.exclusive), undo: .unbar(target.exclusive)))
        }
    }

    /// Keeps interrupts off the new CPUs, and lets them come back to those that were given up.
    mutating func moveShifts(from exclusive: CPUSet, fresh: [MaskShift]) {
        first += fresh.map(Self.step)
        let given = exclusive.subtracting(target.exclusive)
        var back: [EnforcementStep] = []
        var kept: [MaskShift] = []
        for shift in shifts {
            let removed = shift.removed.intersection(given)
            guard let part = MaskShift(shift.target, removed: removed, added: shift.added) else {
                kept.append(shift)
                continue
            }
            back.append(EnforcementStep(.unshift(part), undo: .shift(part)))
            if let rest = MaskShift(shift.target, removed: shift.removed.subtracting(removed)) { kept.append(rest) }
        }
        last = back + last
        shifts = kept + fresh
    }

    private static func step(_ shift: MaskShift) -> EnforcementStep {
        EnforcementStep(.shift(shift), undo: .unshift(shift))
    }

    private static func lifted(_ limits: [PageLimit], but others: [PageLimit]) -> [PageLimit] {
        limits.filter { limit in !others.contains { $0.size == limit.size } }
            .map { PageLimit(size: $0.size, bytes: .max) }
    }
}
