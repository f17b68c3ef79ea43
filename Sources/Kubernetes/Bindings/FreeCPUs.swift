import Machine

/// The CPUs of a node that a pod may have, with the figures that filter and score look at, so that neither looks at CPUs.
struct FreeCPUs: Sendable, Equatable {
    /// The CPUs.
    let cpus: CPUSet
    /// How many there are.
    let count: Int
    /// How many cores have all their CPUs free, and how many CPUs these have.
    private(set) var fullCores = 0
    private(set) var fullCoreCPUs = 0
    /// How many cores have a free CPU.
    private(set) var anyCores = 0
    /// How many sockets have all their CPUs free, and how many CPUs these have.
    private(set) var fullSockets = 0
    private(set) var fullSocketCPUs = 0
    /// How many sockets have a free CPU.
    private(set) var anySockets = 0

    init(_ cpus: CPUSet, of topology: NodeTopology) {
        self.cpus = cpus
        count = cpus.count
        for socket in topology.sockets where !socket.cpus.isDisjoint(with: cpus) {
            anySockets += 1
            if socket.cpus.isSubset(of: cpus) {
                fullSockets += 1
                fullSocketCPUs += socket.cpus.count
            }
            for core in socket.cores where !core.cpus.isDisjoint(with: cpus) {
                anyCores += 1
                guard core.cpus.isSubset(of: cpus) else { continue }
                fullCores += 1
                fullCoreCPUs += core.cpus.count
            }
        }
    }
}
