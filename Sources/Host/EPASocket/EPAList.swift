import Ledger
import Machine
import WireJSON

/// What a reply to `list_allocations` depends on besides the ledger (EPA specification 3.4; EPA extensions, section 1).
struct EPAList: Equatable {
    /// The pool that is listed.
    let pool: String
    /// Its CPUs, offline ones included.
    let configured: CPUSet
    /// Those that may be given now.
    let eligible: CPUSet
    let extensions: EPAExtensions

    /// The reply; all zero where nothing is isolated and pools are turned off.
    func reply(_ ledger: Ledger) -> [UInt8] {
        let hasPools = extensions.contains(.cpuPools)
        // CPUs that have left a pool stay listed (EPA extensions, section 2); without pools an empty one lists nothing.
        let claims =
            eligible.isEmpty && !hasPools
            ? [] : ledger.sortedClaims.filter { !$0.exclusive.isEmpty && (!hasPools || $0.pool == pool) }
        let statistics = ledger.statistics(of: eligible)
        return JSONWriter.object(capacity: 160 + 120 * claims.count) { reply in
            if !extensions.isEmpty {
                reply.member(
                    "supported_cpu_features",
                    EPAExtensions.names.filter { extensions.contains($0.extension) }.map(\.name))
            }
            if hasPools { reply.member("pool", pool) }
            reply.member("version", "1.0")
            reply.member("total_allocations", claims.count)
            reply.member("total_allocated_cpus", statistics.allocated)
            reply.totals(statistics)
            reply.name("allocations")
            reply.array { array in
                for claim in claims { array.object { write(claim, ledger, to: &$0) } }
            }
            if hasPools {
                reply.name("cpu_pool")
                reply.object { writePool(ledger, to: &$0) }
            }
        }
    }

    private func write(_ claim: Claim, _ ledger: Ledger, to entry: inout JSONWriter) {
        if extensions.contains(.cpuPools) { entry.member("pool", claim.pool) }
        if extensions.contains(.nonPreemptiveAllocations) {
            entry.member("preemption_policy", claim.isProtected ? "non-preemptive" : "legacy")
        }
        let cpus = claim.exclusive
        entry.member("service_name", ledger.displayName(of: claim.holder))
        entry.member("allocated_cores", cpus.list)
        entry.member("cores_count", cpus.count)
        entry.member("is_explicit", claim.holder.kind != .service || claim.hasExplicitGrant)
    }

    private func writePool(_ ledger: Ledger, to writer: inout JSONWriter) {
        let owned = ledger.sortedClaims.reduce(into: CPUSet()) { if $1.pool == pool { $0.formUnion($1.cpus) } }
        writer.member("source", pool == Pool.isolated ? "isolated" : "configured")
        writer.member("configured_cpus", configured.list)
        writer.member("eligible_cpus", eligible.list)
        writer.member("unavailable_allocated_cpus", owned.subtracting(eligible).list)
    }
}
