import EPAClient
import Machine
import Terminal

/// What the kernel says about the machine that the daemon serves, as far as summaries need it.
package struct ServedMachine: Sendable {
    let isolated: CPUSet
    let online: CPUSet
    let hugePages: [Int: [HugePagePool]]

    /// A machine.
    ///
    /// - Parameter hugePages: the pools of each node by its id.
    package init(isolated: CPUSet, online: CPUSet, hugePages: [Int: [HugePagePool]] = [:]) {
        self.isolated = isolated
        self.online = online
        self.hugePages = hugePages
    }

    /// What summaries need of `machine`.
    init(_ machine: Machine) {
        let pools = machine.nodes.map { ($0.id, $0.hugePages) }
        self.init(
            isolated: machine.isolated, online: machine.online,
            hugePages: Dictionary(pools) { first, _ in first })
    }

    /// Whether the daemon that sent `list` can serve this machine.
    func fits(_ list: AllocationList) -> Bool { isolated.count == list.available }
}

/// The isolated CPUs in numbers that add up: held, free, offline. Free is what could be given now.
struct PoolSummary {
    private let isolated: Int
    private let held: Int
    private let services: Int
    private let free: Int
    /// CPUs that nobody holds and that do not run.
    private let offline: CPUSet
    /// Held CPUs that are not isolated any more.
    private let outside: Int

    /// The numbers of `list`. The daemon counts offline CPUs as free: with the machine that it serves, they are counted
    /// apart.
    init(_ list: AllocationList, outsidePool: [Allocation], _ machine: ServedMachine?) {
        services = list.allocations.count
        outside = outsidePool.reduce(CPUSet()) { $0.union($1.cpus) }.count
        isolated = list.available
        guard let machine, machine.fits(list) else {
            (held, free, offline) = (list.allocated, list.remaining, CPUSet())
            return
        }
        let all = list.allocations.reduce(CPUSet()) { $0.union($1.cpus) }.intersection(machine.isolated)
        let rest = machine.isolated.subtracting(all)
        held = all.count
        free = rest.intersection(machine.online).count
        offline = rest.subtracting(machine.online)
    }

    /// A sentence for each pool that has CPUs: held, free, offline.
    static func lines(_ occupancy: Occupancy, _ holdings: Holdings, _ machine: Machine) -> [StyledText] {
        var lines: [StyledText] = []
        for pool in occupancy.pools {
            // The kernel isolates CPUs that are offline too.
            let all = pool.name == "isolated" ? pool.cpus.union(machine.isolated) : pool.cpus
            guard !all.isEmpty else { continue }
            let held = all.intersection(holdings.held)
            let claims = holdings.holders.count { !$0.cpus.isDisjoint(with: all) }
            let offline = all.subtracting(held).subtracting(machine.online)
            var text =
                "\(Quantity.count(all.count, "\(Printable.text(pool.name)) CPU")): \(held.count) held by "
                + "\(Quantity.count(claims, "claim")), \(all.count - held.count - offline.count) free"
            if !offline.isEmpty { text += ", \(offline.count) offline (\(offline.list))" }
            if pool.name == "isolated" { text += outside(holdings.notIsolated.count) }
            lines.append(StyledText(text))
        }
        return lines.isEmpty ? ["no CPU can be allocated: no pool has any"] : lines
    }

    private static func outside(_ count: Int) -> String {
        count == 0
            ? "" : "; \(Quantity.count(count, "held CPU")) \(count == 1 ? "is" : "are") not isolated any more"
    }

    /// One sentence.
    var text: StyledText {
        var text =
            isolated == 0
            ? "no isolated CPUs: no CPU can be allocated"
            : "\(Quantity.count(isolated, "isolated CPU")): \(held) held by \(Quantity.count(services, "service")), "
                + "\(free) free"
        if !offline.isEmpty { text += ", \(offline.count) offline (\(offline.list))" }
        return StyledText(text + Self.outside(outside))
    }
}
