import Glibc
import Ledger
import Machine

/// Makes the kernel follow claims through its files.
package struct KernelEnforcer: Enforcer {
    /// The hierarchy that was found at the start.
    package let hierarchy: CgroupHierarchy
    private let files: any KernelFiles
    private let proc: ProcFiles
    private let settings: KernelSettings
    private let processes: any ProcessControl
    private let affinityStore: any AffinityStore
    private let knownThreads: KnownThreads
    private let podStore: any PodStore
    private let units: any UnitControl
    private let gate: KernelGate
    private let pause: @Sendable (Int) -> Void
    private let notice: @Sendable (String) -> Void

    /// An enforcer.
    ///
    /// - Parameters:
    ///   - files: the kernel's files.
    ///   - settings: how it is to be done.
    ///   - processes: the system calls that change processes.
    ///   - affinities: where the affinities of other programs' threads are stored while the kernel sets them anew.
    ///   - pods: where it is stored what the cgroups of pods had before they were changed.
    ///   - units: systemd, where it is to be told of what the cgroups of its units get.
    ///   - pause: waits for so many milliseconds.
    ///   - notice: gets one sentence on each setting that somebody else changed and that therefore stays as it is.
    package init(
        files: any KernelFiles, settings: KernelSettings = KernelSettings(),
        processes: any ProcessControl = SystemProcessControl(), affinities: any AffinityStore = AffinityMemory(),
        pods: any PodStore = PodMemory(), units: any UnitControl = NoUnitControl(),
        pause: @escaping @Sendable (Int) -> Void = { usleep(UInt32(clamping: $0) * 1_000) },
        notice: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.files = files
        self.settings = settings
        self.processes = processes
        affinityStore = affinities
        knownThreads = KnownThreads()
        podStore = pods
        self.units = units
        gate = KernelGate()
        self.pause = pause
        self.notice = notice
        proc = ProcFiles(files)
        hierarchy = CgroupHierarchy.detect(files, mount: settings.mount)
    }

    private var cgroups: ClaimCgroups { cgroups(files) }
    private var moves: ProcessMove {
        ProcessMove(files: files, hierarchy: hierarchy, proc: proc, affinities: affinities)
    }
    private var pins: ProcessPin { ProcessPin(proc: proc, control: processes) }
    private var affinities: AffinityKeeper {
        AffinityKeeper(
            files: files, hierarchy: hierarchy, settings: settings, proc: proc, control: processes,
            store: affinityStore, known: knownThreads, notice: notice)
    }

    private var pods: PodKeeper {
        PodKeeper(
            files: files, hierarchy: hierarchy, settings: settings, bootID: proc.bootID, affinities: affinities,
            store: podStore, units: units, gate: gate, notice: notice)
    }

    private func cgroups(_ files: any KernelFiles) -> ClaimCgroups {
        ClaimCgroups(files: files, hierarchy: hierarchy, pause: pause, notice: notice)
    }

    private func partition(_ place: PartitionPlace, _ files: any KernelFiles) -> CPUSetPartition {
        CPUSetPartition(
            files: files, hierarchy: hierarchy, settings: settings, place: place, notice: notice)
    }

    // MARK: - Planning

    /// The steps for `claim`, from what the kernel does now.
    ///
    /// - Throws: ``EnforcementError`` where it cannot be enforced as strongly as was asked for, would endanger the machine,
    ///   or names a process that is not there.
    package func plan(_ claim: Claim, in ledger: Ledger) throws(EnforcementError) -> EnforcementPlan {
        // One look: what several parts of the plan follow from does not change under it.
        let reader = KernelEnforcer(self, reading: ReadOnceFiles(files))
        return try reader.planned(claim, in: ledger)
    }

    private func planned(_ claim: Claim, in ledger: Ledger) throws(EnforcementError) -> EnforcementPlan {
        let state = try KernelState.read(files, hierarchy, settings)
        // What other claims have taken from the masks, or are about to take.
        let others = ledger.sortedClaims.reduce(into: CPUSet()) { cpus, other in
            if other.holder != claim.holder, other.enforcement != nil { cpus.formUnion(other.exclusive) }
        }.union(claim.predecessor.claim?.exclusive ?? CPUSet())
        let plan = KernelPlan(
            state: state, settings: settings, process: try process(of: claim),
            isPopulated: { path in !((try? hierarchy.cgroup(path, files).processes()) ?? []).isEmpty },
            shifts: { MaskShift.plan(off: $0, others: others, housekeeping: state.housekeeping, files: files) })
        return try plan.plan(claim, in: ledger)
    }

    /// The process that the claim asks to move.
    private func process(of claim: Claim) throws(EnforcementError) -> KernelPlan.Process? {
        // A change moves no process.
        guard claim.predecessor == .none, let identity = claim.enforcement?.request.process else { return nil }
        guard let boot = proc.bootID, boot == identity.bootID else {
            throw EnforcementError("process \(identity.id) was started before the machine was")
        }
        guard let start = proc.startTime(of: identity.id) else {
            throw EnforcementError("there is no process \(identity.id)")
        }
        // The kernel's own threads have no cgroup of their own, and everything depends on the first process.
        guard identity.id != 1, proc.status(of: identity.id)?.isKernelThread != true else {
            throw EnforcementError(
                "process \(identity.id) is \(identity.id == 1 ? "the machine's first one" : "the kernel's"), which is not moved"
            )
        }
        guard start == identity.startTime else {
            throw EnforcementError("process \(identity.id) is another one now: the one that was meant has ended")
        }
        guard var affinity = ThreadAffinity.read(identity.id, proc, noted: affinities.noted(of: identity.id)) else {
            throw EnforcementError("process \(identity.id) has ended")
        }
        var cgroup = proc.cgroup(of: identity.id, in: hierarchy) ?? "/"
        // One outside of what is seen here, or one that is gone, cannot be gone back to.
        if cgroup.hasPrefix("/..") || cgroup.hasSuffix(" (deleted)") || !cgroup.hasPrefix("/") { cgroup = "/" }
        // What its cgroup lets it have, which changes with the partitions.
        let online = try Cgroup(files: files, mount: "/sys/devices/system/cpu", path: "/").requiredCPUs("online")
        let file = hierarchy.kind == .v1 ? "cpuset.effective_cpus" : "cpuset.cpus.effective"
        var offered: CPUSet?
        if hierarchy.kind != .none { offered = try hierarchy.cgroup(cgroup, files).cpus(file) }
        let masks = affinity.narrower(than: offered ?? online, of: identity.id)
        if affinity.process == offered { affinity.process = online }
        return KernelPlan.Process(
            identity: identity, cgroup: cgroup, affinity: affinity, masks: masks)
    }

    // MARK: - Carrying out

    /// Takes one step. What it did is read back by ``verify(_:)``, where a later step does not depend on it.
    ///
    /// - Throws: ``EnforcementError`` with the kernel's reason.
    package func apply(_ step: EnforcementStep, of holder: Holder) throws(EnforcementError) {
        let action = try parsed(step.action)
        try gate.pass { () throws(EnforcementError) in try carryOut(action, of: holder) }
    }

    /// Takes one step back, as far as nobody else changed what it did.
    ///
    /// - Throws: ``EnforcementError`` with the kernel's reason.
    package func undo(_ step: EnforcementStep, of holder: Holder) throws(EnforcementError) {
        let undo = try parsed(step.undo)
        try gate.pass { () throws(EnforcementError) in try carryOut(undo, of: holder) }
    }

    private func parsed(_ text: String) throws(EnforcementError) -> KernelStep {
        guard let step = KernelStep(text: text) else { throw EnforcementError("the step '\(text)' is not known") }
        return step
    }

    private func carryOut(_ step: KernelStep, of holder: Holder) throws(EnforcementError) {
        switch step {
        case .prepare(let path, let controllers):
            try affinities.keeping { files throws(EnforcementError) in try cgroups(files).prepare(path, controllers) }
        case .tidy(let path, let below): try cgroups.tidy(path, below: below)
        case .grow(let cpus, let place):
            try affinities.keeping { files throws(EnforcementError) in try partition(place, files).grow(cpus) }
        case .shrink(let cpus, let place):
            try affinities.keeping(isUndo: true) { files throws(EnforcementError) in
                try partition(place, files).shrink(cpus, own: CgroupName.name(of: holder))
            }
        case .cgroup(let claim): try cgroups.make(claim)
        case .remove(let path, let refuge): try cgroups.remove(path, refuge: refuge)
        case .isolate(let path, let exclusive): try cgroups.isolate(path, exclusive: exclusive)
        case .balance(let path): try cgroups.balance(path)
        case .move(let process, let path): try moves.apply(process, to: path)
        case .giveBack(let process, let from, let to, let masks):
            try moves.undo(process, from: from, to: to, masks: masks)
        case .pin(let process, let cpus): try pins.apply(process, cpus)
        case .unpin(let process, let cpus, let before): try pins.undo(process, cpus, before)
        case .shift(let shift): try shift.apply(files, housekeeping: try housekeeping())
        case .unshift(let shift): try shift.undo(files)
        case .confine(let pod): try changePods { pods throws(EnforcementError) in try pods.confine(pod) }
        case .free(let uid): try changePods { pods throws(EnforcementError) in try pods.free(uid) }
        case .bar(let cpus): try changePods { pods throws(EnforcementError) in try pods.bar(cpus) }
        case .unbar(let cpus): try changePods { pods throws(EnforcementError) in try pods.unbar(cpus) }
        case .nothing: break
        }
    }

    private func changePods(_ body: (PodKeeper) throws(EnforcementError) -> Void) throws(EnforcementError) {
        defer { gate.podsChanged() }
        try body(pods)
    }

    // MARK: - Pods

    /// What the kernel does with the containers of a claim's pod.
    package func containers(of claim: Claim) -> [ContainerState] {
        guard let pod = claim.enforcement?.request.pod else { return [] }
        return pods.states(of: pod.containers, on: claim.cpus)
    }

    /// Does for cgroups of pods that have come what was done for the others.
    ///
    /// - Returns: the cgroups of pods that have a claim, and of their containers.
    func followPods() -> [String] {
        do throws(EnforcementError) { return try gate.pass { () throws(EnforcementError) in try pods.follow() } } catch
        {
            notice(error.description)
            return []
        }
    }

    /// The directories in which cgroups of pods appear; none while nothing is wanted of pods.
    var podDirectories: [String] { pods.watchedDirectories }

    /// Calls `body` whenever something else is wanted of pods, on the thread that changes it.
    func onPodChanges(_ body: (@Sendable () -> Void)?) { gate.setOnPods(body) }

    /// The CPUs that stay with the rest of the machine.
    private func housekeeping() throws(EnforcementError) -> CPUSet {
        if let configured = settings.housekeeping { return configured }
        return try KernelState.read(files, hierarchy, settings).housekeeping
    }

    // MARK: - Reading back

    /// Checks each step of enforced claims. What they have in common is read once.
    package func differences(of claims: [Claim]) -> [Holder: EnforcementError] {
        let reader = KernelEnforcer(self, reading: ReadOnceFiles(files))
        let areWhole = reader.arePartitionsWhole(of: claims)
        let online = Masks.online(reader.files)
        var differences: [Holder: EnforcementError] = [:]
        for claim in claims {
            do throws(EnforcementError) { try reader.check(claim, online: online, partitions: !areWhole) } catch {
                differences[claim.holder] = error
            }
        }
        return differences
    }

    /// Takes the CPUs of claims' partitions from the kernel's own threads that went there by themselves.
    package func settle(_ claims: [Claim]) {
        let exclusive = claims.reduce(into: CPUSet()) { cpus, claim in
            if claim.enforcement?.isolation == .partition { cpus.formUnion(claim.exclusive) }
        }
        try? gate.pass { () throws(EnforcementError) in affinities.driveOff(exclusive) }
    }

    /// Whether the partitions have all CPUs that the claims need there.
    private func arePartitionsWhole(of claims: [Claim]) -> Bool {
        var wanted: [PartitionPlace: CPUSet] = [:]
        for step in claims.lazy.flatMap({ $0.enforcement?.steps ?? [] }) where KernelStep.isGrowth(step.action) {
            guard case .grow(let cpus, let place) = KernelStep(text: step.action) else { continue }
            wanted[place, default: CPUSet()].formUnion(cpus)
        }
        return wanted.allSatisfy { (try? partition($0.key, files).verify($0.value)) != nil }
    }

    /// An enforcer like another one, with other files.
    private init(_ other: KernelEnforcer, reading files: any KernelFiles) {
        self.files = files
        proc = ProcFiles(files, bootID: other.proc.bootID)
        hierarchy = other.hierarchy
        settings = other.settings
        processes = other.processes
        affinityStore = other.affinityStore
        knownThreads = other.knownThreads
        podStore = other.podStore
        units = other.units
        gate = other.gate
        pause = other.pause
        notice = other.notice
    }

    /// The strongest isolation that a claim can have now, and why it is no stronger.
    package var strength: (isolation: Isolation, limit: String?) {
        let state: KernelState
        do throws(EnforcementError) { state = try KernelState.read(files, hierarchy, settings) } catch {
            return (.none, error.description)
        }
        guard let obstacle = state.partitionObstacle(CPUSet()) else { return (.partition, nil) }
        return (hierarchy.kind == .none || hierarchy.isReadOnly ? .affinity : .cpuset, obstacle)
    }

    /// What an operator has to know before the next CPU goes offline; nil where nothing is at stake, or the kernel cannot be
    /// read.
    package var hotplugDanger: String? { (try? KernelState.read(files, hierarchy, settings))?.hotplugDanger() }

    /// Checks each step of an enforced claim. Cgroups of pods that have come since the steps were taken count as wrong only
    /// once that was done for them too.
    ///
    /// - Throws: ``EnforcementError`` with the first difference.
    package func verify(_ claim: Claim) throws(EnforcementError) {
        guard differences(of: [claim])[claim.holder] != nil else { return }
        _ = followPods()
        if let difference = differences(of: [claim])[claim.holder] { throw difference }
    }

    /// Checks each step of an enforced claim, those of partitions only if asked to.
    private func check(_ claim: Claim, online: CPUSet?, partitions: Bool) throws(EnforcementError) {
        for step in claim.enforcement?.steps ?? []
        where KernelStep.isVerified(step.action) && (partitions || !KernelStep.isGrowth(step.action)) {
            switch try parsed(step.action) {
            case .grow(let cpus, let place): try partition(place, files).verify(cpus)
            case .cgroup(let cgroup): try cgroups.verify(cgroup)
            case .isolate(let path, _): try cgroups.verifyIsolated(path)
            case .move(let process, let path): try moves.verify(process, in: path)
            case .pin(let process, let cpus): try pins.verify(process, cpus)
            case .shift(let shift): try shift.verify(files)
            case .confine(let pod): try pods.verify(pod)
            case .bar(let cpus): try pods.verifyBarred(cpus)
            case .prepare, .tidy, .shrink, .remove, .balance, .giveBack, .unpin, .unshift, .free, .unbar,
                .nothing:
                break
            }
        }
        guard claim.enforcement?.isolation != Isolation.none, let online else { return }
        let missing = claim.missing(online: online)
        guard missing.isEmpty else { throw EnforcementError("CPUs \(missing) are offline") }
    }
}
