import Machine

/// Which CPUs are siblings, in the form that a placement over thousands of CPUs needs: one table look-up a CPU.
///
/// Built once for a machine and kept until its online CPUs change; building costs one look at each CPU's sibling list.
public struct CoreIndex: Sendable, Equatable {
    /// For each CPU number the lowest CPU of its core; a CPU beyond the table is a core of its own.
    private let lowest: [Int32]

    /// The index of the cores that `siblings` gives for `cpus`; a CPU without a sibling list is a core of its own.
    ///
    /// Where lists contradict each other, a CPU belongs to the core of the lowest CPU that claims it.
    public init(of cpus: CPUSet, siblings: (Int) -> CPUSet?) {
        var lowest = [Int32](repeating: -1, count: (cpus.last ?? -1) + 1)
        for cpu in cpus where lowest[cpu] < 0 {
            lowest[cpu] = Int32(cpu)
            for sibling in siblings(cpu) ?? CPUSet() where sibling < lowest.count && lowest[sibling] < 0 {
                lowest[sibling] = Int32(cpu)
            }
        }
        self.lowest = lowest
    }

    /// The members of `cpus` by core: cores ordered by their lowest member, members ascending.
    func groups(of cpus: CPUSet) -> [[Int]] {
        var groups: [[Int]] = []
        var place = [Int32](repeating: -1, count: lowest.count)
        for cpu in cpus {
            let core = cpu < lowest.count && lowest[cpu] >= 0 ? Int(lowest[cpu]) : cpu
            if core < place.count, place[core] >= 0 {
                groups[Int(place[core])].append(cpu)
            } else {
                if core < place.count { place[core] = Int32(groups.count) }
                groups.append([cpu])
            }
        }
        return groups
    }
}
