import KubernetesClient

/// What the agent knows of one pod of its node when it decides on the pod's claim.
///
/// There is one claim for a pod, `pod:NAMESPACE/NAME`. It follows a binding that the controller has given CPUs
/// (`status.claim`), or else a call of the gRPC service.
package struct PodSituation: Equatable, Sendable {
    /// A binding of this node that names the pod.
    package struct Binding: Equatable, Sendable {
        package var key: ObjectKey
        package var uid: String
        /// When it was created; nil where nobody knows.
        package var created: Timestamp?
        /// What the controller asks for; nil where it asks for nothing.
        package var claim: PodCPUBinding.Claim?
        /// What the node has said last.
        package var report: PodCPUBinding.NodeReport?

        package init(
            key: ObjectKey, uid: String, created: Timestamp? = nil, claim: PodCPUBinding.Claim? = nil,
            report: PodCPUBinding.NodeReport? = nil
        ) {
            self.key = key
            self.uid = uid
            self.created = created
            self.claim = claim
            self.report = report
        }
    }

    /// The pod, as the server shows it.
    package struct LivePod: Equatable, Sendable {
        package var uid: String
        /// The uid in the names of its cgroups.
        package var cgroupUID: String
        /// Whether none of its containers runs or will run again.
        package var isFinished: Bool
        /// The containers that run, of every kind, ascending.
        package var containers: [PodContainer]

        package init(uid: String, cgroupUID: String? = nil, isFinished: Bool = false, containers: [PodContainer] = []) {
            self.uid = uid
            self.cgroupUID = cgroupUID ?? uid
            self.isFinished = isFinished
            self.containers = containers
        }
    }

    /// What somebody has asked for over gRPC.
    package struct Pinning: Equatable, Sendable {
        package var podUID: String
        package var cpus: String
        package var level: PodCPUBinding.ExclusivenessLevel
        package var memoryNodes: [Int]

        package init(
            podUID: String, cpus: String, level: PodCPUBinding.ExclusivenessLevel = .none, memoryNodes: [Int] = []
        ) {
            self.podUID = podUID
            self.cpus = cpus
            self.level = level
            self.memoryNodes = memoryNodes
        }
    }

    /// What is known of calls over gRPC for the pod.
    package enum PinningState: Equatable, Sendable {
        /// Nothing since the agent has started: a claim that says that it was made so counts.
        case unknown
        /// This is wanted.
        case wanted(Pinning)
        /// It was removed.
        case removed
    }

    /// An answer of the host to a wish.
    package struct Refusal: Equatable, Sendable {
        package var wish: ClaimWish
        package var reason: String

        package init(_ wish: ClaimWish, reason: String) {
            self.wish = wish
            self.reason = reason
        }
    }

    /// The bindings of this node that name the pod.
    package var bindings: [Binding]
    /// The pod; nil where the node has none of the name.
    package var pod: LivePod?
    package var pinning: PinningState
    /// The claim that the host has; nil where it has none.
    package var held: HeldClaim?
    /// What the host has refused last.
    package var refusal: Refusal?

    package init(
        bindings: [Binding] = [], pod: LivePod? = nil, pinning: PinningState = .unknown, held: HeldClaim? = nil,
        refusal: Refusal? = nil
    ) {
        self.bindings = bindings
        self.pod = pod
        self.pinning = pinning
        self.held = held
        self.refusal = refusal
    }
}

/// A container that runs.
package struct PodContainer: Hashable, Comparable, Sendable {
    package var name: String
    /// As in the pod's status: `containerd://0123…`.
    package var id: String

    package init(name: String, id: String) {
        self.name = name
        self.id = id
    }

    package static func < (one: PodContainer, other: PodContainer) -> Bool {
        (one.name, one.id) < (other.name, other.id)
    }
}

/// What the claim of a pod is to be.
package struct ClaimWish: Hashable, Sendable {
    /// The uid in the names of the pod's cgroups.
    package var cgroupUID: String
    /// The CPUs, as a list.
    package var cpus: String
    package var level: PodCPUBinding.ExclusivenessLevel
    package var memoryNodes: [Int]
    /// The containers that run, ascending.
    package var containers: [PodContainer]
    /// Whether it was asked for over gRPC.
    package var isPinning: Bool

    package init(
        cgroupUID: String, cpus: String, level: PodCPUBinding.ExclusivenessLevel, memoryNodes: [Int] = [],
        containers: [PodContainer] = [], isPinning: Bool = false
    ) {
        self.cgroupUID = cgroupUID
        self.cpus = cpus
        self.level = level
        self.memoryNodes = memoryNodes
        self.containers = containers
        self.isPinning = isPinning
    }
}

/// The claim of a pod as the host has it.
package struct HeldClaim: Equatable, Sendable {
    /// A container that the claim names.
    package struct Container: Equatable, Sendable {
        package var name: String
        package var id: String
        /// Whether its cgroup has the CPUs of the claim.
        package var isConfined: Bool

        package init(name: String, id: String, isConfined: Bool = true) {
            self.name = name
            self.id = id
            self.isConfined = isConfined
        }
    }

    /// The uid in the names of the pod's cgroups; nil for a claim that names no pod.
    package var cgroupUID: String?
    /// The CPUs, as a list.
    package var cpus: String
    /// The CPUs that nobody else may use, as a list.
    package var exclusive: String
    /// The level; nil where its grants have several.
    package var level: PodCPUBinding.ExclusivenessLevel?
    package var memoryNodes: [Int]
    package var containers: [Container]
    /// Whether it was asked for over gRPC.
    package var isPinning: Bool
    /// Whether the kernel is not being changed for it at the moment.
    package var isActive: Bool
    /// How the kernel differs from it; nil where it does not.
    package var failure: String?

    package init(
        cgroupUID: String?, cpus: String, exclusive: String = "", level: PodCPUBinding.ExclusivenessLevel?,
        memoryNodes: [Int] = [], containers: [Container] = [], isPinning: Bool = false, isActive: Bool = true,
        failure: String? = nil
    ) {
        self.cgroupUID = cgroupUID
        self.cpus = cpus
        self.exclusive = exclusive
        self.level = level
        self.memoryNodes = memoryNodes
        self.containers = containers
        self.isPinning = isPinning
        self.isActive = isActive
        self.failure = failure
    }

    /// Whether it is what was wished for. Which CPUs are exclusive follows from that and the machine.
    package func meets(_ wish: ClaimWish) -> Bool {
        cgroupUID == wish.cgroupUID && CPUNumbers.areSame(cpus, wish.cpus) && level == wish.level
            && memoryNodes.sorted() == wish.memoryNodes.sorted() && isPinning == wish.isPinning
            && containers.map { PodContainer(name: $0.name, id: $0.id) }.sorted() == wish.containers
    }

    /// The ids of the containers that are confined, ascending.
    package var confined: [String] { containers.filter(\.isConfined).map(\.id).sorted() }
}
