import Ledger
import Machine

extension KernelPlan {
    /// The steps for a claim of a pod: its containers stay in the cgroups that they have.
    ///
    /// - Throws: ``EnforcementError`` where there are no cpusets, or the pod cannot have the CPUs.
    func pod(_ claim: Claim, _ pod: PodReference, in ledger: Ledger) throws(EnforcementError) -> EnforcementPlan {
        let minimum = claim.enforcement?.request.minimum ?? .none
        let why = noCPUSet ?? "the cgroups of pods belong to the kubelet"
        let isolation: Isolation = noCPUSet == nil ? .cpuset : .none
        guard isolation >= minimum else {
            throw EnforcementError(
                "the isolation can be \(isolation.rawValue) at most, and \(minimum.rawValue) is asked for: \(why)")
        }
        var plan = EnforcementPlan(steps: [], isolation: isolation)
        plan.limit = why
        guard isolation == .cpuset else { return plan }
        try checkPod(claim, claim, in: ledger)
        let confinement = PodConfinement(claim, pod)
        plan.steps = barSteps(claim.exclusive) + shiftSteps(claim)
        plan.steps.append(EnforcementStep(.confine(confinement), undo: .free(confinement.uid)))
        return plan
    }

    /// What keeps pods without a claim off CPUs that are exclusive without a partition.
    func barSteps(_ exclusive: CPUSet) -> [EnforcementStep] {
        guard !exclusive.isEmpty, noCPUSet == nil else { return [] }
        return [EnforcementStep(.bar(exclusive), undo: .unbar(exclusive))]
    }

    /// Checks that the kernel can give `target` to a pod.
    func checkPod(_ target: Claim, _ claim: Claim, in ledger: Ledger) throws(EnforcementError) {
        let uid = target.enforcement?.request.pod?.uid
        for other in ledger.sortedClaims where other.holder != claim.holder {
            guard other.enforcement?.request.pod?.uid != uid else {
                throw EnforcementError("the pod \(uid ?? "") is that of the claim \(other.holder.fullName)")
            }
        }
        let online = target.cpus.intersection(state.online)
        guard !online.isEmpty else { throw EnforcementError("no CPU of the claim is online") }
        guard state.hierarchy.kind == .v2 else { return }
        let taken = Others(than: claim, in: ledger).partitioned.union(state.online.subtracting(state.rootCPUs))
        let foreign = online.intersection(taken)
        guard foreign.isEmpty else {
            throw EnforcementError("CPUs \(foreign) are in a partition, where no pod is")
        }
    }

    /// Why no cpuset can be written; nil where nothing speaks against it.
    private var noCPUSet: String? {
        if state.hierarchy.kind == .none { return "there is no cgroup hierarchy with the cpuset controller" }
        return state.hierarchy.isReadOnly ? "\(state.hierarchy.mount) is mounted read-only" : nil
    }
}

extension PodConfinement {
    /// What a claim asks for its pod.
    init(_ claim: Claim, _ pod: PodReference) {
        self.init(
            uid: pod.uid, cpus: claim.cpus, memoryNodes: CPUSet(claim.memoryNodes),
            containers: pod.containers.map(\.digits).sorted())
    }
}
