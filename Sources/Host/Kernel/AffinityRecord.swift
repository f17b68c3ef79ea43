import Machine

/// The affinities that threads outside of the claims' cgroups were given, as far as the kernel may set them anew: whenever the
/// CPUs of a cgroup change, Linux 6.1 gives all CPUs of the cgroup to each of its threads, and later kernels to those that did
/// not set their affinity themselves (kernel, `kernel/cgroup/cpuset.c`, `update_tasks_cpumask`).
package struct AffinityRecord: Equatable, Sendable {
    /// A thread that no other one is taken for while the machine runs.
    package struct Thread: Hashable, Sendable {
        /// Its id.
        package var id: Int
        /// When it started, in clock ticks since the boot.
        package var startTime: Int

        /// A thread.
        package init(id: Int, startTime: Int) { (self.id, self.startTime) = (id, startTime) }
    }

    /// A thread as it is seen.
    package struct SeenThread: Equatable, Sendable {
        /// Which one.
        package var thread: Thread
        /// Its process, and the process that started that one.
        package var process, parent: Int
        /// The CPUs that it may run on, those that are offline among them.
        package var allowed: CPUSet
        /// Those of them that are online.
        package var usable: CPUSet
        /// Its cgroup.
        package var cgroup: String
        /// The CPUs that its cgroup can have.
        package var offered: CPUSet

        /// Whether it has what `affinity` leaves it here. The kernel gives it all that the cgroup has where that is nothing.
        ///
        /// - Parameter offline: the CPUs that were offline when the affinity was set: Linux 6.1 leaves them out for good.
        fileprivate func has(_ affinity: CPUSet, offline: CPUSet) -> Bool {
            let left = affinity.intersection(offered)
            return left.isEmpty ? isWide : usable == left || usable == left.subtracting(offline)
        }

        /// Whether it has all that its cgroup can have. Linux 6.1 gives a thread that comes into the root cgroup more: also what
        /// partitions have.
        var isWide: Bool { offered.isSubset(of: usable) }
    }

    /// The boot in which there are these threads.
    package let bootID: String
    /// Whether the kernel may have set affinities anew that were not given back yet.
    package var isChanging = false
    /// The CPUs that were offline when the affinities were given back last.
    package var offline = CPUSet()
    /// What they were given.
    package var affinities: [Thread: CPUSet] = [:]

    /// A record of nothing.
    package init(bootID: String) { self.bootID = bootID }

    /// The ids of the threads.
    var ids: Set<Int> { Set(affinities.keys.lazy.map(\.id)) }

    /// Notes what threads were given, before a change. What is noted already stays, unless somebody has set the affinity since. A
    /// thread that started meanwhile, and has what was left to its process or to an ancestor, was given what that one was given.
    ///
    /// - Parameter seen: the threads that have fewer CPUs than their cgroups, and those that are noted; others have ended.
    mutating func note(_ seen: [SeenThread]) {
        var known: [Int: [CPUSet]] = [:]
        var parents: [Int: Int] = [:]
        for thread in seen {
            parents[thread.process] = thread.parent
            if let affinity = affinities[thread.thread] { known[thread.process, default: []].append(affinity) }
        }
        func inherited(_ thread: SeenThread) -> CPUSet? {
            var next: Int? = thread.process
            // The depth of a tree of processes; ids that were used again may make a circle of it.
            for _ in 0..<64 {
                guard let process = next else { return nil }
                if let affinities = known[process] {
                    return affinities.first { thread.has($0, offline: offline) }
                }
                next = parents[process]
            }
            return nil
        }
        var noted: [Thread: CPUSet] = [:]
        for thread in seen {
            if let affinity = affinities[thread.thread] {
                if thread.has(affinity, offline: offline) {
                    noted[thread.thread] = affinity
                    continue
                }
            } else if let affinity = inherited(thread) {
                noted[thread.thread] = affinity
                continue
            }
            if !thread.isWide { noted[thread.thread] = thread.allowed }
        }
        affinities = noted
    }

    /// What a thread is to be given, after a change; nil where it has that, or somebody else has set its affinity meanwhile. One of
    /// which nothing is noted is not to have what its cgroup does not have.
    ///
    /// - Parameters:
    ///   - usable: where it may run now, of the CPUs that are online.
    ///   - offered: what its cgroup can have now.
    func due(_ seen: SeenThread, usable: CPUSet, offered: CPUSet, online: CPUSet) -> CPUSet? {
        let gone = online.subtracting(offered)
        guard let affinity = affinities[seen.thread] else {
            return usable.isDisjoint(with: gone) || usable.isSubset(of: gone) ? nil : seen.allowed.subtracting(gone)
        }
        let left = affinity.intersection(offered)
        guard !left.isEmpty, usable != left else { return nil }
        // All of the cgroup's: the kernel has set it anew. Some of them, as at the look: more of them come back now.
        let isAsSeen = usable == seen.usable && usable.isSubset(of: left)
        return offered.isSubset(of: usable) || isAsSeen ? affinity.subtracting(gone) : nil
    }
}

// MARK: - Text

extension AffinityRecord {
    /// A line `boot ID`, a line `changing` where that is so, a line `offline 4-5` where there are such CPUs, and a line
    /// `0-3 12@345 …` for the threads of each affinity, with their ids and start times.
    package var text: String {
        var groups: [CPUSet: [Thread]] = [:]
        for (thread, cpus) in affinities { groups[cpus, default: []].append(thread) }
        let lines = groups.map { cpus, threads in
            ([cpus.list] + threads.sorted { $0.id < $1.id }.map { "\($0.id)@\($0.startTime)" }).joined(separator: " ")
        }
        return
            (["boot \(bootID)"] + (isChanging ? ["changing"] : [])
            + (offline.isEmpty ? [] : ["offline \(offline.list)"])
            + lines.sorted() + [""]).joined(separator: "\n")
    }

    /// The record of a ``text``; nil where it is none.
    package init?(text: String) {
        var lines = text.split(separator: "\n")[...]
        guard let first = lines.popFirst(), first.hasPrefix("boot ") else { return nil }
        self.init(bootID: String(first.dropFirst(5)))
        if lines.first == "changing" {
            isChanging = true
            lines.removeFirst()
        }
        if let line = lines.first, line.hasPrefix("offline ") {
            guard let cpus = try? CPUSet(list: line.dropFirst(8)) else { return nil }
            offline = cpus
            lines.removeFirst()
        }
        for line in lines {
            var words = line.split(separator: " ")[...]
            guard let list = words.popFirst(), let cpus = try? CPUSet(list: list), !cpus.isEmpty else { return nil }
            for word in words {
                let numbers = word.split(separator: "@").map { Int($0) }
                guard numbers.count == 2, let id = numbers[0], let startTime = numbers[1], id > 0 else { return nil }
                affinities[Thread(id: id, startTime: startTime)] = cpus
            }
        }
    }
}
