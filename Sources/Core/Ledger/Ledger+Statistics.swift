import Machine

/// The figures that every core action of the EPA socket reports (EPA specification 3.4, "Statistics everywhere").
package struct CoreStatistics: Equatable, Sendable {
    /// The isolated CPUs.
    package let available: Int
    /// Those of them that anybody holds.
    package let allocated: Int

    /// Those of them that nobody holds; never negative (section 7, item 23).
    package var remaining: Int { available - allocated }
}

extension Ledger {
    /// The figures of the pool; claims count as far as they are isolated.
    package func statistics(isolated: CPUSet) -> CoreStatistics {
        CoreStatistics(available: isolated.count, allocated: isolated.intersection(withdrawn).count)
    }

    /// CPUs that are held although they are not isolated (any more): drift to tell an operator of.
    package func drift(isolated: CPUSet) -> CPUSet { withdrawn.subtracting(isolated) }
}
