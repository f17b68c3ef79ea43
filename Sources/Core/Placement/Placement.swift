import Machine

/// The choice of CPUs for a request: pure functions of the candidates, the count and the machine's cores.
///
/// The same arguments give the same CPUs, everywhere. Each answers nil where there are fewer candidates than asked for.
package enum Placement {
    /// The `count` lowest-numbered candidates (EPA specification 3.1, step 6).
    package static func lowest(_ count: Int, of candidates: CPUSet) -> CPUSet? {
        guard count >= 0 else { return nil }
        let chosen = candidates.lowest(count)
        return chosen.count == count ? chosen : nil
    }

    /// The `count` lowest-numbered candidates, those of `preferred` before the others.
    package static func lowest(_ count: Int, of candidates: CPUSet, first preferred: CPUSet) -> CPUSet? {
        guard count >= 0, candidates.count >= count else { return nil }
        let chosen = candidates.intersection(preferred).lowest(count)
        return chosen.union(candidates.subtracting(preferred).lowest(count - chosen.count))
    }

    /// `count` divided evenly over parts of the machine with so much room: no part gets two more than another one that has
    /// room for more, and of equal parts the first ones get more. Nil where the room is too small.
    package static func evenly(_ count: Int, over room: [Int]) -> [Int]? {
        guard count >= 0, room.reduce(0, +) >= count else { return nil }
        var shares = [Int](repeating: 0, count: room.count)
        var left = count
        while left > 0 {
            let open = shares.indices.filter { shares[$0] < room[$0] }
            let each = max(left / open.count, 1)
            for part in open where left > 0 {
                let more = min(each, room[part] - shares[part], left)
                shares[part] += more
                left -= more
            }
        }
        return shares
    }

    /// Sibling pairs first, then single threads (EPA specification 3.3, "Choice of CPUs").
    ///
    /// 1. While two or more are needed, the two lowest members of each core, one pair a core, cores in order.
    /// 2. Then one member of each core that still has any, lowest first.
    /// 3. Then whatever is left, core by core.
    ///
    /// So an odd remainder breaks the first core that has members, even where a lone thread exists further on.
    package static func pairs(_ count: Int, of candidates: CPUSet, cores: CoreIndex) -> CPUSet? {
        guard count >= 0, candidates.count >= count else { return nil }
        let groups = cores.groups(of: candidates)
        var taken = [Int](repeating: 0, count: groups.count)
        var chosen = CPUSet()
        var needed = count
        for group in 0..<groups.count where needed >= 2 && groups.size(group) >= 2 {
            chosen.insert(groups.cpu(0, of: group))
            chosen.insert(groups.cpu(1, of: group))
            taken[group] = 2
            needed -= 2
        }
        for group in 0..<groups.count where needed > 0 && taken[group] < groups.size(group) {
            chosen.insert(groups.cpu(taken[group], of: group))
            taken[group] += 1
            needed -= 1
        }
        for group in 0..<groups.count where needed > 0 {
            while needed > 0, taken[group] < groups.size(group) {
                chosen.insert(groups.cpu(taken[group], of: group))
                taken[group] += 1
                needed -= 1
            }
        }
        return chosen
    }

    /// Whole cores first, and an odd remainder from the core that loses least by it (policy `whole-cores`).
    ///
    /// 1. Cores of which every member fits into what is still needed, fullest first, then lowest first.
    /// 2. The rest from the smallest core that has enough members, so that a lone thread goes before a full core breaks.
    package static func wholeCores(_ count: Int, of candidates: CPUSet, cores: CoreIndex) -> CPUSet? {
        guard count >= 0, candidates.count >= count else { return nil }
        let groups = cores.groups(of: candidates)
        let bySize = (0..<groups.count).sorted { (groups.size($1), $0) < (groups.size($0), $1) }
        var chosen = CPUSet()
        var needed = count
        var smallestLeft: Int?
        for group in bySize {
            guard groups.size(group) <= needed else {
                // The sizes descend, and the lowest of one size comes first.
                if smallestLeft.map({ groups.size(group) < groups.size($0) }) ?? true { smallestLeft = group }
                continue
            }
            for index in 0..<groups.size(group) { chosen.insert(groups.cpu(index, of: group)) }
            needed -= groups.size(group)
        }
        if let broken = smallestLeft {
            for index in 0..<needed { chosen.insert(groups.cpu(index, of: broken)) }
        }
        return chosen
    }
}

/// Whole physical cores.
extension Placement {
    /// The cores of which every online CPU is a candidate, by their lowest CPU.
    package static func freeCores(_ candidates: CPUSet, of machine: Machine) -> [CPUSet] {
        machine.cores.filter { $0.isSubset(of: candidates) }.sorted { ($0.first ?? 0) < ($1.first ?? 0) }
    }

    /// Exactly `count` CPUs as all CPUs of some of `cores`, large cores first; nil where no choice of them comes to that.
    package static func cpus(_ count: Int, inWholeCores cores: [CPUSet]) -> CPUSet? {
        guard count >= 0 else { return nil }
        let ordered = cores.sorted { ($1.count, $0.first ?? 0) < ($0.count, $1.first ?? 0) }
        // Which core completed each sum first; with cores of unequal size the largest ones need not fit.
        var last = [Int?](repeating: nil, count: count + 1)
        for (index, core) in ordered.enumerated() where core.count <= count {
            for sum in stride(from: count, through: core.count, by: -1)
            where last[sum] == nil && (sum == core.count || last[sum - core.count] != nil) {
                last[sum] = index
            }
            if count == 0 || last[count] != nil { break }
        }
        var chosen = CPUSet()
        var needed = count
        while needed > 0 {
            guard let index = last[needed] else { return nil }
            chosen.formUnion(ordered[index])
            needed -= ordered[index].count
        }
        return chosen
    }

    /// The lowest CPU of each of the first `count` of `cores`; nil where there are fewer.
    package static func onePerCore(_ count: Int, _ cores: [CPUSet]) -> CPUSet? {
        guard count >= 0, cores.count >= count else { return nil }
        return CPUSet(cores.prefix(count).lazy.compactMap(\.first))
    }
}
