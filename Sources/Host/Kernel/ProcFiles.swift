import Ledger
import Machine

/// What plans and steps need of processes, where it does not matter why something cannot be told.
struct ProcFiles: Sendable {
    private let processes: ProcessFiles
    /// The id of this boot; nil where the kernel does not say.
    let bootID: String?

    init(_ files: any KernelFiles) {
        processes = ProcessFiles(files)
        bootID = try? processes.bootID()
    }

    init(_ files: any KernelFiles, bootID: String?) {
        processes = ProcessFiles(files)
        self.bootID = bootID
    }

    /// What `/proc/ID/stat` says of a process or a thread; nil where there is none.
    func status(of id: Int) -> ProcessStatus? { try? processes.status(of: id) }

    /// What `/proc/ID/status` says of a process or a thread: its process, the one that started that, and its affinity; nil where
    /// there is none.
    func facts(of id: Int) -> (process: Int, parent: Int, allowed: CPUSet)? {
        guard let text = try? processes.read("status", of: id),
            let process = text.statusField("Tgid").flatMap({ Int($0) }),
            let parent = text.statusField("PPid").flatMap({ Int($0) }),
            let allowed = text.statusField("Cpus_allowed_list").flatMap({ try? CPUSet(list: $0) })
        else { return nil }
        return (process, parent, allowed)
    }

    /// When a process started, in clock ticks since the boot; nil where there is no such process.
    func startTime(of id: Int) -> Int? { status(of: id)?.startTime }

    /// Whether this process is still there.
    func isAlive(_ process: ProcessIdentity) -> Bool {
        bootID == process.bootID && startTime(of: process.id) == process.startTime
    }

    /// Its cgroup in `hierarchy`; nil where there is no such process or hierarchy.
    func cgroup(of id: Int, in hierarchy: CgroupHierarchy) -> String? {
        switch hierarchy.kind {
        case .v2: try? processes.cgroup(of: id)
        case .v1: try? processes.cgroup(of: id, controller: "cpuset")
        case .none: nil
        }
    }

    /// The CPUs that a task may run on: a process, or a thread of it; nil where there is no such task.
    func allowedCPUs(_ id: Int, thread: Int? = nil) -> CPUSet? {
        guard let text = try? processes.read(thread.map { "task/\($0)/status" } ?? "status", of: id) else { return nil }
        return text.statusField("Cpus_allowed_list").flatMap { try? CPUSet(list: $0) }
    }

    /// The threads of a process, ascending; none where there is no such process.
    func threads(of id: Int) -> [Int] { (try? processes.threads(of: id)) ?? [] }
}
