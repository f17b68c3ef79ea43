import Ledger
import Machine

/// Whether the kernel does what was granted: claims compared with what was seen.
package struct Verification: Equatable, Sendable {
    /// The differences, claim by claim, those of threads and interrupts after them.
    package private(set) var drifts: [Drift] = []
    /// The interrupts that the kernel does not let be moved, and that may go to exclusive CPUs: no drift, as nobody can help
    /// it.
    package private(set) var managed: [ObservedInterrupt] = []
    /// How many kernel threads that nobody can move may run on exclusive CPUs: no drift either.
    package private(set) var fixedThreads = 0
    /// How many threads have exclusive CPUs in their masks, but not in what their cgroup can have: the kernel does not let them
    /// there.
    package private(set) var keptOff = 0
    /// How many threads outside of pods may run on exclusive CPUs of pods: no drift, since without a partition only pods and
    /// programs with claims are kept off them.
    package private(set) var besidePods = 0
    /// How many threads were looked at.
    package private(set) var threadCount = 0
    /// What could not be read, one sentence each.
    package private(set) var failures: [String] = []

    /// Compares.
    ///
    /// - Parameter before: an earlier observation, by which interrupts that came meanwhile are told; nil where there is none.
    package init(_ claims: [VerifiedClaim], _ seen: Observation, before: Observation? = nil) {
        threadCount = seen.threadCount
        failures = seen.failures
        var exclusive = CPUSet()
        for claim in claims {
            exclusive.formUnion(claim.exclusive)
            compareCPUs(claim, seen)
            compareCgroup(claim, seen)
        }
        comparePartitions(claims, seen)
        let groups = ClaimIndex(claims, seen)
        for thread in seen.threads { compare(thread, claims, groups, exclusive, seen) }
        compareInterrupts(claims, exclusive, seen, before)
        for mask in SharedMask.allCases {
            let cpus = (seen.masks[mask] ?? CPUSet()).intersection(exclusive)
            if !cpus.isEmpty { drifts.append(.mask(mask, cpus: cpus, of: Self.holders(of: cpus, claims))) }
        }
        for memory in seen.memory {
            guard let claim = groups.claim(of: memory.holder), !claim.memoryNodes.isEmpty else { continue }
            let elsewhere = memory.kilobytes.filter { $0.value > 0 && !claim.memoryNodes.contains($0.key) }
            if !elsewhere.isEmpty { drifts.append(.memory(memory, elsewhere: elsewhere)) }
        }
    }

    /// The drift of one claim.
    package func drifts(of holder: Holder) -> [Drift] { drifts.filter { $0.holders.contains(holder) } }

    /// Who has any of `cpus` alone.
    private static func holders(of cpus: CPUSet, _ claims: [VerifiedClaim]) -> [Holder] {
        claims.filter { !$0.exclusive.isDisjoint(with: cpus) }.map(\.holder)
    }

    // MARK: - Claims

    private mutating func compareCPUs(_ claim: VerifiedClaim, _ seen: Observation) {
        guard let online = seen.online else { return }
        let offline = claim.cpus.union(claim.exclusive).subtracting(online)
        if !offline.isEmpty { drifts.append(.offline(cpus: offline, of: claim.holder)) }
    }

    private mutating func compareCgroup(_ claim: VerifiedClaim, _ seen: Observation) {
        if claim.isolation == .partition, let root = seen.cgroups["/"]?.effective {
            let shared = root.intersection(claim.exclusive)
            if !shared.isEmpty { drifts.append(.notAlone(cpus: shared, of: claim.holder)) }
        }
        guard let cgroup = claim.cgroup else { return compareContainers(claim, seen) }
        guard let found = seen.cgroups[cgroup] else {
            drifts.append(.missing(cgroup: cgroup, of: claim.holder))
            return
        }
        if let effective = found.effective, !claim.cpus.isEmpty {
            let expected = seen.online.map { claim.cpus.intersection($0) } ?? claim.cpus
            // With no CPU of its own online it runs on others', which its offline CPUs say.
            if effective != expected, !expected.isEmpty {
                drifts.append(.cpus(expected: expected, found: effective, cgroup: cgroup, of: claim.holder))
            }
        }
        if let nodes = found.memoryNodes, !claim.memoryNodes.isEmpty, Set(nodes) != Set(claim.memoryNodes) {
            drifts.append(
                .memoryNodes(expected: claim.memoryNodes.sorted(), found: nodes, cgroup: cgroup, of: claim.holder))
        }
    }

    /// The containers of a pod come and go: only those that are there count.
    private mutating func compareContainers(_ claim: VerifiedClaim, _ seen: Observation) {
        let expected = seen.online.map { claim.cpus.intersection($0) } ?? claim.cpus
        for container in claim.containers {
            guard let effective = seen.cgroups[container]?.effective, effective != expected, !expected.isEmpty else {
                continue
            }
            drifts.append(.cpus(expected: expected, found: effective, cgroup: container, of: claim.holder))
        }
    }

    /// Each partition once, with all claims that need it.
    private mutating func comparePartitions(_ claims: [VerifiedClaim], _ seen: Observation) {
        var holders: [String: [Holder]] = [:]
        var partitions: [VerifiedClaim.Partition] = []
        for claim in claims {
            for partition in claim.partitions {
                if holders[partition.cgroup] == nil { partitions.append(partition) }
                holders[partition.cgroup, default: []].append(claim.holder)
            }
        }
        for partition in partitions {
            let state = seen.cgroups[partition.cgroup]?.partition
            guard state != partition.word else { continue }
            drifts.append(
                .partition(
                    cgroup: partition.cgroup, expected: partition.word, state: state ?? "",
                    of: holders[partition.cgroup] ?? []))
        }
    }

    // MARK: - Threads

    private mutating func compare(
        _ thread: ObservedThread, _ claims: [VerifiedClaim], _ groups: ClaimIndex, _ exclusive: CPUSet,
        _ seen: Observation
    ) {
        let own = groups.claim(of: thread)
        if let own, own.isolation != .none, !own.cpus.isEmpty {
            let outside = thread.allowed.subtracting(own.cpus)
            if !outside.isEmpty { drifts.append(.outside(thread, cpus: outside, of: own.holder)) }
        }
        var cpus = thread.allowed.intersection(exclusive)
        if let own { cpus.subtract(own.exclusive) }
        guard !cpus.isEmpty else { return }
        guard !thread.isFixed else {
            fixedThreads += 1
            return
        }
        // What the thread's cgroup can have counts, not the mask alone: some kernels leave CPUs of a partition in the masks of
        // threads outside. One that has nowhere else to run, or ran on such a CPU last, may run there all the same.
        if let cgroup = thread.cgroup, let effective = seen.cgroups[cgroup]?.effective,
            effective.isDisjoint(with: cpus),
            !effective.isDisjoint(with: thread.allowed), !cpus.contains(thread.lastCPU ?? -1)
        {
            keptOff += 1
            return
        }
        if own == nil, !thread.isInPod {
            if !cpus.isDisjoint(with: groups.exclusiveOfPods) { besidePods += 1 }
            cpus.subtract(groups.exclusiveOfPods)
            guard !cpus.isEmpty else { return }
        }
        drifts.append(.intruder(thread, cpus: cpus, of: Self.holders(of: cpus, claims)))
    }

    // MARK: - Interrupts

    private mutating func compareInterrupts(
        _ claims: [VerifiedClaim], _ exclusive: CPUSet, _ seen: Observation, _ before: Observation?
    ) {
        var earlier: [Int: [Int: Int]] = [:]
        for interrupt in before?.interrupts ?? [] { earlier[interrupt.number] = interrupt.counts }
        for interrupt in seen.interrupts {
            var cpus = interrupt.allowed.intersection(exclusive)
            var delivered = 0
            for (cpu, count) in interrupt.counts where exclusive.contains(cpu) {
                guard let earlier = earlier[interrupt.number]?[cpu], count > earlier else { continue }
                delivered &+= count &- earlier
                // After a move one more comes to the old CPU: the kernel changes over when the next one arrives.
                if count &- earlier > 1 { cpus.insert(cpu) }
            }
            guard !cpus.isEmpty else { continue }
            if interrupt.isManaged {
                managed.append(interrupt)
            } else {
                let holders = Self.holders(of: cpus, claims)
                drifts.append(.interrupt(interrupt, cpus: cpus, delivered: delivered, of: holders))
            }
        }
    }
}

extension ObservedThread {
    /// Whether its cgroup is a pod's, or below one.
    fileprivate var isInPod: Bool {
        cgroup.map { $0.split(separator: "/").contains { PodTree.uid(of: String($0)) != nil } } ?? false
    }
}

/// Finds the claim that a thread belongs to.
private struct ClaimIndex {
    private var byCgroup: [String: VerifiedClaim] = [:]
    private var byProcess: [Int: VerifiedClaim] = [:]
    private var byHolder: [Holder: VerifiedClaim] = [:]
    /// The exclusive CPUs of pods.
    private(set) var exclusiveOfPods = CPUSet()

    init(_ claims: [VerifiedClaim], _ seen: Observation) {
        for claim in claims {
            byHolder[claim.holder] = claim
            if claim.holder.kind == .pod { exclusiveOfPods.formUnion(claim.exclusive) }
            for container in claim.containers { byCgroup[container] = claim }
            if let cgroup = claim.cgroup {
                byCgroup[cgroup] = claim
            } else if let pid = seen.processes[claim.holder] {
                byProcess[pid] = claim
            }
        }
    }

    func claim(of holder: Holder) -> VerifiedClaim? { byHolder[holder] }

    /// The claim whose cgroup is that of the thread or above it, or whose process is that of the thread.
    func claim(of thread: ObservedThread) -> VerifiedClaim? {
        if let claim = byProcess[thread.pid] { return claim }
        guard !byCgroup.isEmpty, var path = thread.cgroup?[...] else { return nil }
        while !path.isEmpty {
            if let claim = byCgroup[String(path)] { return claim }
            guard let slash = path.lastIndex(of: "/") else { return nil }
            path = path[..<slash]
        }
        return nil
    }
}
