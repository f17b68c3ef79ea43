import Glibc
import Kernel
import Machine
import Service
import Synchronization

/// A cgroup file system and a `/proc` in memory, with the quirks of the kernels that Berth meets.
final class FakeCgroups: KernelFiles, ProcessControl {
    enum Kernel: CaseIterable { case linux61, linux612, v1 }

    struct Group: Equatable {
        var cpus = CPUSet()
        var mems = CPUSet()
        /// Version 1: whether memory moves to nodes that are written.
        var isMigrating = false
        var exclusive = CPUSet()
        /// What was written to cpuset.cpus.partition.
        var word = "member"
        /// Why that is invalid; empty where the kernel has lost the reason.
        var reason: String?
        /// What a partition has in truth, where that is less than it was given.
        var taken: CPUSet?
        /// The controllers of the groups below.
        var control: [String] = []
        var pages: [String: String] = [:]
    }

    struct Process: Equatable {
        var start: Int
        var cgroup: String
        /// The affinity that each thread was given.
        var threads: [Int: CPUSet]
        var parent = 1
        /// Whether its threads have their affinities from whoever started them: Linux 6.12 gives them all CPUs of the group when that
        /// has others.
        var isInherited = false
        var isKernelThread = false
        /// Whether its threads run where they were told, whatever its group has.
        var ignoresGroup = false
    }

    struct State {
        var kernel: Kernel
        var online: CPUSet
        var present: CPUSet
        var isolated: CPUSet
        var groups: [String: Group]
        var processes: [Int: Process] = [:]
        var boot = "boot-1"
        var isReadOnly = false
        /// Changes so far, those that failed included.
        var changes = 0
        /// The changes that fail, by number; whether they have their effect all the same.
        var failures: [Int: Bool] = [:]
        /// The cgroups that others make right after a change, by its number.
        var arrivals: [Int: [String]] = [:]
        /// What was written: `PATH TEXT`.
        var log: [String] = []
        /// What threads set their affinity to, once, as soon as their group has other CPUs.
        var reactions: [Int: CPUSet] = [:]
        /// What each group had at the last change.
        var offers: [String: CPUSet] = [:]
        /// Whether the kernel has crashed: the root cgroup was left with CPUs of isolcpus only.
        var hasCrashed = false
    }

    let state: Mutex<State>

    init(_ kernel: Kernel, cpus: Int = 16, isolated: CPUSet = CPUSet()) {
        let all = CPUSet(0...(cpus - 1))
        var root = Group()
        if kernel == .v1 { (root.cpus, root.mems) = (all, [0, 1]) }
        state = Mutex(
            State(kernel: kernel, online: all, present: all, isolated: isolated, groups: ["/": root]))
    }

    static func mount(_ kernel: Kernel) -> String { kernel == .v1 ? "/sys/fs/cgroup/cpuset" : "/sys/fs/cgroup" }

    // MARK: - What tests do

    func change<T: Sendable>(_ body: (inout sending State) -> T) -> T {
        state.withLock { state in
            let result = body(&state)
            state.settle()
            return result
        }
    }

    /// Adds a process in a group with this many threads.
    func addProcess(_ id: Int, in cgroup: String, threads: Int = 1) {
        change { state in
            let all = state.present
            state.processes[id] = Process(
                start: id * 10, cgroup: cgroup,
                threads: Dictionary(uniqueKeysWithValues: (id..<(id + threads)).map { ($0, all) }))
        }
    }

    func addGroup(_ path: String, cpus: CPUSet = CPUSet()) {
        change { state in
            state.groups[path] = Group(cpus: cpus)
            if !(state.groups["/"]?.control.contains("cpuset") ?? true) { state.groups["/"]?.control.append("cpuset") }
        }
    }

    /// Adds a cgroup with those above it, as a container runtime does.
    func addCgroup(_ path: String) { change { $0.addCgroup(path) } }

    func file(_ path: String) -> String { (try? read(Self.mount(state.withLock { $0.kernel }) + path)) ?? "absent" }

    /// Writes like another program; the change is not counted.
    func poke(_ text: String, to path: String) {
        state.withLock { state in
            _ = state.write(text + "\n", to: Self.mount(state.kernel) + path)
            state.settle()
        }
    }

    /// Everything that can be set, but for the controllers that are enabled.
    var snapshot: [String: String] {
        state.withLock { state in
            var all: [String: String] = [:]
            for (path, group) in state.groups {
                var group = group
                group.control = []
                all[path] = "\(group)"
            }
            for (id, process) in state.processes { all["process \(id)"] = "\(process.cgroup)" }
            return all
        }
    }

    var hasCrashed: Bool { state.withLock { $0.hasCrashed } }
    var changes: Int { state.withLock { $0.changes } }
    var log: [String] { state.withLock { $0.log } }

    // MARK: - The files

    func read(_ path: String) throws(SystemError) -> String {
        guard let text = state.withLock({ $0.text(of: path) }) else { throw SystemError("open \(path)", errno: ENOENT) }
        return text + "\n"
    }

    func write(_ text: String, to path: String) throws(SystemError) {
        try counted("write \(text.dropLast()) to \(path)") { $0.write(text, to: path) }
    }

    func makeDirectory(_ path: String) throws(SystemError) {
        try counted("make \(path)") { state in
            guard let path = state.group(path), let parent = State.parent(path) else { return ENOENT }
            guard state.groups[path] == nil else { return EEXIST }
            guard state.groups[parent] != nil else { return ENOENT }
            state.groups[path] = Group()
            return 0
        }
    }

    func removeDirectory(_ path: String) throws(SystemError) {
        try counted("remove \(path)") { state in
            guard let path = state.group(path), state.groups[path] != nil else { return ENOENT }
            guard state.children(of: path).isEmpty, !state.processes.values.contains(where: { $0.cgroup == path })
            else {
                return EBUSY
            }
            state.groups[path] = nil
            return 0
        }
    }

    func entries(_ path: String) throws(SystemError) -> [String] {
        let names: [String]? = state.withLock { state in
            let parts = path.split(separator: "/")
            if parts.count == 3, parts[0] == "proc", parts[2] == "task" {
                return Int(parts[1]).flatMap { state.processes[$0] }?.threads.keys.map(String.init)
            }
            guard let group = state.group(path), state.groups[group] != nil else { return nil }
            return ["cgroup.procs", "cpuset.cpus"] + state.children(of: group).map { State.name($0) }
        }
        guard let names else { throw SystemError("list \(path)", errno: ENOENT) }
        return names
    }

    func affinity(of thread: Int) throws(SystemError) -> CPUSet {
        let cpus = state.withLock { state in
            for process in state.processes.values where process.threads[thread] != nil {
                return state.allowed(process, thread)?.intersection(state.online)
            }
            return nil
        }
        guard let cpus else { throw SystemError("get the affinity of thread \(thread)", errno: ESRCH) }
        return cpus
    }

    func setAffinity(_ thread: Int, _ cpus: CPUSet) throws(SystemError) {
        try counted("pin \(thread) \(cpus)") { state in
            for (id, process) in state.processes where process.threads[thread] != nil {
                guard !state.cpus(of: process).isDisjoint(with: cpus) else { return EINVAL }
                let offered = state.cpus(of: process)
                state.processes[id]?.threads[thread] = cpus.intersection(offered)
                state.processes[id]?.isInherited = false
                state.processes[id]?.ignoresGroup = false
                return 0
            }
            return ESRCH
        }
    }

    private func counted(_ action: String, _ body: (inout State) -> Int32) throws(SystemError) {
        let error: Int32 = state.withLock { state in
            state.changes += 1
            var error: Int32 = 0
            let failure = state.failures[state.changes]
            if failure != false { error = state.isReadOnly && action.contains("/sys/fs/cgroup") ? EROFS : body(&state) }
            if failure != nil { error = EIO }
            state.log.append(action + (error == 0 ? "" : " -> \(error)"))
            for path in state.arrivals[state.changes] ?? [] { state.addCgroup(path) }
            state.settle()
            return error
        }
        if error != 0 { throw SystemError(action, errno: error) }
    }
}
