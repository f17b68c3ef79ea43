import Glibc
import Ledger
import Machine
import Service

/// What `/proc` says about processes.
struct ProcFiles {
    let files: any KernelFiles

    /// The id of this boot; nil where the kernel does not say.
    var bootID: String? { (try? files.read("/proc/sys/kernel/random/boot_id")).map(trimmed) }

    /// When a process started, in clock ticks since the boot; nil where there is no such process.
    func startTime(of id: Int) -> Int? {
        guard let text = try? files.read("/proc/\(id)/stat") else { return nil }
        // The name, in parentheses, may contain anything; field 3 follows the last of them.
        guard let end = text.utf8.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = text.utf8[text.utf8.index(after: end)...].split(separator: UInt8(ascii: " "))
        guard fields.count > 19 else { return nil }
        return Int(String(Substring(fields[19])))
    }

    /// Whether this process is still there.
    func isAlive(_ process: ProcessIdentity) -> Bool {
        bootID == process.bootID && startTime(of: process.id) == process.startTime
    }

    /// Its cgroup in `hierarchy`; nil where there is no such process or hierarchy.
    func cgroup(of id: Int, in hierarchy: CgroupHierarchy) -> String? {
        (try? files.read("/proc/\(id)/cgroup")).flatMap { hierarchy.path(in: $0) }
    }

    /// The CPUs that a task may run on: a process, or a thread of it; nil where there is no such task.
    func allowedCPUs(_ id: Int, thread: Int? = nil) -> CPUSet? {
        let path = thread.map { "/proc/\(id)/task/\($0)/status" } ?? "/proc/\(id)/status"
        guard let text = try? files.read(path) else { return nil }
        let key = "Cpus_allowed_list:"
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(key) }) else { return nil }
        return try? CPUSet(list: line.dropFirst(key.count))
    }

    /// The threads of a process, ascending; none where there is no such process.
    func threads(of id: Int) -> [Int] {
        ((try? files.entries("/proc/\(id)/task")) ?? []).compactMap { Int($0) }.sorted()
    }
}
