import Ledger
import Machine

/// The cgroup of one claim.
package struct ClaimCgroup: Equatable, Sendable {
    /// Its path below the mount point.
    package var path: String
    /// Where the holder may run.
    package var cpus: CPUSet
    /// The memory nodes that it may use; empty for those of the cgroup above.
    package var memoryNodes: CPUSet
    /// The most huge pages that it may use.
    package var pages: [PageLimit]

    /// A cgroup.
    package init(path: String, cpus: CPUSet, memoryNodes: CPUSet = CPUSet(), pages: [PageLimit] = []) {
        self.path = path
        self.cpus = cpus
        self.memoryNodes = memoryNodes
        self.pages = pages
    }
}

extension Claim {
    /// The cgroup that the kernel has for this claim; nil where its enforcement takes none.
    package var cgroup: ClaimCgroup? {
        for step in enforcement?.steps ?? [] where step.action.hasPrefix("cgroup ") {
            if case .cgroup(let cgroup) = KernelStep(text: step.action) { return cgroup }
        }
        return nil
    }
}

/// How many huge pages of one size a cgroup may use.
package struct PageLimit: Equatable, Sendable {
    /// The size as the kernel's files call it: `2MB`.
    package var size: String
    /// The limit in bytes.
    package var bytes: Int

    /// A limit.
    package init(size: String, bytes: Int) {
        self.size = size
        self.bytes = bytes
    }

    /// The limit that lets `count` pages be used. It saturates.
    init(sizeKB: Int, count: Int) {
        // hugetlb_cgroup.c, mem_fmt: 64KB, 2MB, 1GB.
        size =
            sizeKB >= 1 << 20 ? "\(sizeKB >> 20)GB" : sizeKB >= 1 << 10 ? "\(sizeKB >> 10)MB" : "\(sizeKB)KB"
        let (kilobytes, isTooMany) = sizeKB.multipliedReportingOverflow(by: count)
        let (bytes, isTooMuch) = kilobytes.multipliedReportingOverflow(by: 1_024)
        self.bytes = isTooMany || isTooMuch ? .max : bytes
    }
}

/// Makes and removes the cgroups of claims.
struct ClaimCgroups {
    let files: any KernelFiles
    let hierarchy: CgroupHierarchy
    /// Waits for so many milliseconds.
    let pause: @Sendable (Int) -> Void
    let notice: @Sendable (String) -> Void

    /// How often a cgroup that is in use is tried again, and how long is waited each time.
    private static let tries = 50
    private static let pauseMilliseconds = 10

    private func cgroup(_ path: String) -> Cgroup { hierarchy.cgroup(path, files) }

    // MARK: - The cgroup of all claims

    /// Makes the cgroup of all claims with those above it, and lets claims' cgroups have `controllers`.
    func prepare(_ path: String, _ controllers: [String]) throws(EnforcementError) {
        var line: [Cgroup] = []
        var next: Cgroup? = cgroup(path)
        while let here = next {
            line.insert(here, at: 0)
            next = here.parent
        }
        for cgroup in line {
            if cgroup.path != "/" {
                try cgroup.make()
                if hierarchy.kind == .v1 { try inherit(cgroup) }
            }
            if hierarchy.kind == .v2 { try enable(controllers, below: cgroup) }
        }
    }

    private func enable(_ controllers: [String], below cgroup: Cgroup) throws(EnforcementError) {
        func has(_ controller: String, _ file: String) throws(EnforcementError) -> Bool {
            try cgroup.required(file).split(separator: " ").contains { $0 == controller }
        }
        for controller in controllers where !(try has(controller, "cgroup.subtree_control")) {
            do throws(EnforcementError) { try cgroup.write("+\(controller)", to: "cgroup.subtree_control") } catch {
                guard try has(controller, "cgroup.controllers") else {
                    throw EnforcementError("\(cgroup.file("cgroup.controllers")) does not have \(controller)")
                }
                throw error
            }
        }
    }

    /// Gives a v1 cgroup all that the one above it has: without CPUs and nodes it takes no process, and a CPU that was
    /// offline is missing until somebody adds it.
    private func inherit(_ cgroup: Cgroup) throws(EnforcementError) {
        guard let parent = cgroup.parent else { return }
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let wanted = try parent.requiredCPUs(file)
            if try cgroup.requiredCPUs(file) != wanted { try cgroup.write(wanted.list, to: file) }
        }
    }

    /// Removes the cgroup of all claims, and those above it up to the one at `below`, as far as nothing is in them.
    func tidy(_ path: String, below: String) throws(EnforcementError) {
        var next: Cgroup? = cgroup(path)
        while let here = next, here.path != "/", here.path != below {
            if hierarchy.kind == .v2, let cpus = try here.cpus("cpuset.cpus"), !cpus.isEmpty, here.children.isEmpty {
                notice("\(here.path) stays: somebody gave it CPUs \(cpus)")
                return
            }
            guard try here.remove() else { return }
            next = here.parent
        }
    }

    // MARK: - The cgroup of one claim

    /// Makes it, and gives it what the claim has.
    func make(_ claim: ClaimCgroup) throws(EnforcementError) {
        let cgroup = cgroup(claim.path)
        try cgroup.make()
        try set(claim.cpus, "cpuset.cpus", of: cgroup)
        if !claim.memoryNodes.isEmpty {
            try set(claim.memoryNodes, "cpuset.mems", of: cgroup)
        } else if hierarchy.kind == .v1, let parent = cgroup.parent {
            try set(try parent.requiredCPUs("cpuset.mems"), "cpuset.mems", of: cgroup)
        } else {
            do throws(EnforcementError) { try set(CPUSet(), "cpuset.mems", of: cgroup) } catch {
                // The kernel does not empty the mask of a cgroup with processes: all nodes come to the same.
                guard let all = try cgroup.parent?.cpus("cpuset.mems.effective") else { throw error }
                try set(all, "cpuset.mems", of: cgroup)
            }
        }
        for limit in claim.pages {
            let file = "hugetlb.\(limit.size).max"
            let wanted = limit.bytes == .max ? "max" : String(limit.bytes)
            if try cgroup.required(file) != wanted { try cgroup.write(wanted, to: file) }
        }
    }

    private func set(_ wanted: CPUSet, _ file: String, of cgroup: Cgroup) throws(EnforcementError) {
        if try cgroup.requiredCPUs(file) != wanted { try cgroup.write(wanted.list, to: file) }
    }

    /// Checks that the cgroup is as it was made, and that the kernel follows it.
    func verify(_ claim: ClaimCgroup) throws(EnforcementError) {
        let cgroup = cgroup(claim.path)
        guard let cpus = try cgroup.cpus("cpuset.cpus") else { throw EnforcementError("cgroup \(claim.path) is gone") }
        let online = try Cgroup(files: files, mount: "/sys/devices/system/cpu", path: "/").requiredCPUs("online")
        guard cpus == claim.cpus else {
            throw EnforcementError("\(cgroup.file("cpuset.cpus")) is \(cpus.shown), not \(claim.cpus.shown)")
        }
        let file = hierarchy.kind == .v2 ? "cpuset.cpus.effective" : "cpuset.effective_cpus"
        if let effective = try cgroup.cpus(file) {
            let wanted = claim.cpus.intersection(online)
            guard !wanted.isEmpty || claim.cpus.isEmpty else {
                throw EnforcementError(
                    "no CPU of \(claim.cpus) is online: processes in \(claim.path) run on \(effective)")
            }
            guard claim.cpus.isEmpty || effective == wanted else {
                throw EnforcementError("\(cgroup.file(file)) is \(effective.shown), not \(wanted.shown)")
            }
        }
        if !claim.memoryNodes.isEmpty {
            let nodes = try cgroup.requiredCPUs("cpuset.mems")
            guard nodes == claim.memoryNodes else {
                throw EnforcementError("\(cgroup.file("cpuset.mems")) is \(nodes.shown), not \(claim.memoryNodes)")
            }
        }
        for limit in claim.pages {
            // The kernel rounds to whole pages; ours are whole.
            let found = try cgroup.required("hugetlb.\(limit.size).max")
            guard found == String(limit.bytes) || limit.bytes == .max else {
                throw EnforcementError("\(cgroup.file("hugetlb.\(limit.size).max")) is \(found), not \(limit.bytes)")
            }
        }
    }

    /// Makes the cgroup a partition without load balancing, and reads back the kernel's verdict.
    ///
    /// - Parameter exclusive: the exclusive CPUs of a remote partition; empty where the cgroup above is a partition.
    func isolate(_ path: String, exclusive: CPUSet) throws(EnforcementError) {
        let cgroup = cgroup(path)
        if !exclusive.isEmpty { try set(exclusive, "cpuset.cpus.exclusive", of: cgroup) }
        try cgroup.makePartition("isolated")
        try verifyIsolated(path)
    }

    /// Checks that it is one, and has the CPUs that it was given.
    func verifyIsolated(_ path: String) throws(EnforcementError) {
        let cgroup = cgroup(path)
        guard let word = try cgroup.text("cpuset.cpus.partition") else {
            throw EnforcementError("cgroup \(path) is gone")
        }
        guard word == "isolated" else { throw EnforcementError("\(cgroup.file("cpuset.cpus.partition")): \(word)") }
        let online = try Cgroup(files: files, mount: "/sys/devices/system/cpu", path: "/").requiredCPUs("online")
        let wanted = try cgroup.requiredCPUs("cpuset.cpus").intersection(online)
        let effective = try cgroup.requiredCPUs("cpuset.cpus.effective")
        guard effective == wanted else {
            throw EnforcementError("\(cgroup.file("cpuset.cpus.effective")) is \(effective.shown), not \(wanted.shown)")
        }
        let outside = try self.cgroup("/").requiredCPUs("cpuset.cpus.effective").intersection(wanted)
        guard outside.isEmpty else {
            throw EnforcementError("CPUs \(outside) are still among those of all other processes")
        }
    }

    /// Makes the cgroup a member without exclusive CPUs.
    func balance(_ path: String) throws(EnforcementError) {
        let cgroup = cgroup(path)
        try cgroup.makeMember()
        if let exclusive = try cgroup.cpus("cpuset.cpus.exclusive"), !exclusive.isEmpty {
            try cgroup.write("", to: "cpuset.cpus.exclusive")
        }
    }

    /// Removes the cgroup with all below it. Processes that are left go to `refuge`, or to the root where that does not
    /// take them.
    func remove(_ path: String, refuge: String) throws(EnforcementError) {
        let cgroup = cgroup(path)
        var failure: EnforcementError?
        for attempt in 0..<Self.tries {
            guard cgroup.exists else { return }
            if attempt > 0 { pause(Self.pauseMilliseconds) }
            do throws(EnforcementError) {
                try evacuate(cgroup, to: refuge)
                if try cgroup.remove() { return }
                failure = nil
            } catch { failure = error }
        }
        throw failure ?? EnforcementError("cgroup \(path) is still in use")
    }

    /// Moves all processes out of a cgroup and those below it, and removes those below it.
    private func evacuate(_ cgroup: Cgroup, to refuge: String) throws(EnforcementError) {
        for child in cgroup.children {
            try evacuate(child, to: refuge)
            _ = try child.remove()
        }
        for process in try cgroup.processes() { try self.cgroup(refuge).takeOrRoot(process) }
    }
}
