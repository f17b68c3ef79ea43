import Machine

/// What a binding asks of the `berthd` of its node, as the holder `pod:NAMESPACE/NAME`.
package struct PodClaim: Sendable, Hashable {
    /// The pod.
    package var pod: ObjectKey
    /// Its uid.
    package var podUID: String
    /// Where it may run.
    package var cpus: CPUSet
    /// The level.
    package var level: ExclusivenessLevel
    /// The CPUs that nobody else may use because of it.
    package var exclusive: CPUSet
    /// The NUMA nodes whose memory it uses, ascending.
    package var memoryNodes: [Int]

    /// A claim.
    package init(
        pod: ObjectKey, podUID: String, cpus: CPUSet, level: ExclusivenessLevel, exclusive: CPUSet, memoryNodes: [Int]
    ) {
        self.pod = pod
        self.podUID = podUID
        self.cpus = cpus
        self.level = level
        self.exclusive = exclusive
        self.memoryNodes = memoryNodes
    }
}

/// What the `berthd` of a node says of a binding's claim.
package enum ClaimState: Sendable, Equatable {
    /// There is none.
    case none
    /// It was asked for, or is being changed or released; what was held before is still held. `problem` is what keeps the
    /// node from it, as the node says; empty where that is nothing.
    case beingMade(PodClaim, problem: String = "")
    /// It is enforced in the containers with these ids.
    case enforced(PodClaim, containers: Set<String>)
    /// It was refused; `held` is what the binding has from before. Stays until something on the node changes, so that
    /// asking again makes sense.
    case refused(PodClaim, reason: String, held: PodClaim?)
    /// The node does not answer.
    case unknown

    /// What is held for certain; nil where nothing is, or nobody knows.
    var held: PodClaim? {
        switch self {
        case .beingMade(let claim, _), .enforced(let claim, _): claim
        case .refused(_, _, let held): held
        case .none, .unknown: nil
        }
    }
}

/// What to do with the claim of a binding.
package enum ClaimAction: Sendable, Equatable {
    /// Make it.
    case make(PodClaim)
    /// Change what is claimed to this, in one step.
    case change(PodClaim)
    /// Give everything back.
    case release
}
