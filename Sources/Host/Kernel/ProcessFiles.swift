import Glibc
import Ledger
import Service

/// Processes as `/proc` shows them. Any of them may end at any moment.
package struct ProcessFiles: Sendable {
    /// The boot that runs.
    private static let bootIDPath = "/proc/sys/kernel/random/boot_id"

    private let files: any KernelFiles

    /// The processes of the kernel behind `files`.
    package init(_ files: any KernelFiles) { self.files = files }

    /// The id of the boot that runs.
    package func bootID() throws(ProcessError) -> String {
        let text: String
        do { text = try files.read(Self.bootIDPath) } catch { throw .unreadable(error) }
        let id = text.prefix { !$0.isWhitespace }
        guard !id.isEmpty else { throw .malformed(path: Self.bootIDPath) }
        return String(id)
    }

    /// What tells the process of this id from later ones.
    package func identity(of pid: Int) throws(ProcessError) -> ProcessIdentity {
        ProcessIdentity(id: pid, startTime: try status(of: pid).startTime, bootID: try bootID())
    }

    /// Whether the process has ended: no process has its id, a later one has it, or it was of another boot. One that has
    /// ended and waits for its parent (a zombie) counts as ended.
    ///
    /// - Throws: ``ProcessError`` where that cannot be told.
    package func hasEnded(_ process: ProcessIdentity) throws(ProcessError) -> Bool {
        guard try bootID() == process.bootID else { return true }
        do throws(ProcessError) {
            let status = try status(of: process.id)
            guard status.startTime == process.startTime else { return true }
            // Where the first thread has ended, others may live.
            guard status.isOver else { return false }
            return try threads(of: process.id).count <= 1
        } catch {
            if case .gone = error { return true }
            throw error
        }
    }

    /// What `/proc/PID/stat` says.
    package func status(of pid: Int) throws(ProcessError) -> ProcessStatus {
        try ProcessStatus(stat: read("stat", of: pid), path: path("stat", of: pid))
    }

    /// What `/proc/PID/task/TID/stat` says.
    package func status(of pid: Int, thread tid: Int) throws(ProcessError) -> ProcessStatus {
        try ProcessStatus(stat: read("task/\(tid)/stat", of: pid), path: path("task/\(tid)/stat", of: pid))
    }

    /// The uids of the process.
    package func users(of pid: Int) throws(ProcessError) -> (real: UInt32, effective: UInt32) {
        let text = try read("status", of: pid)
        let numbers = text.statusField("Uid")?.split(separator: "\t").map { UInt32($0) } ?? []
        guard numbers.count >= 2, let real = numbers[0], let effective = numbers[1] else {
            throw .malformed(path: path("status", of: pid))
        }
        return (real, effective)
    }

    /// The cgroup of the process, as a path from the root of the hierarchy, `/` for the root itself.
    ///
    /// - Parameters:
    ///   - thread: one thread of the process; nil for the process.
    ///   - controller: nil for the unified hierarchy (cgroup v2), else a controller's hierarchy of cgroup v1.
    /// - Returns: nil where there is no such hierarchy.
    package func cgroup(
        of pid: Int, thread: Int? = nil, controller: String? = nil
    ) throws(ProcessError) -> String? {
        let text = try read(thread.map { "task/\($0)/cgroup" } ?? "cgroup", of: pid)
        for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { throw .malformed(path: path("cgroup", of: pid)) }
            let isWanted =
                if let controller {
                    fields[1].split(separator: UInt8(ascii: ",")).contains { $0.elementsEqual(controller.utf8) }
                } else {
                    fields[0].elementsEqual("0".utf8) && fields[1].isEmpty
                }
            if isWanted { return String(Substring(fields[2])) }
        }
        return nil
    }

    /// The ids of all processes, ascending.
    package func processes() throws(ProcessError) -> [Int] {
        do { return try files.entries("/proc").compactMap { Self.id($0) }.sorted() } catch { throw .unreadable(error) }
    }

    /// The ids of the threads of the process, ascending.
    package func threads(of pid: Int) throws(ProcessError) -> [Int] {
        let names: [String]
        do { names = try files.entries(path("task", of: pid)) } catch { throw Self.failure(error, pid) }
        return names.compactMap { Self.id($0) }.sorted()
    }

    /// The text of a file of the process; `file` is its path below `/proc/PID`.
    func read(_ file: String, of pid: Int) throws(ProcessError) -> String {
        do { return try files.read(path(file, of: pid)) } catch { throw Self.failure(error, pid) }
    }

    private func path(_ file: String, of pid: Int) -> String { "/proc/\(pid)/\(file)" }

    /// The process id that a name in `/proc` is; nil for other names.
    private static func id(_ name: String) -> Int? {
        guard name.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        return Int(name)
    }

    private static func failure(_ error: SystemError, _ pid: Int) -> ProcessError {
        error.errno == ENOENT || error.errno == ESRCH ? .gone(pid) : .unreadable(error)
    }
}

/// What `/proc/PID/stat` says of a process, or that of a thread of it.
package struct ProcessStatus: Equatable, Sendable {
    /// Its name: at most 15 bytes, which it chooses itself.
    package let name: String
    /// Its state, as ps(1) has it: `R`, `S`, `D`, `Z` …
    package let state: Character
    /// The kernel's flags of it (`PF_…`).
    package let flags: Int
    /// When it started, in clock ticks since the boot.
    package let startTime: Int
    /// The CPU that it ran on last.
    package let lastCPU: Int

    /// Whether it has ended, and waits for its parent at most.
    package var isOver: Bool { state == "Z" || state == "X" }
    /// Whether it belongs to the kernel (PF_KTHREAD).
    package var isKernelThread: Bool { flags & 0x0020_0000 != 0 }
    /// Whether nobody may change its affinity (PF_NO_SETAFFINITY).
    package var isFixed: Bool { flags & 0x0400_0000 != 0 }

    /// Reads the text of the file at `path`.
    init(stat: String, path: String) throws(ProcessError) {
        // The name stands in parentheses and may have any bytes in it, parentheses and spaces too.
        let bytes = stat.utf8
        guard let open = bytes.firstIndex(of: UInt8(ascii: "(")), let close = bytes.lastIndex(of: UInt8(ascii: ")")),
            open < close
        else { throw .malformed(path: path) }
        let fields = bytes[bytes.index(after: close)...].split { $0 == 0x20 || $0 == 0x0A }
        // Numbers as in proc_pid_stat(5); the first field here is number 3.
        func number(_ field: Int) -> Int? { fields.count > field - 3 ? Int(Substring(fields[field - 3])) : nil }
        guard let state = fields.first.map({ Substring($0) })?.first, let flags = number(9), let startTime = number(22),
            let lastCPU = number(39)
        else { throw .malformed(path: path) }
        name = String(Substring(bytes[bytes.index(after: open)..<close]))
        self.state = state
        self.flags = flags
        self.startTime = startTime
        self.lastCPU = lastCPU
    }
}

/// Why something about a process cannot be told.
package enum ProcessError: Error, Equatable, Sendable, CustomStringConvertible {
    /// There is no process, or thread, of this id any more.
    case gone(Int)
    /// The kernel does not let it be read.
    case unreadable(SystemError)
    /// A file has another form than the kernel's documentation says.
    case malformed(path: String)

    /// One sentence for people.
    package var description: String {
        switch self {
        case .gone(let pid): "there is no process \(pid) any more"
        case .unreadable(let error): error.description
        case .malformed(let path): "\(path) is not what the kernel's documentation says"
        }
    }
}
