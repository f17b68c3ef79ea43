import Ledger
import Machine
import WireJSON

/// The replies of the EPA socket: compact JSON, members in the order of the specification.
package enum EPAReply {
    /// An error.
    package static func error(_ text: String) -> [UInt8] {
        reply { $0.member("error", text) }
    }

    /// The answer to `allocate_cores` (3.1); `count` is 0 for a release.
    static func cores(service: String, count: Int, decision: Decision, statistics: CoreStatistics) -> [UInt8] {
        reply { reply in
            reply.member("service_name", service)
            reply.member("num_of_cores", count)
            reply.member("cores_allocated", decision.granted.count)
            reply.member("allocated_cores", decision.granted.list)
            reply.member("shared_cpus", decision.remainder.list)
            reply.totals(statistics)
        }
    }

    /// The answer to `allocate_cores_percent` (3.2).
    static func coresPercent(service: String, decision: Decision, statistics: CoreStatistics) -> [UInt8] {
        reply { reply in
            reply.member("service_name", service)
            reply.member("cores_allocated_count", decision.granted.count)
            reply.member("allocated_cores", decision.granted.list)
            reply.totals(statistics)
        }
    }

    /// The answer to `allocate_numa_cores` (3.3).
    static func nodeCores(
        service: String, node: Int, count: Int, decision: Decision, statistics: CoreStatistics
    ) -> [UInt8] {
        reply { reply in
            reply.member("service_name", service)
            reply.member("numa_node", node)
            reply.member("num_of_cores", count)
            reply.member("cores_allocated", decision.granted.list)
            reply.totals(statistics)
        }
    }

    /// The answer to `list_allocations` (3.4): all zero where nothing is isolated.
    static func list(_ ledger: Ledger, isolated: CPUSet) -> [UInt8] {
        let claims = isolated.isEmpty ? [] : ledger.sortedClaims.filter { !$0.withdrawn.isEmpty }
        let statistics = ledger.statistics(isolated: isolated)
        return reply(capacity: 160 + 120 * claims.count) { reply in
            reply.member("total_allocations", claims.count)
            reply.member("total_allocated_cpus", statistics.allocated)
            reply.totals(statistics)
            reply.name("allocations")
            reply.array { array in
                for claim in claims {
                    let cpus = claim.withdrawn
                    array.object { entry in
                        entry.member("service_name", claim.holder.displayName)
                        entry.member("allocated_cores", cpus.list)
                        entry.member("cores_count", cpus.count)
                        entry.member("is_explicit", claim.holder.kind != .service || claim.hasExplicitPart)
                    }
                }
            }
        }
    }

    /// The answer to `get_memory_info` (3.5). `nodes` are ascending; a node without huge page sizes hides its bookings.
    static func memory(service: String, ledger: Ledger, nodes: [(id: Int, pools: [HugePagePool])]) -> [UInt8] {
        let claims = ledger.holdersWithPages.compactMap { ledger[$0] }
        return reply(capacity: 1024) { reply in
            reply.member("service_name", service)
            reply.name("numa_hugepages")
            reply.object { reply in
                for node in nodes {
                    reply.name("node\(node.id)")
                    reply.object { entry in
                        entry.name("capacity")
                        entry.array { array in
                            for pool in node.pools {
                                let booked = ledger.bookedPages(node: node.id, sizeKB: pool.sizeKB)
                                array.object { entry in
                                    entry.member("total", pool.total)
                                    entry.member(
                                        "free", PageCapacity.free(total: pool.total, free: pool.free, booked: booked))
                                    entry.member("size", pool.sizeKB)
                                }
                            }
                        }
                        entry.name("allocations")
                        entry.object { entry in
                            guard !node.pools.isEmpty else { return }
                            for claim in claims { entry.bookings(of: claim, node: node.id) }
                        }
                    }
                }
            }
        }
    }

    /// The answer to `allocate_hugepages` (3.6).
    static func pages(service: String, count: Int, message: String, node: Int, sizeKB: Int) -> [UInt8] {
        reply { reply in
            reply.member("service_name", service)
            reply.member("hugepages_requested", count)
            reply.member("allocation_successful", true)
            reply.member("message", message)
            reply.member("node_id", node)
            reply.member("size_kb", sizeKB)
        }
    }

    private static func reply(capacity: Int = 256, _ body: (inout JSONWriter) -> Void) -> [UInt8] {
        JSONWriter.object(capacity: capacity) { reply in
            reply.member("version", "1.0")
            body(&reply)
        }
    }
}

extension JSONWriter {
    fileprivate mutating func totals(_ statistics: CoreStatistics) {
        member("total_available_cpus", statistics.available)
        member("remaining_available_cpus", statistics.remaining)
    }

    fileprivate mutating func bookings(of claim: Claim, node: Int) {
        let bookings = claim.pages.filter { $0.node == node }
        guard !bookings.isEmpty else { return }
        name(claim.holder.displayName)
        object { entry in for booking in bookings { entry.member(String(booking.sizeKB), booking.count) } }
    }
}
