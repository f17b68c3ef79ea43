import Glibc
import Machine
import Service

/// One cgroup: its files, through ``KernelFiles``.
struct Cgroup {
    let files: any KernelFiles
    /// Where the hierarchy is mounted, without a slash at its end.
    let mount: String
    /// The path below the mount point: `/` for the root, else `/a/b`.
    let path: String

    /// The absolute path of one of its files.
    func file(_ name: String) -> String { "\(mount)\(path == "/" ? "" : path)/\(name)" }

    private var directory: String { path == "/" ? mount : mount + path }

    /// The cgroup below it with this name.
    func child(_ name: String) -> Cgroup {
        Cgroup(files: files, mount: mount, path: path == "/" ? "/\(name)" : "\(path)/\(name)")
    }

    /// The cgroup above it; nil for the root.
    var parent: Cgroup? {
        guard path != "/", let slash = path.lastIndex(of: "/") else { return nil }
        return Cgroup(files: files, mount: mount, path: slash == path.startIndex ? "/" : String(path[..<slash]))
    }

    /// Whether it exists. Every cgroup, and nothing else, has a file of this name; one of threads does not let it be read.
    var exists: Bool {
        do { _ = try files.read(file("cgroup.procs")) } catch {
            return error.errno != ENOENT && error.errno != ENODEV && error.errno != ENOTDIR
        }
        return true
    }

    /// The text of a file without whitespace at its ends; nil where there is no such file or no such cgroup.
    func text(_ name: String) throws(EnforcementError) -> String? {
        do { return trimmed(try files.read(file(name))) } catch {
            if error.errno == ENOENT || error.errno == ENODEV || error.errno == ENOTDIR { return nil }
            throw EnforcementError(error)
        }
    }

    /// The text of a file that must be there.
    func required(_ name: String) throws(EnforcementError) -> String {
        do { return trimmed(try files.read(file(name))) } catch { throw EnforcementError(error) }
    }

    /// A list of CPUs or memory nodes; nil where there is no such file.
    func cpus(_ name: String) throws(EnforcementError) -> CPUSet? {
        guard let text = try text(name) else { return nil }
        return try parse(text, file(name))
    }

    /// A list of CPUs or memory nodes that must be there.
    func requiredCPUs(_ name: String) throws(EnforcementError) -> CPUSet { try parse(try required(name), file(name)) }

    /// Writes one line.
    func write(_ text: String, to name: String) throws(EnforcementError) {
        do { try files.write(text + "\n", to: file(name)) } catch { throw EnforcementError(error) }
    }

    /// Moves a process into it.
    func take(_ process: Int) throws(EnforcementError) -> Arrival {
        do { try files.write("\(process)\n", to: file("cgroup.procs")) } catch {
            switch error.errno {
            case ESRCH: return .hasEnded
            case ENOENT, ENODEV, EOPNOTSUPP, EBUSY, EACCES, EPERM, ENOSPC, EINVAL:
                return .refused(EnforcementError(error))
            default: throw EnforcementError(error)
            }
        }
        return .moved
    }

    /// What became of a process that was to be moved.
    enum Arrival {
        case moved
        /// There is no such process any more.
        case hasEnded
        /// The cgroup is gone, or takes no processes.
        case refused(EnforcementError)
    }

    /// Moves a process into it; into the root where this one is gone or takes no processes.
    func takeOrRoot(_ process: Int) throws(EnforcementError) {
        guard case .refused = try take(process) else { return }
        let root = Cgroup(files: files, mount: mount, path: "/")
        if case .refused(let error) = try root.take(process) { throw error }
    }

    /// Makes it where it is not there.
    func make() throws(EnforcementError) {
        do { try files.makeDirectory(directory) } catch {
            if error.errno != EEXIST { throw EnforcementError(error) }
        }
    }

    /// Removes it. Answers false where it is in use; true where it is gone, or was not there.
    func remove() throws(EnforcementError) -> Bool {
        do { try files.removeDirectory(directory) } catch {
            if error.errno == ENOENT { return true }
            if error.errno == EBUSY || error.errno == ENOTEMPTY || error.errno == EEXIST { return false }
            throw EnforcementError(error)
        }
        return true
    }

    /// The cgroups directly below, by name; none where it does not exist.
    var children: [Cgroup] {
        guard let names = try? files.entries(directory) else { return [] }
        return names.filter { !$0.contains(".") || !isFile($0) }.sorted().compactMap { name in
            let child = child(name)
            return child.exists ? child : nil
        }
    }

    /// False where it has no cgroup below it, as most have none: then its directory need not be read.
    var mayHaveChildren: Bool {
        guard path != "/" else { return true }
        let counts = (try? files.read(file("cgroup.stat"))) ?? ""
        return !counts.utf8.starts(with: "nr_descendants 0\n".utf8)
    }

    /// Whether this is the name of a file that the kernel puts into cgroups.
    func isFile(_ name: String) -> Bool {
        Self.filePrefixes.contains { name.hasPrefix($0) }
            && !name.hasSuffix(".slice") && !name.hasSuffix(".scope") && !name.hasSuffix(".service")
    }

    private static let filePrefixes = [
        "cgroup.", "cpuset.", "hugetlb.", "memory.", "cpu.", "io.", "pids.", "rdma.", "misc.", "irq.", "net_", "dmem.",
    ]

    /// The processes in it, by id; those of other namespaces (0) are left out.
    func processes() throws(EnforcementError) -> [Int] {
        try (text("cgroup.procs") ?? "").split(whereSeparator: \.isWhitespace).compactMap { Int($0) }.filter { $0 > 0 }
    }
}

/// `text` without whitespace at its ends.
func trimmed(_ text: String) -> String {
    var view = text.utf8[...]
    func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) || byte == 0 }
    while let first = view.first, isSpace(first) { view = view.dropFirst() }
    while let last = view.last, isSpace(last) { view = view.dropLast() }
    return String(Substring(view))
}

/// The CPUs of list text that the kernel gave.
func parse(_ text: String, _ path: String) throws(EnforcementError) -> CPUSet {
    if text == "(null)" { return CPUSet() }
    do { return try CPUSet(list: text) } catch { throw EnforcementError("\(path): \(error)") }
}

extension EnforcementError {
    /// The kernel's answer to a read or write.
    init(_ error: SystemError) { self.init(error.description) }
}
