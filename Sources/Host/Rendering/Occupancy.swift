import EPAClient
import Machine

/// Who has what of a machine, whatever the daemon said it in.
package struct Occupancy: Sendable {
    /// How far the CPUs of a holder are its own.
    package enum Protection: String, Sendable {
        /// Nobody may take them.
        case explicit
        /// A request for explicit CPUs may take them.
        case automatic
        /// They are of a holder that is no service, and nobody may take them.
        case exclusive
        /// They stay idle, because a core is the holder's that uses only some of its CPUs.
        case idle
        /// Others may have them too.
        case shared
    }

    /// CPUs of one protection.
    package struct Part: Sendable {
        /// The protection.
        package let protection: Protection
        /// The CPUs.
        package let cpus: CPUSet

        /// CPUs of one protection.
        package init(_ protection: Protection, _ cpus: CPUSet) {
            self.protection = protection
            self.cpus = cpus
        }
    }

    /// Huge pages of one size on one node.
    package struct Pages: Sendable {
        /// How many.
        package let count: Int
        /// The size of a page in kB.
        package let sizeKB: Int
        /// The node.
        package let node: Int

        /// Pages.
        package init(count: Int, sizeKB: Int, node: Int) {
            self.count = count
            self.sizeKB = sizeKB
            self.node = node
        }
    }

    /// A holder and all that it has.
    package struct Holder: Sendable {
        /// The name: any text, to be escaped before a person sees it.
        package let name: String
        /// Whether its CPUs come from the isolated ones.
        package let isOfIsolated: Bool
        /// Its CPUs.
        package let parts: [Part]
        /// Its huge pages.
        package let pages: [Pages]

        /// A holder.
        package init(name: String, isOfIsolated: Bool, parts: [Part], pages: [Pages]) {
            self.name = name
            self.isOfIsolated = isOfIsolated
            self.parts = parts.filter { !$0.cpus.isEmpty }
            self.pages = pages
        }

        /// All its CPUs.
        var cpus: CPUSet { parts.reduce(CPUSet()) { $0.union($1.cpus) } }

        /// Those that came from the pool. CPUs that only stay idle may be in no pool.
        var poolCPUs: CPUSet { parts.reduce(CPUSet()) { $1.protection == .idle ? $0 : $0.union($1.cpus) } }
    }

    /// A pool of CPUs that can be given.
    package struct Pool: Sendable {
        /// Its name.
        package let name: String
        /// Its CPUs that are online.
        package let cpus: CPUSet
        /// Those that nobody has.
        package let free: CPUSet

        /// A pool.
        package init(name: String, cpus: CPUSet, free: CPUSet) {
            self.name = name
            self.cpus = cpus
            self.free = free
        }
    }

    /// A difference between the claims and what the kernel does.
    package struct Difference: Sendable {
        /// One sentence, to be escaped before a person sees it.
        package let text: String
        /// The CPUs that it is about.
        package let cpus: CPUSet

        /// A difference.
        package init(text: String, cpus: CPUSet) {
            self.text = text
            self.cpus = cpus
        }
    }

    /// What the daemon says of the machine that it serves.
    package enum Served: Sendable {
        /// How many isolated CPUs it has.
        case isolatedCount(Int)
        /// Its CPUs.
        case cpus(isolated: CPUSet, present: CPUSet)
    }

    /// The holders.
    package let holders: [Holder]
    /// The pools; empty where the daemon does not tell.
    package let pools: [Pool]
    /// What differs from the claims.
    package let differences: [Difference]
    /// The reservations of huge pages.
    package let memory: MemoryInfo
    /// The sentences about the pools, where the daemon tells no more than the EPA protocol has.
    let list: (list: AllocationList, outsidePool: [Allocation])?
    private let served: Served

    /// What the HTTP API of a daemon says.
    package init(
        holders: [Holder], pools: [Pool], differences: [Difference], memory: MemoryInfo, served: Served
    ) {
        self.holders = holders
        self.pools = pools
        self.differences = differences
        self.memory = memory
        self.served = served
        list = nil
    }

    /// What the EPA socket of a daemon says.
    ///
    /// - Parameter outsidePool: claims to CPUs that are not isolated any more; claims of one service are one.
    package init(_ list: AllocationList, _ memory: MemoryInfo, outsidePool: [Allocation]) {
        var names: [String] = []
        var parts: [String: [Part]] = [:]
        for allocation in list.allocations + outsidePool {
            if parts[allocation.service] == nil { names.append(allocation.service) }
            let protection: Protection = allocation.isExplicit ? .explicit : .automatic
            let known = (parts[allocation.service] ?? []).reduce(CPUSet()) { $0.union($1.cpus) }
            parts[allocation.service, default: []].append(Part(protection, allocation.cpus.subtracting(known)))
        }
        var pages: [String: [Pages]] = [:]
        for node in memory.nodes {
            for reservation in node.reservations {
                if parts[reservation.service] == nil, pages[reservation.service] == nil {
                    names.append(reservation.service)
                }
                pages[reservation.service, default: []].append(
                    Pages(count: reservation.count, sizeKB: reservation.sizeKB, node: node.id))
            }
        }
        holders = names.map { name in
            Holder(
                name: name, isOfIsolated: true, parts: Self.joined(parts[name] ?? []), pages: pages[name] ?? [])
        }
        self.memory = memory
        self.list = (list, outsidePool)
        (pools, differences, served) = ([], [], .isolatedCount(list.available))
    }

    /// The parts with those of one protection joined.
    package static func joined(_ parts: [Part]) -> [Part] {
        var result: [Part] = []
        for part in parts {
            if let index = result.firstIndex(where: { $0.protection == part.protection }) {
                result[index] = Part(part.protection, result[index].cpus.union(part.cpus))
            } else {
                result.append(part)
            }
        }
        return result
    }

    /// Why the daemon cannot serve this machine; nil where it may.
    func doubt(of machine: Machine) -> String? {
        switch served {
        case .isolatedCount(let count):
            guard count != machine.isolated.count else { return nil }
            return
                "the daemon counts \(Quantity.count(count, "isolated CPU")), this machine has \(machine.isolated.count)"
        case .cpus(let isolated, let present):
            guard isolated != machine.isolated || present != machine.present else { return nil }
            return
                "the daemon's machine has \(Quantity.count(present.count, "CPU")) (\(isolated.count) isolated), this one has "
                + "\(machine.present.count) (\(machine.isolated.count) isolated)"
        }
    }
}
