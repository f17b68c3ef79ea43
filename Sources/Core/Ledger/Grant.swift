import Machine

/// One set of CPUs in a claim, for one container or purpose.
package struct Grant: Equatable, Sendable {
    /// Where the holder may run.
    package var cpus: CPUSet
    /// The CPUs that nobody else may use because of it: empty where the holder shares, a superset of `cpus` where
    /// siblings stay idle.
    package var exclusive: CPUSet
    /// How far its exclusiveness reaches around each CPU.
    package var level: Exclusiveness
    /// Whether the holder asked for CPUs of one NUMA node, which EPA's rules then never take.
    package var isExplicit: Bool
    /// Whether it is protected from preemption although it is not explicit (EPA extensions, section 2).
    package var isProtected: Bool
    /// The container or purpose that it is for; empty where the claim has only one.
    package var label: String

    /// A grant; dedicated CPUs (`exclusive` the same as `cpus`) unless told otherwise.
    package init(
        cpus: CPUSet, exclusive: CPUSet? = nil, level: Exclusiveness = .cpu, isExplicit: Bool = false,
        isProtected: Bool = false, label: String = ""
    ) {
        self.cpus = cpus
        self.exclusive = exclusive ?? cpus
        self.level = level
        self.isExplicit = isExplicit
        self.isProtected = isProtected
        self.label = label
    }

    /// All its CPUs.
    package var allCPUs: CPUSet { exclusive.union(cpus) }

    /// Whether others may run on its CPUs.
    package var isShared: Bool { exclusive.isEmpty }

    /// Whether both differ in nothing but their CPUs.
    func isAlike(_ other: Grant) -> Bool {
        level == other.level && isExplicit == other.isExplicit && isProtected == other.isProtected
            && label == other.label && isShared == other.isShared
    }

    /// Takes `taken` out of both sets.
    mutating func remove(_ taken: CPUSet) {
        cpus.subtract(taken)
        exclusive.subtract(taken)
    }
}

/// How far exclusiveness reaches around each CPU (Kubernetes specification 1.4, `exclusivenessLevel`).
package enum Exclusiveness: String, Sendable {
    /// Not at all: the CPUs are shared.
    case none
    /// The CPU itself.
    case cpu
    /// Its whole core.
    case core
    /// Its whole package.
    case socket
    /// Its whole NUMA node.
    case numa
}
