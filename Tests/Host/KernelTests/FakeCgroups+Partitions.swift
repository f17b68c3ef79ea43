import Glibc
import Machine

/// The rules of partitions, as far as Berth meets them.
extension FakeCgroups.State {
    /// The CPUs that tasks of a process may use.
    func cpus(of process: FakeCgroups.Process) -> CPUSet {
        if kernel == .v1 { return groups[process.cgroup]?.cpus ?? present }
        return effective(process.cgroup)
    }

    private func isPartition(_ path: String) -> Bool {
        if path == "/" { return true }
        guard let group = groups[path], group.word != "member", group.reason == nil else { return false }
        guard let parent = Self.parent(path) else { return false }
        return isPartition(parent) || canBeRemote(path)
    }

    private func canBeRemote(_ path: String) -> Bool {
        guard kernel == .linux612, let mine = groups[path]?.exclusive, !mine.isEmpty else { return false }
        var next = Self.parent(path)
        while let above = next, above != "/" {
            guard mine.isSubset(of: groups[above]?.exclusive ?? []) else { return false }
            next = Self.parent(above)
        }
        return true
    }

    private func isRemote(_ path: String) -> Bool {
        guard let parent = Self.parent(path), isPartition(path) else { return false }
        return !isPartition(parent)
    }

    /// The CPUs of a partition, with those of partitions below.
    private func owned(_ path: String) -> CPUSet {
        guard let group = groups[path], path != "/" else { return online }
        var wanted = kernel == .linux612 && !group.exclusive.isEmpty ? group.exclusive : group.cpus
        if let taken = group.taken { wanted.formIntersection(taken) }
        guard let parent = Self.parent(path), !isRemote(path) else { return wanted.intersection(online) }
        return wanted.intersection(owned(parent))
    }

    func effective(_ path: String) -> CPUSet {
        guard let group = groups[path] else { return [] }
        if isPartition(path) {
            var cpus = owned(path)
            for other in groups.keys where other != path && isPartition(other) {
                if Self.parent(other) == path || (path == "/" && isRemote(other)) { cpus.subtract(owned(other)) }
            }
            return cpus
        }
        let above = effective(Self.parent(path) ?? "/")
        let mine = group.cpus.isEmpty ? above : group.cpus.intersection(above)
        return mine.isEmpty ? above : mine
    }

    func partitionText(_ path: String) -> String {
        guard let group = groups[path], group.word != "member" else { return "member" }
        if isPartition(path) { return group.word }
        var reason = group.reason
        if reason == nil, let parent = Self.parent(path) {
            reason =
                groups[parent]?.word == "member"
                ? "Parent is not a partition root" : "Parent is an invalid partition root"
        }
        return "\(group.word) invalid" + (reason.map { $0.isEmpty ? "" : " (\($0))" } ?? "")
    }

    // MARK: - Changes

    mutating func writeCPUs(_ text: String, _ path: String) -> Int32 {
        guard let cpus = try? CPUSet(list: text) else { return EINVAL }
        guard cpus.isSubset(of: present) else { return ERANGE }
        if cpus.isEmpty && groups[path]?.word != "member" { return ENOSPC }
        // Not even a member, while processes are in it or below.
        if cpus.isEmpty && groups[path]?.cpus.isEmpty == false && isPopulated(path) { return ENOSPC }
        let old = groups[path]?.cpus ?? []
        let wasInvalid = groups[path]?.reason != nil
        groups[path]?.cpus = cpus
        revalidate(path)
        // Linux 6.12 calls it valid, and does not take the new CPUs from the others.
        let isLie = kernel == .linux612 && wasInvalid && groups[path]?.reason == nil
        groups[path]?.taken = isLie ? old : nil
        return 0
    }

    mutating func writeExclusive(_ cpus: CPUSet, _ path: String) -> Int32 {
        let wasRemote = isRemote(path)
        for sibling in siblings(path) where !(groups[sibling]?.exclusive ?? []).isDisjoint(with: cpus) { return EINVAL }
        guard groups[path]?.exclusive != cpus else { return 0 }
        groups[path]?.exclusive = cpus
        // A remote partition does not survive the change, though it could.
        if wasRemote { groups[path]?.reason = "Parent is not a partition root" } else { revalidate(path) }
        return 0
    }

    mutating func writePartition(_ text: String, _ path: String) -> Int32 {
        guard ["member", "root", "isolated"].contains(text) else { return EINVAL }
        guard let group = groups[path] else { return ENOENT }
        if group.word == text {
            // Linux 6.1 does not look again.
            let reason = verdict(path)
            if kernel == .linux612 && text != "member" { groups[path]?.reason = reason }
            return 0
        }
        groups[path]?.word = text
        groups[path]?.taken = nil
        let reason = text == "member" ? nil : verdict(path)
        groups[path]?.reason = reason
        return 0
    }

    /// Looks at a group again after its own CPUs changed, and at its siblings.
    mutating func revalidate(_ path: String) {
        let reason = verdict(path)
        if groups[path]?.word != "member" { groups[path]?.reason = reason }
        for sibling in siblings(path) where groups[sibling]?.word != "member" && overlaps(path, sibling) {
            groups[sibling]?.reason = kernel == .linux61 ? Self.notExclusive : ""
        }
    }

    private static let notExclusive = "Cpu list in cpuset.cpus not exclusive"

    /// Whether a process is in a group or below it.
    func isPopulated(_ path: String) -> Bool {
        processes.values.contains { $0.cgroup == path || $0.cgroup.hasPrefix(path + "/") }
    }

    private func siblings(_ path: String) -> [String] {
        Self.parent(path).map { children(of: $0).filter { $0 != path } } ?? []
    }

    private func overlaps(_ path: String, _ other: String) -> Bool {
        !(groups[path]?.cpus ?? []).isDisjoint(with: groups[other]?.cpus ?? [])
    }

    /// Why a group that is set to be a partition cannot be one.
    private func verdict(_ path: String) -> String? {
        guard let group = groups[path], let parent = Self.parent(path) else { return nil }
        if group.cpus.isEmpty && group.exclusive.isEmpty {
            return kernel == .linux61 ? "cpuset.cpus is empty" : "cpuset.cpus and cpuset.cpus.exclusive are empty"
        }
        if siblings(path).contains(where: { overlaps(path, $0) }) { return Self.notExclusive }
        if !isPartition(parent) {
            if kernel == .linux61 {
                return groups[parent]?.word == "member"
                    ? "Parent is not a partition root" : "Parent is an invalid partition root"
            }
            if !canBeRemote(path) { return "Invalid cpu list in cpuset.cpus.exclusive" }
            return nil
        }
        if kernel == .linux612, !group.cpus.isDisjoint(with: isolated) {
            return "partition config conflicts with housekeeping setup"
        }
        let mine = group.cpus.intersection(owned(parent))
        var left = owned(parent)
        var isInUse = processes.values.contains { $0.cgroup == parent }
        for sibling in siblings(path) {
            if isPartition(sibling) {
                left.subtract(owned(sibling))
            } else if isPopulated(sibling) {
                isInUse = true
            }
        }
        if mine.isEmpty || (left.isSubset(of: mine) && isInUse) { return "Parent unable to distribute cpu downstream" }
        return nil
    }

    /// What follows from a change, whoever made it.
    mutating func settle() {
        if kernel == .v1 {
            // Offline CPUs leave for good.
            for path in groups.keys where path != "/" { groups[path]?.cpus.formIntersection(online) }
            return
        }
        for path in groups.keys {
            let offer = effective(path)
            defer { offers[path] = offer }
            guard let before = offers[path], before != offer else { continue }
            for (id, process) in processes
            where process.cgroup == path && (kernel == .linux61 || process.isInherited || process.ignoresGroup) {
                for thread in process.threads.keys { processes[id]?.threads[thread] = present }
                processes[id]?.ignoresGroup = false
            }
            for (id, process) in processes where process.cgroup == path {
                for thread in process.threads.keys {
                    if let cpus = reactions.removeValue(forKey: thread) { processes[id]?.threads[thread] = cpus }
                }
            }
        }
        if effective("/").subtracting(isolated).isEmpty { hasCrashed = true }
    }
}
