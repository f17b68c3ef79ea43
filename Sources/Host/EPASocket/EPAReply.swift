import Host
import Ledger
import Machine
import WireJSON

/// The replies of the EPA socket: compact JSON, members in the order of the specification.
package enum EPAReply {
    /// An error.
    package static func error(_ text: String) -> [UInt8] {
        JSONWriter.object { reply in
            reply.member("version", "1.0")
            reply.member("error", text)
        }
    }

    /// The answer to `get_memory_info` (3.5). `nodes` are ascending; a node without huge page sizes hides its
    /// reservations.
    static func memory(service: String, ledger: Ledger, nodes: [PageNode]) -> [UInt8] {
        let claims = ledger.holdersWithPages.compactMap { ledger[$0] }
        return JSONWriter.object(capacity: 1024) { reply in
            reply.member("version", "1.0")
            reply.member("service_name", service)
            reply.name("numa_hugepages")
            reply.object { reply in
                for node in nodes {
                    reply.name("node\(node.id)")
                    reply.object { entry in
                        entry.name("capacity")
                        entry.array { array in
                            for pool in node.pools {
                                let reserved = ledger.reservedPages(node: node.id, sizeKB: pool.sizeKB)
                                array.object { entry in
                                    entry.member("total", pool.total)
                                    entry.member(
                                        "free",
                                        PageFigures.free(total: pool.total, free: pool.free, reserved: reserved))
                                    entry.member("size", pool.sizeKB)
                                }
                            }
                        }
                        entry.name("allocations")
                        entry.object { entry in
                            guard !node.pools.isEmpty else { return }
                            for claim in claims {
                                entry.reservations(of: claim, ledger.displayName(of: claim.holder), node: node.id)
                            }
                        }
                    }
                }
            }
        }
    }
}

extension EPAChange {
    /// The reply to a change that was carried out.
    func reply(_ outcome: Host.Outcome, extensions: EPAExtensions) -> [UInt8] {
        let (decision, statistics) = (outcome.decision, outcome.statistics)
        return JSONWriter.object { reply in
            if extensions.contains(.cpuPools), let pool = options?.pool { reply.member("pool", pool) }
            reply.member("version", "1.0")
            if extensions.contains(.nonPreemptiveAllocations), options != nil {
                reply.policy(of: outcome.claim)
            }
            switch self {
            case .allocateCores(let service, let count, _):
                reply.member("service_name", service)
                reply.member("num_of_cores", count == -1 ? 0 : count)
                reply.member("cores_allocated", decision.granted.count)
                reply.member("allocated_cores", decision.granted.list)
                reply.member("shared_cpus", decision.remainder.list)
                reply.totals(statistics)
            case .allocateCoresPercent(let service, _, _):
                reply.member("service_name", service)
                reply.member("cores_allocated_count", decision.granted.count)
                reply.member("allocated_cores", decision.granted.list)
                reply.totals(statistics)
            case .allocateNodeCores(let service, let node, let count, _):
                reply.member("service_name", service)
                reply.member("numa_node", node)
                reply.member("num_of_cores", count)
                reply.member("cores_allocated", decision.granted.list)
                reply.totals(statistics)
            case .allocatePages(let service, let count, let node, let sizeKB):
                reply.member("service_name", service)
                reply.member("hugepages_requested", count)
                reply.member("allocation_successful", true)
                reply.member("message", message(count, found: decision.found))
                reply.member("node_id", node)
                reply.member("size_kb", sizeKB)
            }
        }
    }

    private func message(_ count: Int, found: Bool) -> String {
        guard count <= 0 else { return "Successfully set allocation request to \(count) hugepages" }
        return found ? "Removed recorded hugepage allocation" : "No existing record to remove"
    }

    private var options: Options? {
        switch self {
        case .allocateCores(_, _, let options), .allocateCoresPercent(_, _, let options),
            .allocateNodeCores(_, _, _, let options):
            options
        case .allocatePages: nil
        }
    }
}

extension JSONWriter {
    mutating func totals(_ statistics: CoreStatistics) {
        member("total_available_cpus", statistics.available)
        member("remaining_available_cpus", statistics.remaining)
    }

    /// The effective preemption policy; null once the service holds no CPUs (EPA extensions, section 2).
    fileprivate mutating func policy(of claim: Claim?) {
        guard let claim, !claim.grants.isEmpty else { return member("preemption_policy", .null) }
        member("preemption_policy", claim.isProtected ? "non-preemptive" : "legacy")
    }

    fileprivate mutating func reservations(of claim: Claim, _ name: String, node: Int) {
        let reservations = claim.reservations.filter { $0.node == node }
        guard !reservations.isEmpty else { return }
        self.name(name)
        object { entry in for pages in reservations { entry.member(String(pages.sizeKB), pages.count) } }
    }
}
