import Ledger
import Machine

/// Decides how a claim is enforced: from the ledger, and what the kernel does now. Changes nothing.
package struct KernelPlan {
    /// A process to be moved, as it is now.
    package struct Process: Equatable, Sendable {
        /// Which one.
        package var identity: ProcessIdentity
        /// The cgroup that it is in.
        package var cgroup: String
        /// What its threads may run on.
        package var affinity: ThreadAffinity
        /// The threads that have been given fewer CPUs than the cgroup has.
        package var masks: [ThreadMask]

        /// A process.
        package init(
            identity: ProcessIdentity, cgroup: String, affinity: ThreadAffinity, masks: [ThreadMask] = []
        ) {
            self.masks = masks
            self.identity = identity
            self.cgroup = cgroup
            self.affinity = affinity
        }
    }

    /// What the kernel does now.
    package var state: KernelState
    /// How the kernel is made to follow.
    package var settings: KernelSettings
    /// The process that the claim asks to move; nil where it names none.
    package var process: Process?
    /// Whether a claim's cgroup of this path is there already, with processes in it.
    package var isPopulated: (String) -> Bool
    /// What keeps interrupts away from these CPUs.
    package var shifts: (CPUSet) -> [MaskShift]

    /// What plans follow from.
    package init(
        state: KernelState, settings: KernelSettings = KernelSettings(), process: Process? = nil,
        isPopulated: @escaping (String) -> Bool = { _ in false },
        shifts: @escaping (CPUSet) -> [MaskShift] = { _ in [] }
    ) {
        self.state = state
        self.settings = settings
        self.process = process
        self.isPopulated = isPopulated
        self.shifts = shifts
    }

    /// The path of the cgroup of a claim of `holder`. A claim without load balancing is beside the cgroup of all others: the
    /// kernel makes partitions only of what is directly below a partition, and that one cannot be a partition as well while
    /// processes are in it.
    package func path(of holder: Holder, isBalanced: Bool = true) -> String {
        "\(isBalanced ? settings.claims : settings.slice)/\(CgroupName.name(of: holder))"
    }

    private func path(of claim: Claim) -> String {
        path(of: claim.holder, isBalanced: claim.enforcement?.request.isBalanced ?? true)
    }

    /// The steps for `claim`, and how strong the isolation is once they are taken: as strong as it can be here.
    ///
    /// - Parameter ledger: the ledger, with the claim or without it.
    /// - Throws: ``EnforcementError`` where that is weaker than was asked for, or would endanger the machine.
    package func plan(_ claim: Claim, in ledger: Ledger) throws(EnforcementError) -> EnforcementPlan {
        if case .claim(let before) = claim.predecessor { return try change(before, to: claim, in: ledger) }
        let request = claim.enforcement?.request ?? EnforcementRequest()
        if let obstacle = state.kubelet?.obstacle(claim.allCPUs, request.pod?.uid) { throw EnforcementError(obstacle) }
        if let reference = request.pod { return try pod(claim, reference, in: ledger) }
        let others = Others(than: claim, in: ledger)
        let cpus = claim.allCPUs
        let obstacle = partitionObstacle(claim, cpus, request, others)
        if obstacle == nil {
            // Claims that are being prepared will take their CPUs from the root too.
            if let danger = state.danger(ofTaking: cpus, besides: others.partitioned) { throw EnforcementError(danger) }
            return try partition(claim, cpus, request, others)
        }
        let below = obstacle ?? ""
        guard request.isBalanced else {
            throw EnforcementError(
                "load balancing can be switched off in a partition only, and there can be none: \(below)")
        }
        let (isolation, why) = weaker(claim, others, below)
        guard isolation >= request.minimum else {
            throw EnforcementError(
                "the isolation can be \(isolation.rawValue) at most, and \(request.minimum.rawValue) is asked for: \(why)"
            )
        }
        var plan =
            switch isolation {
            case .partition, .cpuset: try cpuset(claim, others)
            case .affinity, .none: affinity(claim, isolation)
            }
        plan.limit = why
        return plan
    }

    // MARK: - What is possible

    private func partitionObstacle(
        _ claim: Claim, _ cpus: CPUSet, _ request: EnforcementRequest, _ others: Others
    ) -> String? {
        if claim.cpus.isEmpty { return "the claim has no CPUs" }
        if let obstacle = state.partitionObstacle(cpus) { return obstacle }
        for (pod, used) in others.pods where !used.isDisjoint(with: cpus) {
            return "\(pod.fullName) has CPUs \(used.intersection(cpus)) outside a partition"
        }
        if let other = others.inCPUSets { return "\(other.fullName) has a cpuset that a partition would cut off" }
        let foreign = state.partitionCPUs.subtracting(others.cpus)
        if !foreign.isEmpty { return "\(settings.slice) has CPUs \(foreign), which no claim has" }
        let shared = claim.cpus.subtracting(claim.exclusive)
        if !request.isBalanced && !shared.isEmpty { return "CPUs \(shared) are shared" }
        return nil
    }

    /// The strongest isolation below a partition, and why it is no stronger.
    private func weaker(_ claim: Claim, _ others: Others, _ why: String) -> (Isolation, String) {
        let online = claim.cpus.intersection(state.online)
        // No cpuset and no affinity leads a process onto CPUs of another partition.
        if state.hierarchy.kind == .v2, !online.isSubset(of: state.rootCPUs.union(state.partitionCPUs)) {
            return (.none, why)
        }
        let obstacle: String?
        if claim.cpus.isEmpty || state.hierarchy.kind == .none {
            obstacle = why
        } else if online.isEmpty {
            obstacle = "no CPU of the claim is online"
        } else if state.hierarchy.isReadOnly {
            obstacle = "\(state.hierarchy.mount) is mounted read-only"
        } else if state.hierarchy.kind == .v2 && !state.partitionCPUs.isEmpty {
            obstacle = "\(settings.slice) is a partition without these CPUs; \(why)"
        } else if state.hierarchy.kind == .v2 && !others.partitioned.isEmpty {
            obstacle = "\(settings.slice) becomes a partition for other claims; \(why)"
        } else {
            obstacle = nil
        }
        guard let obstacle else { return (.cpuset, why) }
        guard process != nil, !claim.cpus.isEmpty else { return (.none, obstacle) }
        return (.affinity, obstacle)
    }

    // MARK: - Steps

    private func partition(
        _ claim: Claim, _ cpus: CPUSet, _ request: EnforcementRequest, _ others: Others
    ) throws(EnforcementError) -> EnforcementPlan {
        var steps = [prepare(claim, others)]
        let isRemote = state.needsRemote
        func change(_ cpus: CPUSet, _ kind: PartitionPlace.Kind) {
            guard !cpus.isEmpty else { return }
            let place = PartitionPlace(slice: settings.slice, claims: settings.claims, kind: kind)
            steps.append(EnforcementStep(.grow(cpus, place), undo: .shrink(cpus, place)))
        }
        switch (isRemote, request.isBalanced) {
        case (false, _): change(cpus, .root)
        case (true, true): change(cpus, .remote)
        case (true, false):
            // CPUs that stay idle are nobody's, but still in a partition.
            change(cpus.subtracting(claim.cpus), .remote)
            change(claim.cpus, .apart)
        }
        steps += try cgroup(claim, others)
        if !request.isBalanced {
            let path = path(of: claim)
            steps.append(
                EnforcementStep(
                    .isolate(path: path, exclusive: isRemote ? claim.cpus : CPUSet()), undo: .balance(path: path)))
        }
        return finish(claim, steps, .partition)
    }

    private func cpuset(_ claim: Claim, _ others: Others) throws(EnforcementError) -> EnforcementPlan {
        finish(claim, [prepare(claim, others)] + (try cgroup(claim, others)) + barSteps(claim.exclusive), .cpuset)
    }

    private func affinity(_ claim: Claim, _ isolation: Isolation) -> EnforcementPlan {
        var steps: [EnforcementStep] = []
        if isolation == .affinity, let process {
            steps = barSteps(claim.exclusive) + shiftSteps(claim)
            steps.append(
                EnforcementStep(
                    .pin(process.identity, claim.cpus), undo: .unpin(process.identity, claim.cpus, process.affinity)))
        }
        return EnforcementPlan(steps: steps, isolation: isolation)
    }

    private func prepare(_ claim: Claim, _ others: Others) -> EnforcementStep {
        // Where a process is in one of these cgroups, the kernel refuses hugetlb and takes cpuset: only who needs it asks.
        var controllers = ["cpuset"]
        if limitsPages(claim) { controllers.append("hugetlb") }
        // What was there before Berth's first claim stays after its last one: the slice is systemd's where systemd made it.
        var undo = others.tidy ?? .nothing
        if others.tidy == nil, !state.hasClaims {
            undo = .tidy(path: settings.claims, below: state.slice?.path ?? "/")
        }
        return EnforcementStep(.prepare(path: settings.claims, controllers: controllers), undo: undo)
    }

    /// Whether the claim's huge pages can be limited, and are.
    func limitsPages(_ claim: Claim) -> Bool {
        !claim.reservations.isEmpty && state.controllers.contains("hugetlb") && state.hierarchy.kind == .v2
    }

    private func cgroup(_ claim: Claim, _ others: Others) throws(EnforcementError) -> [EnforcementStep] {
        let path = path(of: claim)
        if let other = others.paths(path, in: self) {
            throw EnforcementError("the cgroup of \(other.fullName) has the same name: choose a shorter one")
        }
        if isPopulated(path) {
            throw EnforcementError("cgroup \(path) is there already, with processes that no claim moved there")
        }
        let cgroup = ClaimCgroup(
            path: path, cpus: claim.cpus, memoryNodes: CPUSet(claim.memoryNodes),
            pages: limitsPages(claim) ? pages(claim) : [])
        return [EnforcementStep(.cgroup(cgroup), undo: .remove(path: path, refuge: refuge))]
    }

    /// How many huge pages of each size the claim may use, on all nodes together.
    func pages(_ claim: Claim) -> [PageLimit] {
        var counts: [(size: Int, count: Int)] = []
        for pages in claim.reservations {
            if let index = counts.firstIndex(where: { $0.size == pages.sizeKB }) {
                counts[index].count = counts[index].count.addingReportingOverflow(pages.count).partialValue
            } else {
                counts.append((pages.sizeKB, pages.count))
            }
        }
        return counts.map { PageLimit(sizeKB: $0.size, count: $0.count) }
    }

    /// Where processes go that are left when the claim ends.
    private var refuge: String { process?.cgroup ?? "/" }

    func shiftSteps(_ claim: Claim) -> [EnforcementStep] {
        guard !claim.exclusive.isEmpty else { return [] }
        return shifts(claim.exclusive).map { EnforcementStep(.shift($0), undo: .unshift($0)) }
    }

    /// Adds what is last: interrupts leave, the process comes.
    private func finish(_ claim: Claim, _ steps: [EnforcementStep], _ isolation: Isolation) -> EnforcementPlan {
        var plan = EnforcementPlan(steps: steps + shiftSteps(claim), isolation: isolation)
        guard let process else { return plan }
        let path = path(of: claim)
        plan.steps.append(
            EnforcementStep(
                .move(process.identity, to: path),
                undo: .giveBack(process.identity, from: path, to: process.cgroup, masks: process.masks)))
        // A v1 hierarchy does not tell when a cgroup becomes empty.
        if case .process = claim.lease, state.hierarchy.kind == .v2 {
            plan.lease = .cgroup(path: path, bootID: process.identity.bootID)
        }
        return plan
    }
}

/// What the other enforced claims of a ledger mean for a plan.
struct Others {
    /// All their CPUs.
    var cpus = CPUSet()
    /// Those of claims in the partition.
    var partitioned = CPUSet()
    /// A claim with a cpuset of its own outside a partition.
    var inCPUSets: Holder?
    /// The CPUs of pods, which are outside of the partition.
    var pods: [(holder: Holder, cpus: CPUSet)] = []
    /// The undo of the one that made the cgroup of all claims.
    var tidy: KernelStep?
    /// Their holders.
    var holders: [Holder] = []

    init(than claim: Claim, in ledger: Ledger) {
        for other in ledger.sortedClaims where other.holder != claim.holder {
            guard let enforcement = other.enforcement else { continue }
            let all = other.allCPUs
            cpus.formUnion(all)
            holders.append(other.holder)
            switch enforcement.isolation {
            case .partition: partitioned.formUnion(all)
            case .cpuset where enforcement.request.pod != nil: pods.append((other.holder, all))
            case .cpuset: inCPUSets = other.holder
            case .affinity, .none: break
            }
            if let first = enforcement.steps.first, first.undo.hasPrefix("tidy ") {
                tidy = KernelStep(text: first.undo)
            }
        }
    }

    /// Another claim whose cgroup has this path: names that were cut may collide.
    func paths(_ path: String, in plan: KernelPlan) -> Holder? {
        guard path.utf8.count >= CgroupName.limit else { return nil }
        return holders.first { plan.path(of: $0) == path || plan.path(of: $0, isBalanced: false) == path }
    }
}

extension EnforcementStep {
    /// A step of this module.
    init(_ action: KernelStep, undo: KernelStep) { self.init(action: action.text, undo: undo.text) }
}
