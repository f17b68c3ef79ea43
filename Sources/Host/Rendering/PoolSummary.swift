import EPAClient
import Machine
import Terminal

/// The isolated CPUs of the machine that the daemon serves, and the CPUs that run.
package struct IsolatedCPUs: Sendable {
    let isolated: CPUSet
    let online: CPUSet

    /// The isolated CPUs of a machine.
    package init(isolated: CPUSet, online: CPUSet) {
        self.isolated = isolated
        self.online = online
    }
}

/// The isolated CPUs in numbers that add up: held, free, offline. Free is what could be given now.
struct PoolSummary {
    private let isolated: Int
    private let held: Int
    private let services: Int
    private let free: Int
    /// CPUs that nobody holds and that do not run.
    private let offline: CPUSet
    /// Held CPUs that are not isolated any more.
    private let outside: Int

    /// The numbers of `list`. The daemon counts offline CPUs as free: with `cpus`, the CPUs of the machine that it serves,
    /// they are counted apart.
    init(_ list: AllocationList, outsidePool: [Allocation], _ cpus: IsolatedCPUs?) {
        services = list.allocations.count
        outside = outsidePool.reduce(CPUSet()) { $0.union($1.cpus) }.count
        isolated = list.available
        guard let cpus, cpus.isolated.count == list.available else {
            (held, free, offline) = (list.allocated, list.remaining, CPUSet())
            return
        }
        let all = list.allocations.reduce(CPUSet()) { $0.union($1.cpus) }.intersection(cpus.isolated)
        let rest = cpus.isolated.subtracting(all)
        held = all.count
        free = rest.intersection(cpus.online).count
        offline = rest.subtracting(cpus.online)
    }

    /// One sentence.
    var text: StyledText {
        var text =
            isolated == 0
            ? "no isolated CPUs: no CPU can be allocated"
            : "\(Quantity.count(isolated, "isolated CPU")): \(held) held by \(Quantity.count(services, "service")), "
                + "\(free) free"
        if !offline.isEmpty { text += ", \(offline.count) offline (\(offline.list))" }
        if outside > 0 {
            text += "; \(Quantity.count(outside, "held CPU")) \(outside == 1 ? "is" : "are") not isolated any more"
        }
        return StyledText(text)
    }
}
