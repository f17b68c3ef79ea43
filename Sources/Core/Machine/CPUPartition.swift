/// Disjoint, non-empty sets of CPUs, ascending by their lowest CPU: the cores of a machine, its L3 groups.
package struct CPUPartition: Sendable, Equatable {
    private var groups: [CPUSet] = []
    /// For each CPU the position of its group, -1 for none.
    private var positions: [Int32] = []

    /// The groups of `sets`; a CPU named by several belongs to the first of them, empty sets are left out.
    package init(_ sets: some Sequence<CPUSet> = EmptyCollection()) {
        var taken = CPUSet()
        for set in sets {
            let group = set.subtracting(taken)
            guard !group.isEmpty else { continue }
            taken.formUnion(group)
            groups.append(group)
        }
        groups.sort { ($0.first ?? 0) < ($1.first ?? 0) }
        positions = Array(repeating: -1, count: taken.last.map { $0 + 1 } ?? 0)
        for (position, group) in groups.enumerated() {
            for cpu in group { positions[cpu] = Int32(position) }
        }
    }

    /// The group that holds `cpu`; nil where none does.
    package func group(of cpu: Int) -> CPUSet? { position(of: cpu).map { groups[$0] } }

    /// The position of the group that holds `cpu`; nil where none does.
    package func position(of cpu: Int) -> Int? {
        guard positions.indices.contains(cpu), positions[cpu] >= 0 else { return nil }
        return Int(positions[cpu])
    }

    /// Whether each group that `cpus` touches is in it as a whole.
    package func areWhole(in cpus: CPUSet) -> Bool { cpus.allSatisfy { group(of: $0)?.isSubset(of: cpus) != false } }
}

extension CPUPartition: RandomAccessCollection {
    /// 0.
    package var startIndex: Int { groups.startIndex }
    /// The number of groups.
    package var endIndex: Int { groups.endIndex }
    /// The group at `position`, which must be below ``endIndex``.
    package subscript(position: Int) -> CPUSet { groups[position] }
}

extension CPUPartition: ExpressibleByArrayLiteral {
    /// The groups of the literal's sets.
    package init(arrayLiteral sets: CPUSet...) { self.init(sets) }
}
