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
        /// Its CPUs, one part for each protection.
        package private(set) var parts: [Part] = []
        /// Its huge pages.
        package fileprivate(set) var pages: [Pages]

        /// A holder.
        package init(name: String, isOfIsolated: Bool, parts: [Part], pages: [Pages]) {
            self.name = name
            self.isOfIsolated = isOfIsolated
            self.pages = pages
            for part in parts { add(part) }
        }

        /// Adds CPUs to those of the same protection.
        fileprivate mutating func add(_ part: Part) {
            guard !part.cpus.isEmpty else { return }
            if let index = parts.firstIndex(where: { $0.protection == part.protection }) {
                parts[index] = Part(part.protection, parts[index].cpus.union(part.cpus))
            } else {
                parts.append(part)
            }
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
        var holders: [Holder] = []
        var positions: [String: Int] = [:]
        func position(of name: String) -> Int {
            if let known = positions[name] { return known }
            positions[name] = holders.count
            holders.append(Holder(name: name, isOfIsolated: true, parts: [], pages: []))
            return holders.count - 1
        }
        for allocation in list.allocations + outsidePool {
            let position = position(of: allocation.service)
            let cpus = allocation.cpus.subtracting(holders[position].cpus)
            holders[position].add(Part(allocation.isExplicit ? .explicit : .automatic, cpus))
        }
        for node in memory.nodes {
            for reservation in node.reservations {
                let position = position(of: reservation.service)
                holders[position].pages.append(
                    Pages(count: reservation.count, sizeKB: reservation.sizeKB, node: node.id))
            }
        }
        self.holders = holders
        self.memory = memory
        self.list = (list, outsidePool)
        (pools, differences, served) = ([], [], .isolatedCount(list.available))
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
