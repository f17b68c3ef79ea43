import Glibc
import Machine

extension FakeCgroups.State {
    typealias Group = FakeCgroups.Group

    static func parent(_ path: String) -> String? {
        guard path != "/", let slash = path.lastIndex(of: "/") else { return nil }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    static func name(_ path: String) -> String {
        String(path[(path.lastIndex(of: "/") ?? path.startIndex)...].dropFirst())
    }

    func children(of path: String) -> [String] { groups.keys.filter { Self.parent($0) == path }.sorted() }

    /// The group of an absolute directory.
    func group(_ directory: String) -> String? {
        let mount = FakeCgroups.mount(kernel)
        guard directory.hasPrefix(mount) else { return nil }
        let path = directory.dropFirst(mount.count)
        return path.isEmpty ? "/" : path.hasPrefix("/") ? String(path) : nil
    }

    /// Adds a cgroup with those above it. With cgroup v1 it has what the one above has.
    mutating func addCgroup(_ path: String) {
        var line: [String] = []
        var next: String? = path
        while let here = next {
            line.insert(here, at: 0)
            next = Self.parent(here)
        }
        for here in line {
            if groups[here] == nil {
                groups[here] = Group()
                if kernel == .v1, let parent = Self.parent(here).flatMap({ groups[$0] }) {
                    groups[here]?.cpus = parent.cpus
                    groups[here]?.mems = parent.mems
                }
            }
            if here != path, groups[here]?.control.contains("cpuset") == false {
                groups[here]?.control.append("cpuset")
            }
        }
    }

    // MARK: - Reading

    func text(of path: String) -> String? {
        switch path {
        case "/proc/self/mountinfo":
            return kernel == .v1
                ? "30 29 0:26 / /sys/fs/cgroup/cpuset rw,nosuid - cgroup cgroup rw,cpuset\n"
                    + "31 29 0:27 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw"
                : "26 25 0:23 / /sys/fs/cgroup \(isReadOnly ? "ro" : "rw"),nosuid - cgroup2 cgroup2 rw"
        case "/sys/fs/cgroup/unified/cgroup.controllers": return kernel == .v1 ? "" : nil
        case "/proc/sys/kernel/random/boot_id": return boot
        case "/sys/devices/system/cpu/online": return online.list
        case "/sys/devices/system/cpu/isolated": return isolated.list
        default: break
        }
        let parts = path.split(separator: "/").map(String.init)
        if parts.first == "proc", parts.count >= 3, let id = Int(parts[1]) {
            // A thread has a directory too, which is not listed.
            for (main, process) in processes where main == id || process.threads[id] != nil {
                return text(of: process, main, id, Array(parts.dropFirst(2)))
            }
        }
        if path.hasSuffix("/topology/thread_siblings_list"), let cpu = Int(parts[parts.count - 3].dropFirst(3)) {
            return "\(cpu & ~1)-\(cpu | 1)"
        }
        guard let slash = path.lastIndex(of: "/"), let group = group(String(path[..<slash])), let found = groups[group]
        else { return nil }
        return text(of: found, group, String(path[slash...].dropFirst()))
    }

    private func text(of process: FakeCgroups.Process, _ main: Int, _ id: Int, _ file: [String]) -> String? {
        switch file {
        case ["stat"]:
            // 52 fields; the start time is number 22.
            let rest = String(repeating: " 0", count: 30)
            let flags = process.isKernelThread ? 0x0020_0000 : 0
            let start = process.start + id - main
            return "\(id) (a) b (c) S 1 \(id) 0 0 0 \(flags) 0 0 0 0 0 0 0 0 20 0 1 0 \(start)\(rest)"
        case ["cgroup"]: return kernel == .v1 ? "5:pids:/x\n1:cpuset:\(process.cgroup)\n0::/y" : "0::\(process.cgroup)"
        default:
            guard file.last == "status", let thread = file.count == 1 ? id : Int(file[1]) else { return nil }
            guard let allowed = allowed(process, thread) else { return nil }
            return "Name:\tx\nTgid:\t\(main)\nPPid:\t\(process.parent)\nCpus_allowed:\tff\n"
                + "Cpus_allowed_list:\t\(allowed.list)\nMems_allowed:\t1"
        }
    }

    /// Where a thread may run: what it was given, as far as its group has that.
    func allowed(_ process: FakeCgroups.Process, _ thread: Int) -> CPUSet? {
        guard let given = process.threads[thread] else { return nil }
        if process.ignoresGroup { return given }
        let mine = cpus(of: process)
        let both = given.intersection(mine)
        return both.isEmpty ? mine : both
    }

    private func text(of group: Group, _ path: String, _ file: String) -> String? {
        let isRoot = path == "/"
        let enabled = Self.parent(path).flatMap { groups[$0]?.control } ?? ["cpuset", "hugetlb", "memory"]
        switch file {
        case "cgroup.procs":
            return processes.filter { $0.value.cgroup == path }.keys.sorted().map(String.init).joined(separator: "\n")
        case "cgroup.threads":
            return processes.values.filter { $0.cgroup == path }.flatMap(\.threads.keys).sorted().map(String.init)
                .joined(separator: "\n")
        case "cgroup.controllers" where kernel != .v1: return enabled.joined(separator: " ")
        case "cgroup.subtree_control" where kernel != .v1: return group.control.joined(separator: " ")
        case "cpuset.cpus.effective" where isRoot && kernel != .v1: return effective("/").list
        case "cpuset.cpus.isolated" where isRoot && kernel == .linux612: return isolated.list
        default: break
        }
        if kernel == .v1 {
            switch file {
            case "cpuset.cpus": return group.cpus.list
            case "cpuset.effective_cpus": return group.cpus.intersection(online).list
            case "cpuset.mems": return group.mems.list
            case "cpuset.memory_migrate": return group.isMigrating ? "1" : "0"
            default: return nil
            }
        }
        if file.hasPrefix("hugetlb."), file.hasSuffix(".max"), !isRoot, enabled.contains("hugetlb") {
            return group.pages[file] ?? "max"
        }
        if isRoot, file == "cpuset.mems.effective" { return "0-1" }
        guard !isRoot, enabled.contains("cpuset") else { return nil }
        switch file {
        case "cpuset.cpus": return group.cpus.list
        case "cpuset.cpus.effective": return effective(path).list
        case "cpuset.cpus.exclusive" where kernel == .linux612: return group.exclusive.list
        case "cpuset.mems": return group.mems.list
        case "cpuset.mems.effective": return group.mems.isEmpty ? "0-1" : group.mems.list
        case "cpuset.cpus.partition": return partitionText(path)
        default: return nil
        }
    }

    // MARK: - Writing

    mutating func write(_ text: String, to path: String) -> Int32 {
        guard text.hasSuffix("\n") else { return EINVAL }
        guard let slash = path.lastIndex(of: "/"), let group = group(String(path[..<slash])), groups[group] != nil,
            self.text(of: path) != nil
        else { return ENOENT }
        let value = String(text.dropLast())
        switch path[slash...].dropFirst() {
        case "cgroup.procs": return move(value, to: group)
        case "cgroup.subtree_control": return control(value, group)
        case "cpuset.cpus": return kernel == .v1 ? writeV1(value, group) : writeCPUs(value, group)
        case "cpuset.cpus.exclusive":
            guard let cpus = try? CPUSet(list: value) else { return EINVAL }
            return writeExclusive(cpus, group)
        case "cpuset.cpus.partition": return writePartition(value, group)
        case "cpuset.mems":
            guard let nodes = try? CPUSet(list: value), nodes.isSubset(of: [0, 1]) else { return EINVAL }
            if nodes.isEmpty && groups[group]?.mems.isEmpty == false && isPopulated(group) { return ENOSPC }
            groups[group]?.mems = nodes
            return 0
        case "cpuset.memory_migrate":
            groups[group]?.isMigrating = value == "1"
            return 0
        case let file where file.hasPrefix("hugetlb."):
            groups[group]?.pages[String(file)] = value
            return 0
        default: return EACCES
        }
    }

    private mutating func move(_ text: String, to path: String) -> Int32 {
        guard let id = Int(text), let group = groups[path] else { return EINVAL }
        guard let process = processes[id] else { return ESRCH }
        if kernel == .v1 {
            if group.cpus.isEmpty || group.mems.isEmpty { return ENOSPC }
        } else if path != "/" && !group.control.isEmpty {
            return EOPNOTSUPP
        }
        processes[id]?.cgroup = path
        // Linux 6.1 forgets an affinity that was set, and lets what comes into the root have what partitions have.
        if kernel != .linux612 { for thread in process.threads.keys { processes[id]?.threads[thread] = present } }
        processes[id]?.ignoresGroup = kernel == .linux61 && path == "/"
        return 0
    }

    private mutating func control(_ text: String, _ path: String) -> Int32 {
        guard path == "/" || !processes.values.contains(where: { $0.cgroup == path }) else { return EBUSY }
        let offered = Self.parent(path).flatMap { groups[$0]?.control } ?? ["cpuset", "hugetlb", "memory"]
        for word in text.split(separator: " ") {
            let name = String(word.dropFirst())
            guard offered.contains(name) else { return ENOENT }
            groups[path]?.control.removeAll { $0 == name }
            if word.hasPrefix("+") { groups[path]?.control.append(name) }
        }
        return 0
    }

    private mutating func writeV1(_ text: String, _ path: String) -> Int32 {
        guard let cpus = try? CPUSet(list: text), let parent = Self.parent(path).flatMap({ groups[$0] }) else {
            return EINVAL
        }
        guard cpus.isSubset(of: parent.cpus.intersection(online)) else { return EACCES }
        if cpus.isEmpty && processes.values.contains(where: { $0.cgroup == path }) { return ENOSPC }
        for child in children(of: path) where !(groups[child]?.cpus ?? []).isSubset(of: cpus) { return EBUSY }
        groups[path]?.cpus = cpus
        return 0
    }
}
