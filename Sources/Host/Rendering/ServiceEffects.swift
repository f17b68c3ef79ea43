import EPAClient
import Machine
import Terminal

/// What a change of a service did besides, from what everybody held before and after it: the EPA protocol's replies do not
/// tell.
package struct ServiceEffects {
    /// Who lost CPUs to the service.
    package let taken: [Allocation]
    /// What the service held and does not hold any more.
    package let released: CPUSet
    /// What it still holds of explicit CPUs that are automatic now.
    package let automatic: CPUSet
    private let lostExplicit: Bool

    /// The difference between two lists.
    package init(of service: String, before: [Allocation], after: [Allocation]) {
        func cpus(_ list: [Allocation]) -> CPUSet { list.reduce(CPUSet()) { $0.union($1.cpus) } }
        func isOwn(_ allocation: Allocation) -> Bool { allocation.service.utf8.elementsEqual(service.utf8) }
        let (own, now) = (before.filter(isOwn), after.filter(isOwn))
        let held = cpus(now)
        released = cpus(own).subtracting(held)
        lostExplicit = own.contains(where: \.isExplicit) && !now.isEmpty && !now.contains(where: \.isExplicit)
        automatic = lostExplicit ? cpus(own.filter(\.isExplicit)).intersection(held) : CPUSet()
        taken = before.filter { !isOwn($0) }.compactMap { other in
            let lost = other.cpus.intersection(held)
            return lost.isEmpty ? nil : Allocation(service: other.service, cpus: lost, isExplicit: other.isExplicit)
        }
    }

    /// A line for each effect.
    package var lines: [String] {
        var lines = taken.map { "  took \(Quantity.cpus($0.cpus)) from \(Printable.name($0.service))" }
        if !released.isEmpty { lines.append("  gave back \(Quantity.cpus(released))") }
        if !automatic.isEmpty {
            lines.append(
                "  explicit before, automatic now: \(Quantity.cpus(automatic)); explicit requests may take them")
        } else if lostExplicit {
            lines.append("  it has no explicit CPUs any more")
        }
        return lines
    }
}
