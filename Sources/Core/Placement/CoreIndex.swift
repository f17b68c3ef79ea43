import Machine

/// Which CPUs are siblings, in the form that a placement over thousands of CPUs needs: one table look-up a CPU.
///
/// Built once for a machine and kept until its online CPUs change; building costs one look at each CPU's sibling list.
package struct CoreIndex: Sendable, Equatable {
    /// For each CPU the number of its sibling list, counted in the order of the lists' lowest CPUs; -1 beyond the index.
    private let core: [Int32]
    private let coreCount: Int
    /// The sibling lists, kept only where they contradict each other: then what counts depends on the candidates.
    private let contradicting: [Int: CPUSet]?

    /// The index of `cpus` by the sibling lists that the kernel gives; a CPU without a list is a core of its own.
    package init(of cpus: CPUSet, siblings: (Int) -> CPUSet?) {
        var core = [Int32](repeating: -1, count: (cpus.last ?? -1) + 1)
        var lists: [Int: CPUSet] = [:]
        var numbers: [CPUSet: Int32] = [:]
        var members: [CPUSet] = []
        for cpu in cpus {
            let list = (siblings(cpu) ?? CPUSet([cpu])).intersection(cpus)
            lists[cpu] = list
            let number = numbers[list] ?? Int32(members.count)
            if Int(number) == members.count {
                numbers[list] = number
                members.append(CPUSet())
            }
            core[cpu] = number
            members[Int(number)].insert(cpu)
        }
        self.core = core
        coreCount = members.count
        contradicting = numbers.allSatisfy { members[Int($0.value)] == $0.key } ? nil : lists
    }

    /// The members of `cpus` grouped by their sibling lists cut to `cpus` (EPA specification 3.3): groups ordered by their
    /// lowest member, members ascending.
    func groups(of cpus: CPUSet) -> Groups {
        if let contradicting { return Groups(cpus, by: contradicting) }
        return Groups(cpus, core: core, coreCount: coreCount)
    }

    /// Groups of CPUs in one piece of memory: group g has the members `starts[g]..<starts[g + 1]`.
    struct Groups {
        private(set) var members: [Int] = []
        private(set) var starts: [Int] = [0]

        var count: Int { starts.count - 1 }

        func size(_ group: Int) -> Int { starts[group + 1] - starts[group] }

        func cpu(_ index: Int, of group: Int) -> Int { members[starts[group] + index] }

        fileprivate init(_ cpus: CPUSet, core: [Int32], coreCount: Int) {
            // A counting sort: the sizes first, then each CPU to its place.
            var place = [Int32](repeating: -1, count: coreCount)
            var sizes: [Int] = []
            var groupOf: [Int32] = []
            let count = cpus.count
            groupOf.reserveCapacity(count)
            for cpu in cpus {
                let number = cpu < core.count ? Int(core[cpu]) : -1
                if number >= 0, place[number] >= 0 {
                    sizes[Int(place[number])] += 1
                    groupOf.append(place[number])
                } else {
                    if number >= 0 { place[number] = Int32(sizes.count) }
                    groupOf.append(Int32(sizes.count))
                    sizes.append(1)
                }
            }
            starts.reserveCapacity(sizes.count + 1)
            for size in sizes { starts.append(starts[starts.count - 1] + size) }
            var next = starts
            members = [Int](repeating: 0, count: count)
            for (index, cpu) in cpus.enumerated() {
                let group = Int(groupOf[index])
                members[next[group]] = cpu
                next[group] += 1
            }
        }

        fileprivate init(_ cpus: CPUSet, by lists: [Int: CPUSet]) {
            var place: [CPUSet: Int] = [:]
            var groups: [[Int]] = []
            for cpu in cpus {
                let list = (lists[cpu] ?? CPUSet([cpu])).intersection(cpus)
                if let group = place[list] {
                    groups[group].append(cpu)
                } else {
                    place[list] = groups.count
                    groups.append([cpu])
                }
            }
            for group in groups {
                members += group
                starts.append(members.count)
            }
        }
    }
}
