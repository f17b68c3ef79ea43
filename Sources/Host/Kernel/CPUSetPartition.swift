import Ledger
import Machine

/// The one partition of all claims. Every change is a difference: what is there now is read, changed, written and read back.
struct CPUSetPartition {
    let files: any KernelFiles
    let hierarchy: CgroupHierarchy
    let settings: KernelSettings
    let place: PartitionPlace
    /// Sets the CPUs of the slice where systemd owns it.
    let setAllowedCPUs: AllowedCPUsSetter
    /// Reports what somebody else changed and what therefore stays as it is.
    let notice: @Sendable (String) -> Void

    private var root: Cgroup { hierarchy.cgroup("/", files) }
    private var slice: Cgroup { hierarchy.cgroup(place.slice, files) }
    private var claims: Cgroup { hierarchy.cgroup(place.claims, files) }
    /// The cgroup that is the partition's root.
    private var head: Cgroup { place.isRemote ? claims : slice }

    // MARK: - Growing

    /// Adds CPUs.
    func grow(_ cpus: CPUSet) throws(EnforcementError) {
        // 1. Look again: the plan may be old.
        let state = try KernelState.read(files, hierarchy, settings)
        let new = cpus.subtracting(try head.requiredCPUs("cpuset.cpus").intersection(try owned()))
        if let danger = state.danger(ofTaking: new) { throw EnforcementError(danger) }
        if let obstacle = state.partitionObstacle(cpus) { throw EnforcementError(obstacle) }
        // 2. From the top down: a cgroup has no CPU that the one above it lacks.
        try add(cpus, to: slice)
        if place.isRemote {
            try add(cpus, to: slice, "cpuset.cpus.exclusive")
            try add(cpus, to: claims)
            try add(cpus, to: claims, "cpuset.cpus.exclusive")
        } else {
            let isNested = try isNested()
            if isNested { try add(cpus, to: claims) }
        }
        // 3. A partition that is invalid is made one again.
        try head.makePartition("root")
        let isNested = try isNested()
        if isNested { try claims.makePartition("root") }
        // 4. The word says that it is valid; the CPUs say whether that is true.
        try verify(cpus)
    }

    /// Checks that the partition has these CPUs, and that nobody outside has them.
    func verify(_ cpus: CPUSet) throws(EnforcementError) {
        let word = try head.required("cpuset.cpus.partition")
        guard word == "root" else { throw EnforcementError("\(head.file("cpuset.cpus.partition")): \(word)") }
        let online = try onlineCPUs()
        let missing = cpus.intersection(online).subtracting(try owned())
        guard missing.isEmpty else {
            throw EnforcementError("the kernel keeps CPUs \(missing) out of the partition \(head.path)")
        }
        let outside = try root.requiredCPUs("cpuset.cpus.effective").intersection(cpus)
        guard outside.isEmpty else {
            throw EnforcementError("CPUs \(outside) are still among those of all other processes")
        }
    }

    /// The CPUs that the partition has: its own and those that it gave to partitions below.
    private func owned() throws(EnforcementError) -> CPUSet {
        guard try head.text("cpuset.cpus.partition") == "root" else { return CPUSet() }
        return try head.partitionCPUs()
    }

    private func onlineCPUs() throws(EnforcementError) -> CPUSet {
        try Cgroup(files: files, mount: "/sys/devices/system/cpu", path: "/").requiredCPUs("online")
    }

    private func add(_ cpus: CPUSet, to cgroup: Cgroup, _ file: String = "cpuset.cpus") throws(EnforcementError) {
        let now = try cgroup.requiredCPUs(file)
        try set(now.union(cpus), from: now, of: cgroup, file)
    }

    /// Writes a set and reads it back.
    private func set(
        _ cpus: CPUSet, from now: CPUSet, of cgroup: Cgroup, _ file: String = "cpuset.cpus"
    ) throws(EnforcementError) {
        guard cpus != now else { return }
        if settings.hasSystemd && cgroup.path == settings.slice && file == "cpuset.cpus" {
            try setAllowedCPUs(String(settings.slice.dropFirst()), cpus)
            // An empty AllowedCPUs leaves the kernel's file as it is.
            if try cgroup.requiredCPUs(file) != cpus { try cgroup.write(cpus.list, to: file) }
        } else {
            try cgroup.write(cpus.list, to: file)
        }
        let found = try cgroup.requiredCPUs(file)
        guard found == cpus else {
            throw EnforcementError("\(cgroup.file(file)) is \(found.shown) after \(cpus.shown) was written")
        }
    }

    // MARK: - Shrinking

    /// Takes CPUs out, but for those that cgroups of other claims have: shared ones.
    ///
    /// - Parameter own: the path of the claim's cgroup, which must be gone.
    func shrink(_ cpus: CPUSet, own: String) throws(EnforcementError) {
        guard slice.exists else { return }
        var leaving = cpus
        for claim in claims.children {
            let used = try claim.cpus("cpuset.cpus")?.intersection(cpus) ?? CPUSet()
            guard claim.path != own || used.isEmpty else {
                throw EnforcementError("cgroup \(own) still has CPUs \(used)")
            }
            leaving.subtract(used)
        }
        let inSlice = try slice.cpus("cpuset.cpus") ?? CPUSet()
        let rest = inSlice.subtracting(leaving)
        if rest.isEmpty { try dissolve() } else { try reduce(by: leaving, sliceCPUs: inSlice, rest) }
    }

    /// From the bottom up.
    private func reduce(by leaving: CPUSet, sliceCPUs: CPUSet, _ rest: CPUSet) throws(EnforcementError) {
        if place.isRemote {
            try remove(leaving, from: claims, "cpuset.cpus.exclusive")
            try remove(leaving, from: claims)
            try remove(leaving, from: slice, "cpuset.cpus.exclusive")
        } else {
            let isNested = try isNested()
            if isNested { try remove(leaving, from: claims) }
        }
        try set(rest, from: sliceCPUs, of: slice)
        // What the shrinking claim's CPUs made invalid is valid again, for the other claims.
        let word = try head.text("cpuset.cpus.partition") ?? "member"
        if word.hasPrefix("root invalid") {
            do throws(EnforcementError) { try head.makePartition("root") } catch { notice(error.description) }
        }
    }

    /// The last claim's CPUs leave. An empty partition is refused, so it becomes a member first.
    private func dissolve() throws(EnforcementError) {
        if claims.exists {
            try claims.makeMember()
            try clear(claims, "cpuset.cpus.exclusive")
            try clear(claims, "cpuset.cpus")
        }
        try slice.makeMember()
        try clear(slice, "cpuset.cpus.exclusive")
        try set(CPUSet(), from: try slice.cpus("cpuset.cpus") ?? CPUSet(), of: slice)
    }

    private func clear(_ cgroup: Cgroup, _ file: String) throws(EnforcementError) {
        guard let now = try cgroup.cpus(file) else { return }
        try set(CPUSet(), from: now, of: cgroup, file)
    }

    private func remove(_ cpus: CPUSet, from cgroup: Cgroup, _ file: String = "cpuset.cpus") throws(EnforcementError) {
        guard let now = try cgroup.cpus(file) else { return }
        let rest = now.subtracting(cpus)
        if rest.isEmpty { try cgroup.makeMember() }
        try set(rest, from: now, of: cgroup, file)
    }

    // MARK: - Partitions inside

    /// Whether the cgroup of all claims is a partition inside a local one, or is set to be.
    private func isNested() throws(EnforcementError) -> Bool {
        guard !place.isRemote else { return false }
        return try claims.text("cpuset.cpus.partition").map { !$0.hasPrefix("member") } ?? false
    }

    /// Makes the cgroup of all claims a partition, with all CPUs of the slice.
    func nest() throws(EnforcementError) {
        guard !place.isRemote else { return }
        try add(try slice.requiredCPUs("cpuset.cpus"), to: claims)
        try claims.makePartition("root")
        let word = try claims.required("cpuset.cpus.partition")
        guard word == "root" else { throw EnforcementError("\(claims.file("cpuset.cpus.partition")): \(word)") }
    }

    /// Makes it a member again, without CPUs of its own, unless a claim needs it.
    func unnest() throws(EnforcementError) {
        guard !place.isRemote, claims.exists else { return }
        for claim in claims.children {
            if let word = try claim.text("cpuset.cpus.partition"), !word.hasPrefix("member") { return }
        }
        try claims.makeMember()
        try clear(claims, "cpuset.cpus")
    }
}

extension Cgroup {
    /// Makes it a partition of this kind, where it is none, or an invalid one. The kernel takes the word in any case: read
    /// it back.
    func makePartition(_ word: String) throws(EnforcementError) {
        let now = try required("cpuset.cpus.partition")
        if now == word { return }
        // Linux 6.1 does not look at an invalid partition again when the same word is written.
        if now.hasPrefix("\(word) invalid") { try write("member", to: "cpuset.cpus.partition") }
        try write(word, to: "cpuset.cpus.partition")
    }

    /// Makes it a member.
    func makeMember() throws(EnforcementError) {
        guard let now = try text("cpuset.cpus.partition"), now != "member" else { return }
        try write("member", to: "cpuset.cpus.partition")
    }

    /// The CPUs of this partition, with those of partitions below it.
    func partitionCPUs() throws(EnforcementError) -> CPUSet {
        var cpus = try requiredCPUs("cpuset.cpus.effective")
        for child in children {
            let word = try child.text("cpuset.cpus.partition")
            if word == "root" || word == "isolated" { cpus.formUnion(try child.partitionCPUs()) }
        }
        return cpus
    }
}

extension CPUSet {
    /// The list, or `empty`.
    var shown: String { isEmpty ? "empty" : list }
}

/// Sets AllowedCPUs of a unit of systemd, at once and until the next boot.
package typealias AllowedCPUsSetter = @Sendable (_ unit: String, _ cpus: CPUSet) throws(EnforcementError) -> Void
