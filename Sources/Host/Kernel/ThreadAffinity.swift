import CLinux
import Glibc
import Ledger
import Machine
import Service

/// What is done to processes by system calls and not by files.
package protocol ProcessControl: Sendable {
    /// Sets the CPUs that a thread may run on (sched_setaffinity(2)).
    ///
    /// - Throws: `SystemError`; ESRCH where there is no such thread, EINVAL where its cpuset has none of the CPUs.
    func setAffinity(_ thread: Int, _ cpus: CPUSet) throws(SystemError)

    /// The CPUs that a thread may run on, of those that are online (sched_getaffinity(2)).
    ///
    /// - Throws: `SystemError`; ESRCH where there is no such thread.
    func affinity(of thread: Int) throws(SystemError) -> CPUSet
}

/// The affinity that the threads of a process had.
package struct ThreadAffinity: Equatable, Sendable {
    /// That of the process's first thread, which threads get that are not listed.
    package var process: CPUSet
    /// The threads whose affinity differed, by what it was.
    package var others: [ThreadMask]

    /// Affinities.
    package init(process: CPUSet, others: [ThreadMask] = []) {
        self.process = process
        self.others = others
    }

    /// What a thread had.
    func affinity(of thread: Int) -> CPUSet { others.first { $0.threads.contains(thread) }?.cpus ?? process }

    /// What the threads of a process have now; nil where there is no such process.
    ///
    /// - Parameter noted: what threads were given that have less while claims have the rest.
    static func read(_ id: Int, _ proc: ProcFiles, noted: [Int: CPUSet]) -> ThreadAffinity? {
        guard let process = noted[id] ?? proc.allowedCPUs(id) else { return nil }
        var others: [CPUSet: [Int]] = [:]
        // The affinity of a process is that of its first thread.
        for thread in proc.threads(of: id) where thread != id {
            guard let cpus = noted[thread] ?? proc.allowedCPUs(id, thread: thread), cpus != process else { continue }
            others[cpus, default: []].append(thread)
        }
        return ThreadAffinity(
            process: process,
            others: others.sorted { $0.value[0] < $1.value[0] }.map { ThreadMask(cpus: $0.key, threads: $0.value) })
    }

    /// The threads that lack some of `cpus`: what nobody else gives back when they move between cgroups.
    func narrower(than cpus: CPUSet, of id: Int) -> [ThreadMask] {
        let listed = others.flatMap(\.threads)
        let all = [ThreadMask(cpus: process, threads: listed.contains(id) ? [] : [id])] + others
        return all.filter { !$0.threads.isEmpty && !cpus.isSubset(of: $0.cpus) }
    }

    /// `0-7 0-3:11,12 4:15`.
    var text: String { ([process.list] + others.map(\.text)).joined(separator: " ") }

    init?(_ words: [String]) {
        guard let first = words.first, let process = try? CPUSet(list: first) else { return nil }
        self.init(process: process)
        for word in words.dropFirst() {
            guard let mask = ThreadMask(word) else { return nil }
            others.append(mask)
        }
    }
}

/// Threads that may run on the same CPUs.
package struct ThreadMask: Equatable, Sendable {
    /// The CPUs.
    package var cpus: CPUSet
    /// The threads, by id.
    package var threads: [Int]

    /// Threads with these CPUs.
    package init(cpus: CPUSet, threads: [Int]) {
        self.cpus = cpus
        self.threads = threads
    }

    /// `0-3:11,12`.
    var text: String { "\(cpus.list):\(threads.map(String.init).joined(separator: ","))" }

    init?(_ word: String) {
        let parts = word.split(separator: ":")
        guard parts.count == 2, let cpus = try? CPUSet(list: parts[0]) else { return nil }
        let threads = parts[1].split(separator: ",").map { Int($0) }
        guard !threads.isEmpty, threads.allSatisfy({ $0 ?? 0 > 0 }) else { return nil }
        self.init(cpus: cpus, threads: threads.compactMap(\.self))
    }
}

/// System calls of the running kernel.
package struct SystemProcessControl: ProcessControl {
    /// The running kernel.
    package init() {}

    /// Sets the CPUs that a thread may run on (sched_setaffinity(2)).
    ///
    /// - Throws: `SystemError` with the kernel's errno.
    package func setAffinity(_ thread: Int, _ cpus: CPUSet) throws(SystemError) {
        let action = "set the affinity of thread \(thread) to \(cpus.list)"
        guard let id = Int32(exactly: thread), id > 0, let last = cpus.last else {
            throw SystemError(action, errno: EINVAL)
        }
        var mask = [UInt64](repeating: 0, count: last / 64 + 1)
        for cpu in cpus { mask[cpu / 64] |= 1 << UInt64(cpu % 64) }
        guard clinux_set_affinity(id, mask, mask.count) == 0 else { throw SystemError(action, errno: errno) }
    }

    /// More words than any kernel's masks have: for 8,192 CPUs, which is the most that Linux can be built for.
    private static let maskWords = 128

    /// The CPUs that a thread may run on, of those that are online (sched_getaffinity(2)).
    ///
    /// - Throws: `SystemError` with the kernel's errno.
    package func affinity(of thread: Int) throws(SystemError) -> CPUSet {
        guard let id = Int32(exactly: thread), id > 0 else {
            throw SystemError("get the affinity of thread \(thread)", errno: ESRCH)
        }
        var cpus = CPUSet()
        let failure = withUnsafeTemporaryAllocation(of: UInt64.self, capacity: Self.maskWords) { words in
            let size = clinux_get_affinity(id, words.baseAddress, Self.maskWords)
            guard size >= 0 else { return errno }
            cpus = CPUSet(words: Array(words[..<(size / 8)]))
            return 0
        }
        guard failure == 0 else { throw SystemError("get the affinity of thread \(thread)", errno: failure) }
        return cpus
    }
}

/// Keeps all threads of a process on CPUs by their affinity alone.
struct ProcessPin {
    let proc: ProcFiles
    let control: any ProcessControl

    /// How often the threads are listed again, because a thread may start another meanwhile.
    private static let rounds = 16

    /// Sets the affinity of every thread, and reads it back.
    func apply(_ process: ProcessIdentity, _ cpus: CPUSet) throws(EnforcementError) {
        for _ in 0..<Self.rounds {
            guard proc.isAlive(process) else { throw EnforcementError("process \(process.id) has ended") }
            var isDone = true
            for thread in proc.threads(of: process.id) where !isPinned(process.id, thread, cpus) {
                isDone = false
                do { try control.setAffinity(thread, cpus) } catch {
                    if error.errno != ESRCH { throw EnforcementError(error) }
                }
            }
            if isDone { return }
        }
        throw EnforcementError("threads of process \(process.id) do not stay on CPUs \(cpus)")
    }

    /// Gives every thread what it had, as far as it still has what ``apply(_:_:)`` set.
    func undo(_ process: ProcessIdentity, _ cpus: CPUSet, _ before: ThreadAffinity) throws(EnforcementError) {
        guard proc.isAlive(process) else { return }
        for thread in proc.threads(of: process.id) {
            let wanted = before.affinity(of: thread)
            // A thread with fewer CPUs was like that before, or somebody else made it so.
            guard proc.allowedCPUs(process.id, thread: thread) == cpus, wanted != cpus else { continue }
            do { try control.setAffinity(thread, wanted) } catch {
                // EINVAL: its cpuset has none of these CPUs any more.
                if error.errno != ESRCH && error.errno != EINVAL { throw EnforcementError(error) }
            }
        }
    }

    /// Checks every thread.
    func verify(_ process: ProcessIdentity, _ cpus: CPUSet) throws(EnforcementError) {
        guard proc.isAlive(process) else { return }
        for thread in proc.threads(of: process.id) where !isPinned(process.id, thread, cpus) {
            guard let now = proc.allowedCPUs(process.id, thread: thread) else { continue }
            throw EnforcementError("thread \(thread) of process \(process.id) may run on CPUs \(now), not \(cpus)")
        }
    }

    /// Whether a thread stays on these CPUs; so does one that has ended.
    private func isPinned(_ process: Int, _ thread: Int, _ cpus: CPUSet) -> Bool {
        guard let now = proc.allowedCPUs(process, thread: thread) else { return true }
        return now.isSubset(of: cpus)
    }
}
