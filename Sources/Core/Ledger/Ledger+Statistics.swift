import Machine

/// The figures that every core action of the EPA socket reports (EPA specification 3.4, "Statistics everywhere").
package struct CoreStatistics: Equatable, Sendable {
    /// The CPUs of the pool.
    package let available: Int
    /// Those of them that anybody holds.
    package let allocated: Int

    /// Those of them that nobody holds; never negative (section 7, item 23).
    package var remaining: Int { available - allocated }
}

extension Ledger {
    /// The figures of a pool; claims count as far as they are in it.
    package func statistics(of pool: CPUSet) -> CoreStatistics {
        CoreStatistics(available: pool.count, allocated: pool.intersection(inUse).count)
    }

    /// The claims that hold CPUs of the isolated pool which are not isolated (any more), each with those CPUs: isolcpus
    /// was changed, or lost after a reboot (section 7, item 23).
    package func outsidePool(isolated: CPUSet) -> [(claim: Claim, cpus: CPUSet)] {
        guard !exclusive.isSubset(of: isolated) else { return [] }
        return sortedClaims.compactMap { claim in
            guard claim.pool == Pool.isolated else { return nil }
            let outside = claim.cpus.subtracting(isolated)
            return outside.isEmpty ? nil : (claim, outside)
        }
    }
}
