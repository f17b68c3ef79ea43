import EPAClient
import Machine
import Terminal

/// What stands in the way of a service's request for CPUs.
package struct ServiceShortage {
    private let service: String
    private let list: AllocationList
    private let free: CPUSet?

    /// - Parameter free: the CPUs that nobody has; nil where they are not known.
    package init(of service: String, _ list: AllocationList, free: CPUSet?) {
        self.service = service
        self.list = list
        self.free = free
    }

    /// Without an API: the isolated CPUs that are online and in no allocation.
    ///
    /// - Parameter machine: the machine that the daemon serves; nil where it is not known.
    package init(of service: String, _ list: AllocationList, _ machine: ServedMachine?) {
        let held = list.allocations.reduce(CPUSet()) { $0.union($1.cpus) }
        let served = machine.flatMap { $0.fits(list) ? $0 : nil }
        self.init(of: service, list, free: served.map { $0.isolated.intersection($0.online).subtracting(held) })
    }

    /// What is free, what the service has already, who has the rest; empty where nothing can be given to anybody.
    package var lines: [String] {
        // That there is nothing to give is all there is to say.
        guard list.available > 0 else { return [] }
        var lines = ["  \(free?.count ?? list.remaining) of \(Quantity.count(list.available, "isolated CPU")) free"]
        if let free, !free.isEmpty { lines[0] += ": \(free.list)" }
        let isOwn = { (allocation: Allocation) in allocation.service.utf8.elementsEqual(service.utf8) }
        for allocation in list.allocations.filter(isOwn) + list.allocations.filter({ !isOwn($0) }) {
            lines.append(
                "  \(Printable.name(allocation.service)) has \(isOwn(allocation) ? "already " : "")"
                    + "\(Quantity.cpus(allocation.cpus)) (\(Tables.protection(allocation)))")
        }
        return lines
    }
}

/// What stands in the way of a request for huge pages.
package struct PageShortage {
    /// The pool in figures that add up, then who reserved how much of it; empty where there is no such pool.
    package let lines: [String]

    /// - Parameter machine: the machine that the daemon serves; nil where it is not known.
    package init(_ memory: MemoryInfo, node: Int, sizeKB: Int, _ machine: ServedMachine?) {
        let pools = PagePool.pools(machine?.hugePages ?? [:], memory)
        guard let pool = pools.first(where: { $0.node == node && $0.sizeKB == sizeKB }) else {
            lines = []
            return
        }
        let reservations = memory.nodes.first { $0.id == node }?.reservations.filter { $0.sizeKB == sizeKB } ?? []
        lines =
            ["  \(pool.counts)"]
            + reservations.map { "  \(Printable.name($0.service)) has reserved \($0.count)" }
    }
}
