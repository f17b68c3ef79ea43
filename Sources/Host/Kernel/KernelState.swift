import Machine

/// What the kernel does now, as far as plans follow from it.
package struct KernelState: Equatable, Sendable {
    /// One cgroup with CPUs of its own.
    package struct Group: Equatable, Sendable {
        /// Its path.
        package var path: String
        /// Its `cpuset.cpus`.
        package var cpus: CPUSet
        /// Its `cpuset.cpus.exclusive`.
        package var exclusive: CPUSet
        /// Its `cpuset.cpus.partition`, with the kernel's remark; `member` where the kernel has no partitions.
        package var partition: String

        /// A cgroup.
        package init(path: String, cpus: CPUSet, exclusive: CPUSet = CPUSet(), partition: String = "member") {
            self.path = path
            self.cpus = cpus
            self.exclusive = exclusive
            self.partition = partition
        }
    }

    /// The hierarchy.
    package var hierarchy: CgroupHierarchy
    /// The CPUs that run.
    package var online: CPUSet
    /// The CPUs of `isolcpus`.
    package var isolated: CPUSet
    /// The CPUs that stay with the rest of the machine.
    package var housekeeping: CPUSet
    /// The controllers that the root offers.
    package var controllers: Set<String>
    /// Whether the kernel has `cpuset.cpus.exclusive` and remote partitions.
    package var hasRemotePartitions: Bool
    /// Whether this process may make remote partitions, where it needs them: that takes CAP_SYS_ADMIN.
    package var mayMakeRemote: Bool
    /// Whether the root is one that a container sees: not the machine's own, and no partition.
    package var isRootConfined: Bool
    /// The CPUs that the root cgroup has left (`cpuset.cpus.effective`).
    package var rootCPUs: CPUSet
    /// Berth's slice; nil where it does not exist.
    package var slice: Group?
    /// Whether the cgroup of all claims exists.
    package var hasClaims: Bool
    /// The CPUs that a kubelet gives to containers by itself; nil where none does.
    package var kubelet: KubeletCPUs?
    /// The other cgroups below the root that have CPUs of their own.
    package var neighbours: [Group]

    /// A state.
    package init(
        hierarchy: CgroupHierarchy, online: CPUSet, isolated: CPUSet = CPUSet(), housekeeping: CPUSet = CPUSet(),
        controllers: Set<String> = ["cpuset"], hasRemotePartitions: Bool = false, mayMakeRemote: Bool = true,
        isRootConfined: Bool = false,
        rootCPUs: CPUSet? = nil, slice: Group? = nil, hasClaims: Bool = false, neighbours: [Group] = []
    ) {
        self.hierarchy = hierarchy
        self.online = online
        self.isolated = isolated
        self.housekeeping = housekeeping
        self.controllers = controllers
        self.hasRemotePartitions = hasRemotePartitions
        self.mayMakeRemote = mayMakeRemote
        self.isRootConfined = isRootConfined
        self.rootCPUs = rootCPUs ?? online
        self.slice = slice
        self.hasClaims = hasClaims
        self.neighbours = neighbours
    }

    /// Reads the state.
    ///
    /// - Throws: ``EnforcementError`` where a file that everything depends on cannot be read or understood.
    package static func read(
        _ files: any KernelFiles, _ hierarchy: CgroupHierarchy, _ settings: KernelSettings
    ) throws(EnforcementError) -> KernelState {
        let cpus = Cgroup(files: files, mount: "/sys/devices/system/cpu", path: "/")
        let online = try cpus.requiredCPUs("online")
        guard !online.isEmpty else { throw EnforcementError("\(cpus.file("online")) names no CPU") }
        let isolated = try cpus.cpus("isolated") ?? CPUSet()
        let housekeeping =
            settings.housekeeping
            ?? firstCore(online: online, isolated: isolated) { cpu in
                (try? cpus.cpus("cpu\(cpu)/topology/thread_siblings_list")) ?? nil
            }
        var state = KernelState(
            hierarchy: hierarchy, online: online, isolated: isolated, housekeeping: housekeeping, controllers: [])
        state.kubelet = KubeletCPUs.read(files)
        let root = hierarchy.cgroup("/", files)
        let slice = hierarchy.cgroup(settings.slice, files)
        state.hasClaims = hierarchy.kind != .none && hierarchy.cgroup(settings.claims, files).exists
        guard hierarchy.kind == .v2 else {
            if hierarchy.kind == .v1, slice.exists {
                state.slice = Group(path: slice.path, cpus: try slice.cpus("cpuset.cpus") ?? CPUSet())
            }
            return state
        }
        state.controllers = Set(try root.required("cgroup.controllers").split(separator: " ").map(String.init))
        // Absent where no cgroup below has the controller yet; then all CPUs that run.
        state.rootCPUs = try root.cpus("cpuset.cpus.effective") ?? online
        state.hasRemotePartitions = try root.text("cpuset.cpus.isolated") != nil
        if state.needsRemote { state.mayMakeRemote = mayAdministrate(files) }
        if let word = try root.text("cpuset.cpus.partition") {
            state.isRootConfined = word != "root" && word != "isolated"
        }
        if slice.exists { state.slice = try Group(slice) }
        for child in root.children where child.path != slice.path {
            let group = try Group(child)
            if !group.cpus.isEmpty || !group.exclusive.isEmpty { state.neighbours.append(group) }
        }
        return state
    }

    /// Whether this process has CAP_SYS_ADMIN; true where the kernel does not say.
    private static func mayAdministrate(_ files: any KernelFiles) -> Bool {
        guard let text = try? files.read("/proc/self/status"), let mask = text.statusField("CapEff"),
            let capabilities = UInt64(mask, radix: 16)
        else { return true }
        return capabilities >> 21 & 1 == 1
    }

    /// The first core with a CPU outside `isolcpus`.
    static func firstCore(online: CPUSet, isolated: CPUSet, siblings: (Int) -> CPUSet?) -> CPUSet {
        guard let first = online.subtracting(isolated).first ?? online.first else { return CPUSet() }
        return (siblings(first) ?? CPUSet()).intersection(online).union(CPUSet(CollectionOfOne(first)))
    }
}

extension KernelState.Group {
    /// What a cgroup is set to.
    init(_ cgroup: Cgroup) throws(EnforcementError) {
        self.init(
            path: cgroup.path, cpus: try cgroup.cpus("cpuset.cpus") ?? CPUSet(),
            exclusive: try cgroup.cpus("cpuset.cpus.exclusive") ?? CPUSet(),
            partition: try cgroup.text("cpuset.cpus.partition") ?? "member")
    }
}

extension KernelState {
    /// Why taking `cpus` away from the root would endanger the machine, with `others` gone too; nil where it would not.
    package func danger(ofTaking cpus: CPUSet, besides others: CPUSet = CPUSet()) -> String? {
        let left = rootCPUs.subtracting(cpus).subtracting(others)
        if left.subtracting(isolated).isEmpty {
            // Kernels 6.1 and 6.12 oops in build_sched_domains then, and every later change of a cpuset hangs.
            return isolated.isEmpty
                ? "no CPU would be left for the rest of the machine"
                : "the rest of the machine would have no CPU left but those of isolcpus (\(isolated)), which crashes the kernel"
        }
        let missing = housekeeping.intersection(online).intersection(rootCPUs).intersection(cpus)
        if !missing.isEmpty { return "CPUs \(missing) are housekeeping CPUs, which stay with the rest of the machine" }
        return nil
    }

    /// What an operator has to know before the next CPU goes offline, with `cpus` taken from the root: that the rest of the
    /// machine has only one CPU left that `isolcpus` does not name. Linux 6.1 crashes when that one goes offline. Nil where it
    /// has more, and where there is no partition.
    package func hotplugDanger(taking cpus: CPUSet = CPUSet()) -> String? {
        let left = rootCPUs.subtracting(cpus)
        let usable = left.subtracting(isolated)
        guard hierarchy.kind == .v2, !isolated.isEmpty, left != online, usable.count <= 1 else { return nil }
        let which = usable.isEmpty ? "no CPU is" : "CPU \(usable) alone is"
        return
            "\(which) left for the rest of the machine outside isolcpus (\(isolated)): do not take another CPU offline, "
            + "which would crash the kernel; release a claim, or bring CPUs back online"
    }

    /// The CPUs that Berth's partition has, or is set to have.
    var partitionCPUs: CPUSet { (slice?.cpus ?? CPUSet()).union(slice?.exclusive ?? CPUSet()) }

    /// Whether a partition has to be a remote one: one below the root is refused over CPUs of isolcpus by the kernels that know
    /// remote ones.
    package var needsRemote: Bool { hasRemotePartitions && !isolated.isEmpty }

    /// Why `cpus` cannot be in a partition of Berth; nil where nothing speaks against it.
    package func partitionObstacle(_ cpus: CPUSet) -> String? {
        switch hierarchy.kind {
        case .v2: break
        case .v1: return "cgroup v1 has no partitions"
        case .none: return "there is no cgroup hierarchy with the cpuset controller"
        }
        if hierarchy.isReadOnly { return "\(hierarchy.mount) is mounted read-only" }
        if isRootConfined { return "the root of \(hierarchy.mount) is not a partition: it belongs to a container" }
        if needsRemote, !mayMakeRemote {
            return "a partition beside isolcpus takes CAP_SYS_ADMIN, which berthd does not have"
        }
        let all = partitionCPUs.union(cpus)
        for other in neighbours {
            let common = other.cpus.union(other.exclusive).intersection(all)
            if !common.isEmpty { return "cgroup \(other.path) has CPUs \(common) in its cpuset" }
        }
        let foreign = cpus.subtracting(partitionCPUs).intersection(online).subtracting(rootCPUs)
        if !foreign.isEmpty { return "CPUs \(foreign) are in a partition of another cgroup" }
        return nil
    }
}
