import Machine

/// The CPUs of a node that a pod may have.
struct FreeCPUs: Sendable, Equatable {
    /// What filter and score look at, so that neither looks at CPUs.
    struct Figures: Sendable, Equatable {
        /// How many CPUs there are.
        fileprivate(set) var count = 0
        /// How many cores have all their CPUs free, and how many CPUs these have.
        fileprivate(set) var fullCores = 0
        fileprivate(set) var fullCoreCPUs = 0
        /// How many cores have a free CPU.
        fileprivate(set) var anyCores = 0
        /// How many sockets have all their CPUs free, and how many CPUs these have.
        fileprivate(set) var fullSockets = 0
        fileprivate(set) var fullSocketCPUs = 0
        /// How many sockets have a free CPU.
        fileprivate(set) var anySockets = 0
    }

    /// The CPUs.
    let cpus: CPUSet
    /// How many there are.
    let figures: Figures

    init(_ cpus: CPUSet, of topology: NodeTopology) {
        self.cpus = cpus
        var figures = Figures(count: cpus.count)
        for socket in topology.sockets where !socket.cpus.isDisjoint(with: cpus) {
            figures.anySockets += 1
            if socket.cpus.isSubset(of: cpus) {
                figures.fullSockets += 1
                figures.fullSocketCPUs += socket.cpus.count
            }
            for core in socket.cores where !core.cpus.isDisjoint(with: cpus) {
                figures.anyCores += 1
                guard core.cpus.isSubset(of: cpus) else { continue }
                figures.fullCores += 1
                figures.fullCoreCPUs += core.cpus.count
            }
        }
        self.figures = figures
    }
}
