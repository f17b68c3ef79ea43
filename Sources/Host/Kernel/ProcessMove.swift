import Glibc
import Ledger
import Machine
import Service

/// Moves processes between cgroups.
struct ProcessMove {
    let files: any KernelFiles
    let hierarchy: CgroupHierarchy
    let proc: ProcFiles
    let affinities: AffinityKeeper

    /// Moves a process into the cgroup at `path`.
    ///
    /// A process that has ended is no failure while others are in the cgroup: it has left them behind.
    func apply(_ process: ProcessIdentity, to path: String) throws(EnforcementError) {
        let target = hierarchy.cgroup(path, files)
        guard proc.isAlive(process) else {
            guard try target.processes().isEmpty else { return }
            throw EnforcementError("process \(process.id) has ended")
        }
        guard !isInside(process, path) else { return }
        switch try target.take(process.id) {
        case .moved: break
        case .hasEnded: throw EnforcementError("process \(process.id) has ended")
        case .refused(let error): throw error
        }
        // The id may have gone to another process between both looks.
        guard proc.isAlive(process) else { throw EnforcementError("process \(process.id) has ended") }
    }

    /// Checks where a process is and may run; one that has ended is where it should be.
    func verify(_ process: ProcessIdentity, in path: String) throws(EnforcementError) {
        guard proc.isAlive(process), let now = proc.cgroup(of: process.id, in: hierarchy) else { return }
        guard now == path || now.hasPrefix(path + "/") else {
            throw EnforcementError("process \(process.id) is in cgroup \(now), not in \(path)")
        }
        let cpus = try hierarchy.cgroup(path, files).requiredCPUs("cpuset.cpus")
        guard let allowed = proc.allowedCPUs(process.id) else { return }
        guard cpus.isEmpty || allowed.isSubset(of: cpus) else {
            throw EnforcementError("process \(process.id) may run on CPUs \(allowed), not only on \(cpus)")
        }
    }

    /// Moves it back, where it is still in the cgroup; to the root where its own place does not take it any more.
    ///
    /// - Parameter masks: the affinity that threads had been given; those that are not listed get all that the cgroup has.
    func undo(
        _ process: ProcessIdentity, from path: String, to refuge: String, masks: [ThreadMask]
    ) throws(EnforcementError) {
        guard proc.isAlive(process), isInside(process, path) else { return }
        try hierarchy.cgroup(refuge, files).takeOrRoot(process.id)
        affinities.give(masks)
    }

    private func isInside(_ process: ProcessIdentity, _ path: String) -> Bool {
        guard let now = proc.cgroup(of: process.id, in: hierarchy) else { return false }
        return now == path || now.hasPrefix(path + "/")
    }
}
