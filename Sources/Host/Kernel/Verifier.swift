import Glibc
import Ledger
import Machine
import Service

/// Reads what ``Verification`` compares. It changes nothing.
package struct Verifier: Sendable {
    /// How many sentences about what cannot be read are worth keeping.
    private static let failureLimit = 16

    private let files: any KernelFiles
    private let processes: ProcessFiles
    private let cgroupRoot: String
    private let isUnified: Bool

    /// A reader of the kernel behind `files`.
    ///
    /// - Parameters:
    ///   - cgroupRoot: where the hierarchy is mounted to whose root the paths of cgroups are relative.
    ///   - isUnified: whether that is the unified hierarchy (cgroup v2), and not the cpuset hierarchy of cgroup v1.
    package init(files: any KernelFiles, cgroupRoot: String = "/sys/fs/cgroup", isUnified: Bool = true) {
        self.files = files
        self.cgroupRoot = cgroupRoot
        self.isUnified = isUnified
        processes = ProcessFiles(files)
    }

    /// What the kernel does about these claims now. What cannot be read is missing, and named in ``Observation/failures``.
    ///
    /// - Parameter readsMemory: whether the memory of holders that are bound to nodes is looked at, which takes root, and time
    ///   in proportion to it.
    package func observe(_ claims: [VerifiedClaim], readsMemory: Bool = false) -> Observation {
        var seen = Observation()
        let exclusive = claims.reduce(into: CPUSet()) { $0.formUnion($1.exclusive) }
        seen.online = Masks.online(files)
        if seen.online == nil { note("cannot read \(Masks.onlineCPUs)", in: &seen) }

        // 1. The cgroups of the claims, and who is in them.
        observeCgroup("/", in: &seen)
        var holders: [Int: Holder] = [:]
        for claim in claims {
            for partition in claim.partitions { observeCgroup(partition.cgroup, in: &seen) }
            for container in claim.containers {
                observeCgroup(container, in: &seen)
                for pid in members(of: container, in: &seen) { holders[pid] = claim.holder }
            }
            if let cgroup = claim.cgroup {
                observeCgroup(cgroup, in: &seen)
                for pid in members(of: cgroup, in: &seen) { holders[pid] = claim.holder }
            } else if let process = claim.process, (try? processes.hasEnded(process)) == false {
                holders[process.id] = claim.holder
                seen.processes[claim.holder] = process.id
            }
        }

        // 2. Threads that may run on exclusive CPUs, and those of the holders.
        var scan = ThreadScan(files, interesting: exclusive, holders: holders, controller: isUnified ? nil : "cpuset")
        scan.run()
        seen.threads = scan.threads
        seen.threadCount = scan.count
        for failure in scan.failures { note(failure, in: &seen) }
        for thread in seen.threads {
            if let cgroup = thread.cgroup, !thread.isFixed { observeCgroup(cgroup, in: &seen) }
        }

        // 3. Interrupts.
        if !exclusive.isEmpty { observeInterrupts(exclusive, in: &seen) }

        // 4. Memory.
        if readsMemory {
            let bound = Set(claims.filter { !$0.memoryNodes.isEmpty }.map(\.holder))
            for (pid, holder) in holders.sorted(by: { $0.key < $1.key }) where bound.contains(holder) {
                observeMemory(of: pid, holder, in: &seen)
            }
        }
        return seen
    }

    private func note(_ failure: String, in seen: inout Observation) {
        if seen.failures.count < Self.failureLimit, !seen.failures.contains(failure) { seen.failures.append(failure) }
    }

    // MARK: - Cgroups

    private func path(_ cgroup: String, _ file: String) -> String {
        cgroup == "/" ? "\(cgroupRoot)/\(file)" : "\(cgroupRoot)\(cgroup)/\(file)"
    }

    private func observeCgroup(_ cgroup: String, in seen: inout Observation) {
        guard seen.cgroups[cgroup] == nil else { return }
        do throws(SystemError) { _ = try files.read(path(cgroup, "cgroup.procs")) } catch {
            // A cgroup of threads has no list of processes (EOPNOTSUPP).
            if error.errno == ENOENT || error.errno == ENODEV { return }
        }
        var found = ObservedCgroup()
        found.effective = inherited(cgroup, isUnified ? "cpuset.cpus.effective" : "cpuset.effective_cpus")
        found.memoryNodes = inherited(cgroup, isUnified ? "cpuset.mems.effective" : "cpuset.effective_mems").map(
            Array.init)
        if isUnified, cgroup != "/" {
            found.partition = (try? files.read(path(cgroup, "cpuset.cpus.partition"))).map {
                String($0.prefix { $0 != "\n" })
            }
        }
        seen.cgroups[cgroup] = found
    }

    /// The set in a file of the cgroup; in that of the nearest one above where the controller is not enabled in it.
    private func inherited(_ cgroup: String, _ file: String) -> CPUSet? {
        var cgroup = cgroup[...]
        while true {
            if let text = try? files.read(path(cgroup.isEmpty ? "/" : String(cgroup), file)) {
                return try? CPUSet(list: text.prefix { $0 != "\n" })
            }
            guard cgroup != "/", let slash = cgroup.lastIndex(of: "/") else { return nil }
            cgroup = slash == cgroup.startIndex ? "/" : cgroup[..<slash]
        }
    }

    /// The processes in the cgroup and below it.
    private func members(of cgroup: String, in seen: inout Observation) -> [Int] {
        var pids: [Int] = []
        var cgroups = [cgroup]
        while let cgroup = cgroups.popLast() {
            let text: String
            do throws(SystemError) { text = try files.read(path(cgroup, "cgroup.procs")) } catch {
                if ![ENOENT, ENODEV, ENOTDIR].contains(error.errno) { note(error.description, in: &seen) }
                continue
            }
            pids += text.utf8.split(separator: UInt8(ascii: "\n")).compactMap { Int(Substring($0)) }
            // Most cgroups of claims have none below them, which spares reading their directories.
            let counts = (try? files.read(path(cgroup, "cgroup.stat"))) ?? ""
            guard !counts.utf8.starts(with: "nr_descendants 0\n".utf8) else { continue }
            cgroups += ((try? files.entries("\(cgroupRoot)\(cgroup)")) ?? []).map { "\(cgroup)/\($0)" }
        }
        return pids
    }

    // MARK: - Interrupts and memory

    private func observeInterrupts(_ exclusive: CPUSet, in seen: inout Observation) {
        var table: [Int: InterruptTable.Row]?
        do throws(SystemError) {
            table = InterruptTable.rows(try files.read(InterruptTable.path), cpus: exclusive)
        } catch { note(error.description, in: &seen) }
        for irq in MaskShift.interrupts(files) {
            // Numbers that nothing uses have masks too.
            guard table == nil || table?[irq] != nil, let allowed = try? Masks.read(Masks.interrupt(irq), .list, files)
            else {
                continue
            }
            var found = ObservedInterrupt(
                number: irq, name: table?[irq]?.name ?? "", allowed: allowed, counts: table?[irq]?.counts ?? [:])
            if !allowed.isDisjoint(with: exclusive) {
                found.effective = try? Masks.read(Masks.effective(irq), .list, files)
                found.isManaged = Masks.isManaged(Masks.interrupt(irq), files)
            }
            seen.interrupts.append(found)
        }
        seen.masks[.newInterrupts] = try? Masks.read(Masks.newInterrupts, .hexadecimal, files)
        seen.masks[.workqueues] = try? Masks.read(Masks.workqueues, .hexadecimal, files)
    }

    private func observeMemory(of pid: Int, _ holder: Holder, in seen: inout Observation) {
        do throws(ProcessError) {
            let kilobytes = NodeMemory.kilobytes(try processes.read("numa_maps", of: pid))
            let name = try processes.status(of: pid).name
            seen.memory.append(ObservedMemory(pid: pid, name: name, holder: holder, kilobytes: kilobytes))
        } catch {
            if case .gone = error { return }
            note(error.description, in: &seen)
        }
    }
}
