import Glibc
import Ledger
import Machine
import Service
import Synchronization

/// Keeps the containers of pods with a claim on its CPUs, and other pods off exclusive ones, in the cgroups that the kubelet and
/// the container runtime have made. It writes their cpuset files and nothing else, and makes and removes no cgroup.
struct PodKeeper: Sendable {
    let files: any KernelFiles
    let hierarchy: CgroupHierarchy
    let settings: KernelSettings
    let bootID: String?
    let affinities: AffinityKeeper
    let store: any PodStore
    let units: any UnitControl
    let gate: KernelGate
    /// Reports what is not as it should be, and is no failure.
    let notice: @Sendable (String) -> Void

    /// How often cgroups may have come in between.
    private static let settlingLimit = 20

    // MARK: - What is wanted

    /// Keeps a pod on its CPUs from now on. Containers that are not there yet are no failure.
    func confine(_ pod: PodConfinement) throws(EnforcementError) {
        try settle({ $0.pods[pod.uid] = pod }) { () throws(EnforcementError) in try verify(pod) }
    }

    /// Gives a pod back what it had.
    func free(_ uid: String) throws(EnforcementError) {
        try change(isUndo: true) { $0.pods[uid] = nil }
    }

    /// Keeps pods without a claim off these CPUs too.
    func bar(_ cpus: CPUSet) throws(EnforcementError) {
        try settle({ $0.off.formUnion(cpus) }) { () throws(EnforcementError) in try verifyBarred(cpus) }
    }

    /// Lets pods without a claim come back to these CPUs.
    func unbar(_ cpus: CPUSet) throws(EnforcementError) {
        try change(isUndo: true) { $0.off.subtract(cpus) }
    }

    /// Does all of it again, for cgroups that have come.
    ///
    /// - Returns: the cgroups of pods that have a claim, and of their containers.
    func follow() throws(EnforcementError) -> [String] {
        guard record != nil else { return [] }
        try settle({ _ in }, check: {})
        let tree = tree
        return nodes(record ?? PodRecord(bootID: ""), tree).filter { $0.claimed != nil }.map(\.path)
    }

    /// The directories in which cgroups of pods appear; none while nothing is wanted of pods.
    var watchedDirectories: [String] {
        guard let record, !record.off.isEmpty || !record.pods.isEmpty else { return [] }
        let tree = tree
        // With cgroup v1 each cgroup has CPUs of its own.
        let own = tree.pods.filter { record.pods[$0.uid] != nil || isV1 && $0.isKubelets }.map(\.path)
        return (tree.nurseries + own).map { hierarchy.mount + ($0 == "/" ? "" : $0) }
    }

    // MARK: - Writing

    /// The record of this boot; nil where nothing is noted.
    private var record: PodRecord? {
        guard let bootID, let record = store.load(), record.bootID == bootID, !record.isEmpty else { return nil }
        return record
    }

    private var tree: PodTree { PodTree(files, hierarchy, skipping: settings.slice) }

    private var isV1: Bool { hierarchy.kind == .v1 }

    /// Changes what is wanted, and checks it. The kubelet makes cgroups at any time: where some came meanwhile, which may have
    /// stood in the way too, all of it is done again.
    private func settle(
        _ body: (inout PodRecord) -> Void, check: () throws(EnforcementError) -> Void
    ) throws(EnforcementError) {
        for _ in 0..<Self.settlingLimit {
            let known = tree
            do throws(EnforcementError) {
                try change(in: known, body)
                return try check()
            } catch {
                guard tree != known else { throw error }
            }
        }
        try change(body)
        try check()
    }

    /// Changes what is wanted in the cgroups of `known`, or of those that are there now.
    private func change(
        isUndo: Bool = false, in known: PodTree? = nil, _ body: (inout PodRecord) -> Void
    ) throws(EnforcementError) {
        guard hierarchy.kind != .none, let bootID else { return }
        var wanted = record ?? PodRecord(bootID: bootID)
        body(&wanted)
        let present = nodes(wanted, known ?? tree)
        guard let online = Masks.online(files) else { throw EnforcementError("cannot read \(Masks.onlineCPUs)") }
        let plan = PodPlan(
            wanted, present, isV1: isV1, online: online, all: allCPUs ?? online,
            allNodes: everything("cpuset.mems") ?? CPUSet(), kubelet: KubeletCPUs.read(files))
        // What was there is stored before it is changed.
        do { try store.save(plan.record.isEmpty ? nil : plan.record) } catch {
            guard isUndo else { throw EnforcementError(error) }
            notice("\(error)")
        }
        for text in gate.news(plan.notices) { notice(text) }
        guard !plan.writes.isEmpty else { return }
        try affinities.keeping(isUndo: isUndo) { files throws(EnforcementError) in
            var failure: EnforcementError?
            for write in plan.writes {
                do throws(EnforcementError) { try carryOut(write, files) } catch { failure = failure ?? error }
            }
            if let failure { throw failure }
        }
        if units.isThere { for (path, masks) in plan.units { tell(path, masks) } }
    }

    /// Has systemd let a unit have what was written: else its next daemon-reload puts back what it was.
    private func tell(_ path: String, _ masks: PodRecord.Masks) {
        guard let unit = path.split(separator: "/").last else { return }
        do throws(EnforcementError) {
            try units.allow(
                String(unit), cpus: masks.cpus.isEmpty ? nil : masks.cpus,
                memoryNodes: masks.mems.isEmpty ? nil : masks.mems)
        } catch { notice("\(unit): \(error); a daemon-reload of systemd may put back other CPUs") }
    }

    /// Writes one mask. A cgroup that has gone meanwhile needs none.
    private func carryOut(_ write: PodPlan.Write, _ files: any KernelFiles) throws(EnforcementError) {
        let cgroup = hierarchy.cgroup(write.path, files)
        let migration = "cpuset.memory_migrate"
        let isMigrated = isV1 && write.file == "cpuset.mems" && (try? cgroup.text(migration)) == "0"
        if isMigrated { try? cgroup.write("1", to: migration) }
        defer { if isMigrated { try? cgroup.write("0", to: migration) } }
        do { try files.write(write.value.list + "\n", to: cgroup.file(write.file)) } catch {
            if error.errno == ENOENT || error.errno == ENODEV || !cgroup.exists { return }
            // The kernel does not empty a mask of a cgroup with processes: all that there is comes to the same.
            guard write.value.isEmpty, let everything = everything(write.file) else { throw EnforcementError(error) }
            try cgroup.write(everything.list, to: write.file)
        }
    }

    /// All CPUs, offline ones among them, or all memory nodes.
    private func everything(_ file: String) -> CPUSet? {
        if file == "cpuset.cpus" { return allCPUs }
        return (try? hierarchy.cgroup("/", files).cpus("cpuset.mems.effective")) ?? nil
    }

    private var allCPUs: CPUSet? {
        (try? Masks.read("/sys/devices/system/cpu/present", .list, files)) ?? Masks.online(files)
    }

    // MARK: - Looking

    /// The cgroups that matter, those above before those below: of each pod its own, those of the containers of claims, all that
    /// was changed, and with cgroup v1 all that is below them.
    private func nodes(_ record: PodRecord, _ tree: PodTree) -> [PodPlan.Node] {
        var heads: [String: (claimed: String?, isKubelets: Bool)] = [:]
        for pod in tree.pods {
            let claimed = record.pods[pod.uid] == nil ? nil : pod.uid
            guard claimed != nil || pod.isKubelets && !record.off.isEmpty || record.changes[pod.path] != nil else {
                continue
            }
            heads[pod.path] = (claimed, pod.isKubelets)
        }
        for pod in record.pods.values {
            for digits in pod.containers {
                if let path = tree.containers[digits] { heads[path] = (pod.uid, false) }
            }
        }
        for path in record.changes.keys where heads[path] == nil {
            let uid = tree.uid(above: path)
            heads[path] = (isV1 && uid.map { record.pods[$0] != nil } ?? false ? uid : nil, false)
        }
        var nodes: [PodPlan.Node] = []
        var seen: Set<String> = []
        for (path, head) in heads.sorted(by: { $0.key < $1.key }) {
            var rest = [hierarchy.cgroup(path, files)]
            while let cgroup = rest.popLast() {
                // What is below has an entry of its own, or is as what is above it.
                let own = heads[cgroup.path] ?? head
                guard seen.insert(cgroup.path).inserted, let cpus = try? cgroup.cpus("cpuset.cpus") else { continue }
                let mems = ((try? cgroup.cpus("cpuset.mems")) ?? nil) ?? CPUSet()
                var node = PodPlan.Node(
                    path: cgroup.path, isKubelets: own.isKubelets || head.isKubelets && own.claimed == nil,
                    claimed: own.claimed ?? head.claimed, masks: PodRecord.Masks(cpus: cpus, mems: mems))
                if isV1, cpus.isEmpty || mems.isEmpty { node.above = masks(above: cgroup) }
                nodes.append(node)
                if isV1 { rest += cgroup.children.reversed() }
            }
        }
        return nodes
    }

    /// The masks of the nearest cgroup above that has some.
    private func masks(above cgroup: Cgroup) -> PodRecord.Masks? {
        var next = cgroup.parent
        while let above = next {
            if let cpus = try? above.cpus("cpuset.cpus"), let mems = try? above.cpus("cpuset.mems"), !cpus.isEmpty,
                !mems.isEmpty
            {
                return PodRecord.Masks(cpus: cpus, mems: mems)
            }
            next = above.parent
        }
        return nil
    }

    // MARK: - Reading back

    /// What became of containers, in their order.
    func states(of containers: [PodReference.Container], on cpus: CPUSet) -> [ContainerState] {
        let tree = tree
        return containers.map { container in
            guard let path = tree.containers[container.digits] else {
                return ContainerState(container, cgroup: nil, .missing)
            }
            let isConfined = (try? verify(path, cpus, CPUSet())) != nil
            return ContainerState(container, cgroup: path, isConfined ? .confined : .unconfined)
        }
    }

    /// Checks the cgroups of a pod and its containers, as far as they are there.
    func verify(_ pod: PodConfinement) throws(EnforcementError) {
        let tree = tree
        let paths =
            tree.pods.filter { $0.uid == pod.uid }.map(\.path) + pod.containers.compactMap { tree.containers[$0] }
        for path in paths { try verify(path, pod.cpus, pod.memoryNodes) }
    }

    private func verify(_ path: String, _ cpus: CPUSet, _ nodes: CPUSet) throws(EnforcementError) {
        let cgroup = hierarchy.cgroup(path, files)
        guard cgroup.exists else { return }
        guard try cgroup.cpus("cpuset.cpus") != nil else {
            throw EnforcementError("cgroup \(path) has no cpuset: the controller is not enabled above it")
        }
        guard let effective = try effective(cgroup), let online = Masks.online(files) else { return }
        let wanted = cpus.intersection(online)
        guard !wanted.isEmpty else {
            throw EnforcementError("no CPU of \(cpus) is online: processes in \(path) run on \(effective)")
        }
        guard effective == wanted else {
            let who = try author(of: cgroup).map { "; \($0)" } ?? ""
            throw EnforcementError("\(cgroup.file(effectiveFile)) is \(effective.shown), not \(wanted.shown)\(who)")
        }
        guard !nodes.isEmpty, let found = try cgroup.cpus("cpuset.mems"), found != nodes else { return }
        throw EnforcementError("\(cgroup.file("cpuset.mems")) is \(found.shown), not \(nodes)")
    }

    /// Who has probably set the CPUs of a cgroup after Berth; nil where that cannot be told.
    private func author(of cgroup: Cgroup) throws(EnforcementError) -> String? {
        guard let change = record?.changes[cgroup.path], let cpus = try cgroup.cpus("cpuset.cpus"),
            cpus != change.after.cpus
        else { return nil }
        if KubeletCPUs.read(files)?.mayHaveSet(cpus) ?? false {
            return "the kubelet's CPU manager (policy static) has probably set it, and Berth leaves that"
        }
        let isBack = cpus == change.before.cpus && PodPlan.isUnit(cgroup.path)
        return isBack ? "systemd has probably put it back" : "somebody else has set it"
    }

    /// Checks that no pod without a claim may run on these CPUs.
    func verifyBarred(_ cpus: CPUSet) throws(EnforcementError) {
        guard let record else { return }
        for pod in tree.pods where pod.isKubelets && record.pods[pod.uid] == nil {
            let cgroup = hierarchy.cgroup(pod.path, files)
            guard let common = try effective(cgroup)?.intersection(cpus), !common.isEmpty else { continue }
            throw EnforcementError("the pod of \(pod.path) may run on CPUs \(common), which are exclusive to a claim")
        }
    }

    private var effectiveFile: String { isV1 ? "cpuset.effective_cpus" : "cpuset.cpus.effective" }

    private func effective(_ cgroup: Cgroup) throws(EnforcementError) -> CPUSet? { try cgroup.cpus(effectiveFile) }
}

/// Keeps what changes the kernel from happening on two threads at once.
final class KernelGate: Sendable {
    private let mutex = Mutex(())
    /// What was said last.
    private let told = Mutex<Set<String>>([])
    /// Called after what is wanted of pods has changed.
    private let onPods = Mutex<(@Sendable () -> Void)?>(nil)

    func setOnPods(_ body: (@Sendable () -> Void)?) { onPods.withLock { $0 = body } }

    /// Those of the texts that were not among the last ones.
    func news(_ texts: [String]) -> [String] {
        told.withLock { told in
            defer { told = Set(texts) }
            return texts.filter { !told.contains($0) }
        }
    }

    func podsChanged() { onPods.withLock { $0 }?() }

    /// Does something while nothing else does.
    func pass<T: Sendable>(_ body: () throws(EnforcementError) -> T) throws(EnforcementError) -> T {
        try mutex.withLock { _ throws(EnforcementError) in try body() }
    }
}
