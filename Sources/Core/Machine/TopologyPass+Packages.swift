extension TopologyPass {
    /// The packages by their CPU lists, which are right where ids are -1 or repeat. The package id decides for CPUs
    /// without a list, and for those whose lists contradict each other, as in the middle of hotplug.
    mutating func packages(of online: CPUSet) -> [Package] {
        var lists: [Int: CPUSet] = [:]
        for cpu in online {
            guard var list = shared(cpu, "package_cpus") ?? shared(cpu, "core_siblings") else { continue }
            list.formIntersection(online)
            list.insert(cpu)
            lists[cpu] = list
        }
        let contradictory = Self.contradictory(lists)
        if let first = contradictory.first(where: { lists[$0] != nil }) {
            problems.append(
                MachineProblem(
                    path: "\(SysPath.cpu(first))/topology",
                    reason: "the CPUs of the package contradict those of other CPUs: the package ids are used"))
        }

        var groups = Groups(online: online)
        var ids: [Int?] = []
        var byID: [Int: CPUSet] = [:]
        var undecided: [Int] = []
        for cpu in online where !groups.contains(cpu) {
            let id = KernelText.number(files.read(SysPath.topology(of: cpu, "physical_package_id")))
                .flatMap { $0 >= 0 ? $0 : nil }
            if let list = lists[cpu], !contradictory.contains(cpu) {
                groups.add(list, with: cpu)
                ids.append(id)
            } else if let id {
                byID[id, default: CPUSet()].insert(cpu)
            } else {
                undecided.append(cpu)
            }
        }
        let identified = byID.values.reduce(CPUSet()) { $0.union($1) }
        for cpu in undecided where !groups.contains(cpu) {
            // Without an id the first of the contradictory lists counts.
            guard let list = lists[cpu] else { continue }
            groups.add(list.subtracting(identified), with: cpu)
            ids.append(nil)
        }
        let listed = zip(ids, groups.sets).map { Package(id: $0, cpus: $1) }
        let unlisted = byID.map { Package(id: $0, cpus: $1.subtracting(groups.members)) }
        let packages = listed + unlisted.sorted { ($0.cpus.first ?? 0) < ($1.cpus.first ?? 0) }
        // Kernels for one CPU or without topology have no such files: the machine is one package then.
        return packages.isEmpty ? [Package(id: nil, cpus: online)] : packages
    }

    /// The CPUs of all lists that overlap with another list and differ from it.
    private static func contradictory(_ lists: [Int: CPUSet]) -> CPUSet {
        let distinct = Set(lists.values).sorted { ($0.first ?? 0, $0.count) < ($1.first ?? 0, $1.count) }
        var seen = CPUSet()
        var found = CPUSet()
        for list in distinct {
            if !list.isDisjoint(with: seen) { found.formUnion(list) }
            seen.formUnion(list)
        }
        // Every list that overlaps with a later one now overlaps with what was found.
        for list in distinct where !list.isDisjoint(with: found) { found.formUnion(list) }
        return found
    }
}
