import Ledger
import Machine

/// The one partition of all claims. Every change is a difference: what is there now is read, changed, written and read back.
struct CPUSetPartition {
    let files: any KernelFiles
    let hierarchy: CgroupHierarchy
    let settings: KernelSettings
    let place: PartitionPlace
    /// Reports what somebody else changed and what therefore stays as it is.
    let notice: @Sendable (String) -> Void

    private var root: Cgroup { hierarchy.cgroup("/", files) }
    private var slice: Cgroup { hierarchy.cgroup(place.slice, files) }
    private var claims: Cgroup { hierarchy.cgroup(place.claims, files) }
    /// The cgroup that is the partition's root; nil where that is the claim's own.
    private var head: Cgroup? {
        switch place.kind {
        case .root: slice
        case .remote: claims
        case .apart: nil
        }
    }

    // MARK: - Growing

    /// Adds CPUs.
    func grow(_ cpus: CPUSet) throws(EnforcementError) {
        // 1. Look again: the plan may be old.
        let state = try KernelState.read(files, hierarchy, settings)
        // The word takes all CPUs that the partition is set to have, whoever added them.
        let now =
            place.kind == .root
            ? state.slice : try head.map { head throws(EnforcementError) in try KernelState.Group(head) }
        let all = cpus.union(now?.cpus ?? CPUSet())
        if let danger = state.danger(ofTaking: all) { throw EnforcementError(danger) }
        if let obstacle = state.partitionObstacle(cpus) { throw EnforcementError(obstacle) }
        // 2. A partition that is invalid is made a member first: Linux 6.12 calls it valid when its CPUs change, and does not
        // take the new ones away from the others.
        if let now, now.partition.hasPrefix("root invalid") { try head?.makeMember() }
        // 3. From the top down: a cgroup has no CPU that the one above it lacks.
        try add(cpus, to: slice)
        if place.kind != .root { try add(cpus, to: slice, Self.exclusive) }
        if place.kind == .remote {
            try add(cpus, to: claims)
            // Linux 6.12 makes a remote partition invalid by this, until its word is written again.
            try add(cpus, to: claims, Self.exclusive)
        }
        // 4. The word of a partition makes it one again.
        try head?.makePartition("root")
        // 5. The kernel says whether it is valid; reading back shows whether that is true of the CPUs.
        try verifyWord()
        if let danger = state.hotplugDanger(taking: all) { notice(danger) }
    }

    /// Checks that the partition has these CPUs, and that nobody outside has them.
    func verify(_ cpus: CPUSet) throws(EnforcementError) {
        guard let head else {
            let missing = cpus.subtracting(try slice.requiredCPUs(Self.exclusive))
            guard missing.isEmpty else { throw EnforcementError("\(slice.file(Self.exclusive)) lacks CPUs \(missing)") }
            return
        }
        try verifyWord()
        var missing = cpus.intersection(try onlineCPUs()).subtracting(try head.requiredCPUs("cpuset.cpus.effective"))
        if !missing.isEmpty { missing.subtract(try head.partitionCPUs()) }
        guard missing.isEmpty else {
            throw EnforcementError("the kernel keeps CPUs \(missing) out of the partition \(head.path)")
        }
        let outside = try root.requiredCPUs("cpuset.cpus.effective").intersection(cpus)
        guard outside.isEmpty else {
            throw EnforcementError("CPUs \(outside) are still among those of all other processes")
        }
    }

    private func verifyWord() throws(EnforcementError) {
        guard let head else { return }
        let word = try head.required("cpuset.cpus.partition")
        guard word == "root" else { throw EnforcementError("\(head.file("cpuset.cpus.partition")): \(word)") }
    }

    private static let exclusive = "cpuset.cpus.exclusive"

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
        try cgroup.write(cpus.list, to: file)
        let found = try cgroup.requiredCPUs(file)
        guard found == cpus else {
            throw EnforcementError("\(cgroup.file(file)) is \(found.shown) after \(cpus.shown) was written")
        }
    }

    // MARK: - Shrinking

    /// Takes CPUs out, but for those that cgroups of other claims have: shared ones.
    ///
    /// - Parameter own: the name of the claim's cgroup, which must be gone.
    func shrink(_ cpus: CPUSet, own: String) throws(EnforcementError) {
        guard slice.exists else { return }
        var leaving = cpus
        let others = (claims.children + slice.children).filter { $0.path != claims.path }
        for claim in others {
            let used = try claim.cpus("cpuset.cpus")?.intersection(cpus) ?? CPUSet()
            guard used.isEmpty || (claim.path != slice.child(own).path && claim.path != claims.child(own).path) else {
                throw EnforcementError("cgroup \(claim.path) still has CPUs \(used)")
            }
            leaving.subtract(used)
        }
        let inSlice = try slice.cpus("cpuset.cpus") ?? CPUSet()
        let rest = inSlice.subtracting(leaving)
        // What is left without a claim was added by somebody else: it is theirs, and no partition's.
        if rest.isEmpty || others.isEmpty {
            try dissolve(rest)
        } else {
            try reduce(by: leaving, sliceCPUs: inSlice, rest)
        }
    }

    /// From the bottom up.
    private func reduce(by leaving: CPUSet, sliceCPUs: CPUSet, _ rest: CPUSet) throws(EnforcementError) {
        // What is invalid may become valid by this, for the other claims.
        let wasInvalid = try head?.text("cpuset.cpus.partition")?.hasPrefix("root invalid") ?? false
        if wasInvalid { try head?.makeMember() }
        if place.kind == .remote {
            try remove(leaving, from: claims, Self.exclusive)
            try revalidate()
            try remove(leaving, from: claims)
        }
        if place.kind != .root { try remove(leaving, from: slice, Self.exclusive) }
        try set(rest, from: sliceCPUs, of: slice)
        try revalidate()
    }

    /// Makes the partition valid again, for the other claims. It may be a member since a change was broken off.
    private func revalidate() throws(EnforcementError) {
        guard let head, let word = try head.text("cpuset.cpus.partition"), word != "root",
            let cpus = try head.cpus("cpuset.cpus"), !cpus.isEmpty
        else { return }
        if let danger = try KernelState.read(files, hierarchy, settings).danger(ofTaking: cpus) {
            return notice("\(head.path) stays a member: \(danger)")
        }
        try head.makePartition("root")
        let now = try head.required("cpuset.cpus.partition")
        if now != "root" { notice("\(head.file("cpuset.cpus.partition")): \(now)") }
    }

    /// The last claim's CPUs leave. An empty partition is refused, so it becomes a member first.
    ///
    /// - Parameter rest: the CPUs that stay in the slice.
    private func dissolve(_ rest: CPUSet) throws(EnforcementError) {
        if claims.exists {
            try claims.makeMember()
            try clear(claims, Self.exclusive)
            try clear(claims, "cpuset.cpus")
        }
        try slice.makeMember()
        try clear(slice, Self.exclusive)
        try set(rest, from: try slice.cpus("cpuset.cpus") ?? CPUSet(), of: slice)
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
