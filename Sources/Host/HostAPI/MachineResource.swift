import Host
import Ledger
import Machine
import WireJSON

/// The machine and its pools as JSON, with figures that add up.
enum MachineResource {
    /// The machine: what there is, and the huge pages of each node.
    static func json(_ host: Host) throws(Problem) -> [UInt8] {
        let machine: Machine
        do throws(MachineError) { machine = try host.machine.machine() } catch {
            throw Problem(.machineUnreadable, error.description)
        }
        let housekeeping: CPUSet
        do throws(CPUListError) { housekeeping = try host.machine.housekeeping() } catch {
            throw Problem(.machineUnreadable, error.description)
        }
        let pages = host.machine.pageNodes(onlyFree: false)
        let ledger = host.ledger
        return JSONWriter.object(capacity: 2_048) { writer in
            writer.member("online", machine.online.list)
            writer.member("offline", machine.offline.list)
            writer.member("isolated", machine.isolated.list)
            writer.member("housekeeping", housekeeping.list)
            writer.member("cores", machine.cores.count)
            writer.member("core_cpus", machine.cores.map(\.list))
            writer.name("packages")
            writer.array { array in
                for package in machine.packages {
                    array.object { entry in
                        entry.name("id")
                        if let id = package.id { entry.integer(id) } else { entry.null() }
                        entry.member("cpus", package.cpus.list)
                    }
                }
            }
            writer.name("nodes")
            writer.array { array in
                for node in machine.nodes {
                    array.object { entry in
                        entry.member("id", node.id)
                        entry.member("cpus", node.cpus.list)
                        entry.name("memory_kb")
                        if let bytes = node.memoryBytes { entry.integer(bytes / 1_024) } else { entry.null() }
                        let pools = pages.first { $0.id == node.id }?.pools ?? []
                        write(pools, ofNode: node.id, ledger, &entry)
                    }
                }
            }
            writer.member("problems", machine.problems.map(\.description))
        }
    }

    /// The huge pages of a node; `claimed` are all that claims have.
    private static func write(
        _ pools: [HugePagePool], ofNode node: Int, _ ledger: Ledger, _ writer: inout JSONWriter
    ) {
        writer.name("huge_pages")
        writer.array { array in
            for pool in pools {
                let claimed = ledger.reservedPages(node: node, sizeKB: pool.sizeKB)
                let figures = PageFigures(pool, claimed: claimed)
                array.object { entry in
                    entry.member("size_kb", pool.sizeKB)
                    entry.member("total", figures.total)
                    entry.member("in_use", figures.inUse)
                    entry.member("kernel_reserved", figures.kernelReserved)
                    entry.member("reserved", figures.reserved)
                    entry.member("free", figures.free)
                    entry.member("claimed", claimed)
                }
            }
        }
    }

    /// The pools.
    static func pools(_ host: Host) throws(Problem) -> [UInt8] {
        let pools = try PoolFigures.all(host)
        return JSONWriter.object(capacity: 512) { writer in
            writer.name("pools")
            writer.array { array in
                for pool in pools {
                    array.object { entry in
                        entry.member("name", pool.name)
                        entry.member("cpus", pool.cpus.list)
                        entry.member("free_cpus", pool.free.list)
                        entry.member("total", pool.cpus.count)
                        entry.member("exclusive", pool.exclusive)
                        entry.member("shared", pool.shared)
                        entry.member("free", pool.free.count)
                        entry.member("claims", pool.claims)
                    }
                }
            }
        }
    }
}

/// The CPUs of a pool that can be given: those that one claim has alone, those that claims share, and the rest.
struct PoolFigures {
    let name: String
    /// Those that are online.
    let cpus: CPUSet
    let exclusive: Int
    let shared: Int
    let free: CPUSet
    /// How many claims have CPUs of it.
    let claims: Int

    /// All pools of the host.
    ///
    /// - Throws: ``Problem`` where the kernel's list cannot be understood.
    static func all(_ host: Host) throws(Problem) -> [PoolFigures] {
        let ledger = host.ledger
        var shared = CPUSet()
        var counts: [String: Int] = [:]
        for claim in ledger.sortedClaims where !claim.grants.isEmpty {
            counts[claim.pool, default: 0] += 1
            for grant in claim.grants where grant.isShared { shared.formUnion(grant.cpus) }
        }
        var pools: [PoolFigures] = []
        for name in host.machine.poolNames {
            let cpus: CPUSet
            do throws(CPUListError) { cpus = try host.machine.eligible(name, onlineOnly: true) ?? CPUSet() } catch {
                throw Problem(.machineUnreadable, error.description)
            }
            let exclusive = cpus.intersection(ledger.exclusive)
            let sharing = cpus.intersection(shared).subtracting(exclusive)
            pools.append(
                PoolFigures(
                    name: name, cpus: cpus, exclusive: exclusive.count, shared: sharing.count,
                    free: cpus.subtracting(exclusive).subtracting(sharing), claims: counts[name] ?? 0))
        }
        return pools
    }
}
