import Glibc
import Ledger
import Machine
import Service
import Synchronization

/// Gives threads outside of the claims' cgroups their affinities back when the kernel sets them anew: because the partition
/// changes, and kernel threads also because a CPU comes back.
struct AffinityKeeper: Sendable {
    let files: any KernelFiles
    let hierarchy: CgroupHierarchy
    let settings: KernelSettings
    let proc: ProcFiles
    let control: any ProcessControl
    let store: any AffinityStore
    let known: KnownThreads
    /// Reports what is not as it should be, and is no failure.
    let notice: @Sendable (String) -> Void

    /// Does what may change the CPUs of cgroups. Right before its first write the affinities are noted and stored; after it
    /// threads get them back, without the CPUs that their cgroups have no more.
    ///
    /// - Parameters:
    ///   - isUndo: whether `change` is made even where nothing can be stored.
    ///   - change: writes through the files that it is handed.
    func keeping(
        isUndo: Bool = false, _ change: (any KernelFiles) throws(EnforcementError) -> Void
    ) throws(EnforcementError) {
        guard hierarchy.kind == .v2, let bootID = proc.bootID else { return try change(files) }
        let noted = Mutex<Noted?>(nil)
        let watched = FirstWriteFiles(files, slice: slice) { () throws(SystemError) in
            var found = look(bootID)
            found.record.isChanging = true
            if !found.record.affinities.isEmpty {
                do throws(SystemError) { try store.save(found.record) } catch {
                    guard isUndo else { throw error }
                    notice("\(error): affinities of other programs may be lost if berthd is killed now")
                }
            }
            noted.withLock { [found] in $0 = found }
        }
        let result = Result { () throws(EnforcementError) in try change(watched) }
        if var noted = noted.withLock({ $0 }), !noted.seen.isEmpty { giveBack(&noted) }
        try result.get()
    }

    /// Gives threads an affinity that they had elsewhere, as far as their cgroup has the CPUs now; the rest when it has them.
    func give(_ masks: [ThreadMask]) {
        guard !masks.isEmpty else { return }
        guard hierarchy.kind == .v2, let bootID = proc.bootID else {
            for mask in masks { for thread in mask.threads { set(thread, mask.cpus) } }
            return
        }
        let wanted = masks.reduce(into: [Int: CPUSet]()) { wanted, mask in
            for thread in mask.threads { wanted[thread] = mask.cpus }
        }
        var noted = look(bootID, besides: Set(wanted.keys))
        for thread in noted.seen {
            if let cpus = wanted[thread.thread.id] { noted.record.affinities[thread.thread] = cpus }
        }
        giveBack(&noted)
    }

    /// Takes exclusive CPUs from threads of the root cgroup that the kernel let onto them, where they have others: it gives some of
    /// its own all CPUs of a node whenever one comes back, and Linux 6.1 all CPUs of the machine to what comes into the root.
    func driveOff(_ exclusive: CPUSet) {
        guard hierarchy.kind == .v2, let bootID = proc.bootID, !exclusive.isEmpty,
            let offered = try? root.cpus("cpuset.cpus.effective")
        else { return }
        let off = exclusive.subtracting(offered)
        var record = load(bootID)
        let before = record
        for id in threads(in: root) {
            guard let usable = try? control.affinity(of: id), !usable.isDisjoint(with: off),
                !usable.isSubset(of: off), let status = proc.status(of: id), !status.isFixed,
                status.isKernelThread || offered.isSubset(of: usable), let allowed = proc.allowedCPUs(id)
            else { continue }
            let thread = AffinityRecord.Thread(id: id, startTime: status.startTime)
            if record.affinities[thread] == nil { record.affinities[thread] = allowed }
            set(id, allowed.subtracting(off))
        }
        if record != before { save(record) }
    }

    /// What threads of a process were given that have less now, because claims have the rest.
    func noted(of process: Int) -> [Int: CPUSet] {
        guard hierarchy.kind == .v2, let bootID = proc.bootID else { return [:] }
        let record = load(bootID)
        guard !record.affinities.isEmpty else { return [:] }
        var noted: [Int: CPUSet] = [:]
        for id in proc.threads(of: process) {
            guard record.ids.contains(id), let startTime = proc.startTime(of: id) else { continue }
            noted[id] = record.affinities[AffinityRecord.Thread(id: id, startTime: startTime)]
        }
        return noted
    }

    // MARK: - Looking

    /// What was noted, and of which threads.
    private struct Noted: Sendable {
        var record: AffinityRecord
        var seen: [AffinityRecord.SeenThread]
    }

    private var root: Cgroup { hierarchy.cgroup("/", files) }
    private var slice: Cgroup { hierarchy.cgroup(settings.slice, files) }

    private func load(_ bootID: String) -> AffinityRecord {
        if let record = store.load(), record.bootID == bootID { return record }
        return AffinityRecord(bootID: bootID)
    }

    /// The record as it should be right now.
    private func look(_ bootID: String, besides: Set<Int> = []) -> Noted {
        var record = load(bootID)
        var seen = scan(record.ids.union(besides))
        if record.isChanging {
            // A change that was broken off.
            var broken = Noted(record: record, seen: seen)
            giveBack(&broken)
            record = broken.record
            seen = scan(record.ids.union(besides))
        }
        record.note(seen)
        return Noted(record: record, seen: seen)
    }

    /// The threads outside of the slice that have fewer CPUs than their cgroups, and those of these ids.
    private func scan(_ ids: Set<Int>) -> [AffinityRecord.SeenThread] {
        var seen: [AffinityRecord.SeenThread] = []
        var cgroups = [(cgroup: root, offered: effective(root))]
        let before = known.threads.withLock { $0 }
        var now: [Int: KnownThreads.Thread] = [:]
        while let (cgroup, offered) = cgroups.popLast() {
            for id in threads(in: cgroup) {
                guard let usable = try? control.affinity(of: id), usable != offered || ids.contains(id) else {
                    continue
                }
                let thread: KnownThreads.Thread
                if let known = before[id], known.usable == usable {
                    thread = known
                } else {
                    guard let read = read(id, usable) else { continue }
                    thread = read
                }
                now[id] = thread
                guard let facts = thread.facts else { continue }
                seen.append(
                    AffinityRecord.SeenThread(
                        thread: AffinityRecord.Thread(id: id, startTime: thread.startTime), process: facts.process,
                        parent: facts.parent, allowed: facts.allowed, usable: usable, cgroup: cgroup.path,
                        offered: offered))
            }
            guard cgroup.mayHaveChildren else { continue }
            for child in cgroup.children where child.path != settings.slice {
                cgroups.append((child, ((try? child.cpus("cpuset.cpus.effective")) ?? nil) ?? offered))
            }
        }
        known.threads.withLock { [now] in $0 = now }
        return seen
    }

    private func read(_ id: Int, _ usable: CPUSet) -> KnownThreads.Thread? {
        guard let status = proc.status(of: id) else { return nil }
        if status.isFixed { return KnownThreads.Thread(usable: usable, startTime: status.startTime, facts: nil) }
        guard let facts = proc.facts(of: id) else { return nil }
        return KnownThreads.Thread(usable: usable, startTime: status.startTime, facts: facts)
    }

    private func effective(_ cgroup: Cgroup) -> CPUSet {
        // The root has no such file where no cgroup below it has the controller.
        ((try? cgroup.cpus("cpuset.cpus.effective")) ?? nil) ?? Masks.online(files) ?? CPUSet()
    }

    private func threads(in cgroup: Cgroup) -> [Int] {
        let text = (try? cgroup.text("cgroup.threads")) ?? nil
        return (text ?? "").utf8.split(separator: UInt8(ascii: "\n")).compactMap { Int(Substring($0)) }.filter {
            $0 > 0
        }
    }

    // MARK: - Giving back

    private func giveBack(_ noted: inout Noted) {
        guard let online = Masks.online(files) else { return }
        var offers: [String: CPUSet] = [:]
        var left: [AffinityRecord.Thread: CPUSet] = [:]
        // What a thread was given stays noted while anything is taken: later nobody could tell it from what claims left of the
        // affinity of its parent, or from all that its cgroup has.
        let isTaken = !online.isSubset(of: effective(root))
        for seen in noted.seen {
            let thread = seen.thread
            guard let usable = try? control.affinity(of: thread.id) else { continue }
            let offered = offers[seen.cgroup] ?? inherited(seen.cgroup)
            offers[seen.cgroup] = offered
            if let due = noted.record.due(seen, usable: usable, offered: offered, online: online) {
                set(thread.id, due)
            }
            guard let affinity = noted.record.affinities[thread] else { continue }
            if isTaken || !affinity.isSubset(of: offered) { left[thread] = affinity }
        }
        noted.record.affinities = left
        noted.record.offline = left.values.reduce(into: CPUSet()) { $0.formUnion($1) }.subtracting(online)
        noted.record.isChanging = false
        save(noted.record)
    }

    /// The CPUs that a cgroup can have: those of the nearest one above it that has the controller.
    private func inherited(_ path: String) -> CPUSet {
        var next: Cgroup? = hierarchy.cgroup(path, files)
        while let cgroup = next, cgroup.path != "/" {
            if let cpus = (try? cgroup.cpus("cpuset.cpus.effective")) ?? nil { return cpus }
            next = cgroup.parent
        }
        return effective(root)
    }

    private func set(_ thread: Int, _ cpus: CPUSet) {
        do { try control.setAffinity(thread, cpus) } catch {
            // It has ended, or its cgroup has none of these CPUs any more.
            if error.errno != ESRCH && error.errno != EINVAL { notice("\(error)") }
        }
    }

    private func save(_ record: AffinityRecord) {
        do { try store.save(record.affinities.isEmpty ? nil : record) } catch { notice("\(error)") }
    }
}

/// What was read of threads with fewer CPUs than their cgroups. It holds while a thread of that id may run on the same CPUs: most
/// are the kernel's, one for each CPU, and `/proc` takes longer to read than all else.
final class KnownThreads: Sendable {
    struct Thread: Sendable {
        let usable: CPUSet
        let startTime: Int
        /// Its process, the one that started that, and its whole affinity; nil where nobody can change that.
        let facts: (process: Int, parent: Int, allowed: CPUSet)?
    }

    let threads = Mutex<[Int: Thread]>([:])
}

/// Files before whose first write something is done. A controller that is enabled below the slice is no such write: the CPUs of
/// nobody outside of it change.
private final class FirstWriteFiles: KernelFiles {
    private let files: any KernelFiles
    private let slice: String
    private let prepare: @Sendable () throws(SystemError) -> Void
    private let isPrepared = Mutex(false)

    init(_ files: any KernelFiles, slice: Cgroup, prepare: @escaping @Sendable () throws(SystemError) -> Void) {
        self.files = files
        self.slice = slice.file("")
        self.prepare = prepare
    }

    func read(_ path: String) throws(SystemError) -> String { try files.read(path) }

    func write(_ text: String, to path: String) throws(SystemError) {
        let isInside = path.hasPrefix(slice) && path.hasSuffix("/cgroup.subtree_control")
        if !isInside, !isPrepared.withLock({ $0 }) {
            try prepare()
            isPrepared.withLock { $0 = true }
        }
        try files.write(text, to: path)
    }

    func entries(_ path: String) throws(SystemError) -> [String] { try files.entries(path) }
    func makeDirectory(_ path: String) throws(SystemError) { try files.makeDirectory(path) }
    func removeDirectory(_ path: String) throws(SystemError) { try files.removeDirectory(path) }
}
