import EPAClient
import Machine
import Terminal

/// What each CPU of a machine is used for, and the marks for it.
struct Holdings {
    /// What a CPU is used for.
    enum Use: Equatable {
        /// Held by the holder of this position.
        case held(Int)
        /// Held by several holders at once, which is an error.
        case contested
        /// Isolated, and not held.
        case free
        /// Not isolated.
        case housekeeping
        /// Offline, held or not.
        case offline
    }

    /// The holders, in the order of their marks; empty without a daemon.
    let allocations: [Allocation]
    private let machine: Machine
    private var holders: [Int: Int] = [:]
    /// CPUs with several holders.
    private(set) var contested = CPUSet()
    /// CPUs with a holder.
    private(set) var held = CPUSet()

    /// What `list` and the claims outside the pool say about the CPUs of `machine`.
    init(_ machine: Machine, _ list: AllocationList?, outsidePool: [Allocation]) {
        self.machine = machine
        var allocations = list?.allocations ?? []
        for claim in outsidePool {
            let position = allocations.firstIndex { $0.service.utf8.elementsEqual(claim.service.utf8) }
            guard let position else {
                allocations.append(claim)
                continue
            }
            let known = allocations[position]
            allocations[position] = Allocation(
                service: known.service, cpus: known.cpus.union(claim.cpus),
                isExplicit: known.isExplicit || claim.isExplicit)
        }
        self.allocations = allocations
        for (position, allocation) in allocations.enumerated() {
            contested.formUnion(allocation.cpus.intersection(held))
            held.formUnion(allocation.cpus)
            for cpu in allocation.cpus { holders[cpu] = position }
        }
    }

    /// Isolated CPUs that run and that nobody holds.
    var free: CPUSet { machine.isolated.intersection(machine.online).subtracting(held) }
    /// Those of the held `cpus` that are not isolated any more.
    func notIsolated(_ cpus: CPUSet) -> CPUSet { cpus.intersection(machine.present).subtracting(machine.isolated) }
    /// CPUs that run and are neither isolated nor held.
    var housekeeping: CPUSet { machine.online.subtracting(machine.isolated).subtracting(held) }

    func use(of cpu: Int) -> Use {
        if !machine.online.contains(cpu) { return .offline }
        if contested.contains(cpu) { return .contested }
        if let holder = holders[cpu] { return .held(holder) }
        return machine.isolated.contains(cpu) ? .free : .housekeeping
    }

    private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwyz")

    /// The character for a use, and its colour. Beyond the letters all holders have `*`; `x` is not among them.
    static func mark(_ use: Use) -> (Character, Paint) {
        switch use {
        case .held(let position):
            (position < letters.count ? letters[position] : "*", .holder(position))
        case .contested: ("!", .warning)
        case .free: (".", .free)
        case .housekeeping: ("-", .housekeeping)
        case .offline: ("x", .offline)
        }
    }
}
