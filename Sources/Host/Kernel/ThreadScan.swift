import Glibc
import Ledger
import Machine
import Service

/// Finds the threads that may run on some CPUs, and those of some processes, among all threads of the machine.
///
/// There may be thousands of threads, and nearly none of interest: of each one file is read, and of that one line, as bytes.
struct ThreadScan {
    /// The threads found.
    private(set) var threads: [ObservedThread] = []
    /// How many threads were looked at.
    private(set) var count = 0
    /// What could not be read, each reason once.
    private(set) var failures: [String] = []

    private let processes: ProcessFiles
    private let interesting: CPUSet
    private let holders: [Int: Holder]
    private let controller: String?
    /// What the few different masks mean that threads have.
    private var masks: [String: (cpus: CPUSet, isInteresting: Bool)] = [:]
    private var errors: Set<Int32> = []

    /// Looks for threads that may run on one of `interesting`, and for those of the processes that `holders` names.
    ///
    /// - Parameter controller: nil for cgroups of the unified hierarchy, else the controller of a cgroup v1 hierarchy.
    init(_ files: any KernelFiles, interesting: CPUSet, holders: [Int: Holder], controller: String?) {
        processes = ProcessFiles(files)
        self.interesting = interesting
        self.holders = holders
        self.controller = controller
    }

    /// Looks at every thread. Those that end meanwhile are left out.
    mutating func run() {
        var pids = holders.keys.sorted()
        if !interesting.isEmpty { do { pids = try processes.processes() } catch { return note(error) } }
        for pid in pids {
            let tids: [Int]
            do { tids = try processes.threads(of: pid) } catch {
                note(error)
                continue
            }
            let isHolder = holders[pid] != nil
            for tid in tids { look(pid, tid, isHolder) }
        }
    }

    private mutating func look(_ pid: Int, _ tid: Int, _ isHolder: Bool) {
        do throws(ProcessError) {
            let text = try processes.read("task/\(tid)/status", of: pid)
            count += 1
            guard let list = text.statusField("Cpus_allowed_list") else {
                throw .malformed(path: "/proc/\(pid)/task/\(tid)/status")
            }
            let mask = mask(list)
            guard mask.isInteresting || isHolder else { return }
            let status = try processes.status(of: pid, thread: tid)
            guard !status.isOver else { return }
            let cgroup = status.isFixed ? nil : try processes.cgroup(of: pid, thread: tid, controller: controller)
            threads.append(
                ObservedThread(
                    pid: pid, tid: tid, name: status.name, allowed: mask.cpus, cgroup: cgroup,
                    isKernelThread: status.isKernelThread, isFixed: status.isFixed, lastCPU: status.lastCPU))
        } catch { note(error) }
    }

    private mutating func mask(_ list: String) -> (cpus: CPUSet, isInteresting: Bool) {
        if let known = masks[list] { return known }
        let cpus = (try? CPUSet(list: list)) ?? CPUSet()
        let mask = (cpus: cpus, isInteresting: !cpus.isDisjoint(with: interesting))
        masks[list] = mask
        return mask
    }

    private mutating func note(_ error: ProcessError) {
        switch error {
        case .gone: break
        case .malformed: if errors.insert(0).inserted { failures.append(error.description) }
        case .unreadable(let cause): if errors.insert(cause.errno).inserted { failures.append(error.description) }
        }
    }
}
