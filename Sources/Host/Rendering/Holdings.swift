import Machine
import Terminal

/// What each CPU of a machine is used for, and the marks for it.
struct Holdings {
    /// What a CPU is used for.
    enum Use: Hashable {
        /// Had by the holder of this position alone.
        case held(Int)
        /// Had by the holder of this position, and free for others to share.
        case shared(Int)
        /// Shared by several holders.
        case sharedBySeveral
        /// Had by several holders of which one should have it alone, which is an error.
        case contested
        /// Something does there what the claims do not allow.
        case differing
        /// Nobody has it, and it can be given.
        case free
        /// The same, in a pool that must be asked for by name.
        case freeElsewhere
        /// In no pool.
        case housekeeping
        /// Offline, held or not.
        case offline
    }

    /// The holders that have CPUs, those with most first; empty without a daemon.
    let holders: [Occupancy.Holder]
    /// The holders that have huge pages only.
    let pagesOnly: [Occupancy.Holder]
    private let machine: Machine
    /// The CPUs that can be given without a pool being named: the isolated ones if there are any.
    let pool: CPUSet
    /// Those of them that run and that nobody has.
    let free: CPUSet
    /// The free CPUs of other pools, and the names of these.
    let freeElsewhere: (names: [String], cpus: CPUSet)
    /// CPUs that run, that nobody has and that are in no pool.
    let housekeeping: CPUSet
    private var alone: [Int: Int] = [:]
    private var sharers: [Int: [Int]] = [:]
    /// CPUs with several holders although one has them alone.
    private(set) var contested = CPUSet()
    /// CPUs with a holder.
    private(set) var held = CPUSet()
    /// Held CPUs that were isolated and are not any more.
    private(set) var notIsolated = CPUSet()
    /// CPUs that differences are about.
    let differing: CPUSet
    /// Whether small letters are marks of shared CPUs.
    private let hasShared: Bool

    /// What the occupancy says about the CPUs of `machine`; nil without a daemon.
    init(_ machine: Machine, _ occupancy: Occupancy?) {
        self.machine = machine
        let all = occupancy?.holders ?? []
        // The sort keeps the order of equals.
        holders = all.filter { !$0.parts.isEmpty }.sorted { $0.cpus.count > $1.cpus.count }
        pagesOnly = all.filter { $0.parts.isEmpty && !$0.pages.isEmpty }.sorted { $0.name < $1.name }
        differing = (occupancy?.differences ?? []).reduce(CPUSet()) { $0.union($1.cpus) }
        hasShared = holders.contains { $0.parts.contains { $0.protection == .shared } }
        for (position, holder) in holders.enumerated() {
            for part in holder.parts {
                for cpu in part.cpus {
                    if part.protection == .shared {
                        sharers[cpu, default: []].append(position)
                    } else if let other = alone.updateValue(position, forKey: cpu), other != position {
                        contested.insert(cpu)
                    }
                }
                held.formUnion(part.cpus)
            }
            if holder.isOfIsolated {
                notIsolated.formUnion(holder.poolCPUs.intersection(machine.present).subtracting(machine.isolated))
            }
        }
        for cpu in sharers.keys where alone[cpu] != nil { contested.insert(cpu) }
        let pools = occupancy?.pools ?? []
        pool = machine.isolated.isEmpty ? pools.first { !$0.cpus.isEmpty }?.cpus ?? CPUSet() : machine.isolated
        let left = machine.online.subtracting(held)
        free = pool.intersection(left)
        var others: (names: [String], cpus: CPUSet) = ([], CPUSet())
        for other in pools {
            let cpus = other.free.intersection(left).subtracting(pool)
            guard !cpus.isEmpty else { continue }
            others.names.append(other.name)
            others.cpus.formUnion(cpus)
        }
        freeElsewhere = others
        housekeeping = left.subtracting(pool).subtracting(others.cpus)
    }

    /// Those of `cpus` that are not isolated any more.
    func notIsolated(_ cpus: CPUSet) -> CPUSet { cpus.intersection(machine.present).subtracting(machine.isolated) }

    /// CPUs of several holders that share them.
    var sharedBySeveral: CPUSet {
        CPUSet(sharers.lazy.filter { $0.value.count > 1 }.map(\.key)).subtracting(contested)
    }
    /// The cores whose CPUs different holders have.
    var splitCores: [CPUSet] { machine.cores.filter { isSplit(Array($0)) } }

    /// Whether different holders have CPUs of a core.
    func isSplit(_ core: [Int]) -> Bool {
        let holders = core.map { cpu in alone[cpu].map { [$0] } ?? sharers[cpu] ?? [] }.filter { !$0.isEmpty }
        guard let first = holders.first else { return false }
        return holders.contains { $0 != first }
    }

    func use(of cpu: Int) -> Use {
        if !machine.online.contains(cpu) { return .offline }
        if contested.contains(cpu) { return .contested }
        if differing.contains(cpu) { return .differing }
        if let holder = alone[cpu] { return .held(holder) }
        if let holders = sharers[cpu] { return holders.count == 1 ? .shared(holders[0]) : .sharedBySeveral }
        if pool.contains(cpu) { return .free }
        return freeElsewhere.cpus.contains(cpu) ? .freeElsewhere : .housekeeping
    }

    private static let capitals = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    private static let small = Array("abcdefghijklmnopqrstuvwyz")

    /// The character for a use, and its colour. Beyond the letters all holders have `*`, and `~` for what they share; `x` is
    /// not among them. Small letters are for shared CPUs, and for more holders where nobody shares.
    func mark(_ use: Use) -> (Character, Paint) {
        switch use {
        case .held(let position):
            let letters = hasShared ? Self.capitals : Self.capitals + Self.small
            return (position < letters.count ? letters[position] : "*", .holder(position))
        case .shared(let position):
            guard position < Self.capitals.count, Self.capitals[position] != "X" else {
                return ("~", .holder(position))
            }
            return (Character(Self.capitals[position].lowercased()), .holder(position))
        case .sharedBySeveral: return ("&", .reserved)
        case .contested: return ("?", .warning)
        case .differing: return ("!", .warning)
        case .free: return (".", .free)
        case .freeElsewhere: return (",", .free)
        case .housekeeping: return ("-", .housekeeping)
        case .offline: return ("x", .offline)
        }
    }
}
