/// What a caller asks of the kernel for a claim.
package struct EnforcementRequest: Equatable, Sendable {
    /// The weakest isolation that will do; a request that cannot have it is refused.
    package var minimum: Isolation
    /// Whether the kernel balances load among the claim's CPUs. Where it does not, the holder pins its threads itself.
    package var isBalanced: Bool
    /// The process to move onto the claim's CPUs, with all its threads; nil where the holder moves itself.
    package var process: ProcessIdentity?
    /// The pod whose containers are kept on the claim's CPUs, in the cgroups that the container runtime made for them; nil
    /// where the claim is of no pod.
    package var pod: PodReference?

    /// A request; any isolation, with load balancing, unless told otherwise.
    package init(
        minimum: Isolation = .none, isBalanced: Bool = true, process: ProcessIdentity? = nil, pod: PodReference? = nil
    ) {
        self.pod = pod
        self.minimum = minimum
        self.isBalanced = isBalanced
        self.process = process
    }
}

/// How strongly the kernel keeps others off the CPUs of a claim.
package enum Isolation: String, CaseIterable, Comparable, Sendable {
    /// Not at all: the claim is only recorded.
    case none
    /// The holder's affinity masks keep it on its CPUs; others are not kept off.
    case affinity
    /// A cpuset keeps the holder on its CPUs, and cpusets that Berth may write keep others off.
    case cpuset
    /// A cpuset partition takes the CPUs away from everybody else.
    case partition

    /// From the weakest to the strongest.
    package static func < (left: Isolation, right: Isolation) -> Bool { left.rank < right.rank }

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// What the kernel is to enforce for a claim, and how far that is.
///
/// A claim is committed as preparing, with the undo of each step, before the first step is taken; it is active once the
/// kernel was read back, and releasing from the moment at which it is given up until everything is undone. A change of an
/// active claim makes it preparing again, with its predecessor; where the kernel refuses, it is that one again.
package struct Enforcement: Equatable, Sendable {
    /// How far the kernel follows the claim.
    package enum Phase: String, Sendable {
        /// Steps are being applied; the holder has no answer yet.
        case preparing
        /// The kernel does what the claim says.
        case active
        /// Steps are being undone; the CPUs are not free yet.
        case releasing
    }

    /// What was asked for.
    package var request: EnforcementRequest
    /// How far the kernel follows.
    package var phase: Phase
    /// Tells it from earlier and later ones of the same holder.
    package var id: Int
    /// How strong the isolation of the steps is.
    package var isolation: Isolation
    /// The steps that are, or may have been, applied, in order.
    package var steps: [EnforcementStep]
    /// What the steps are once the kernel follows a change of an active claim; empty where no change is under way.
    package var nextSteps: [EnforcementStep]
    /// What was last seen of the containers of the claim's pod.
    package var containers: [ContainerState] = []
    /// Why the last attempt to enforce or to undo failed, or how the kernel differs now; nil where all is well.
    package var failure: String?

    /// An enforcement in `phase`.
    package init(
        _ request: EnforcementRequest = EnforcementRequest(), phase: Phase, id: Int = 0, isolation: Isolation = .none,
        steps: [EnforcementStep] = [], nextSteps: [EnforcementStep] = [], failure: String? = nil
    ) {
        self.request = request
        self.phase = phase
        self.id = id
        self.isolation = isolation
        self.steps = steps
        self.nextSteps = nextSteps
        self.failure = failure
    }
}

/// One change to the kernel and its undo, as texts that the module which carries them out understands.
package struct EnforcementStep: Equatable, Sendable {
    /// What is to be done.
    package let action: String
    /// What takes it back.
    package let undo: String

    /// A step.
    package init(action: String, undo: String) {
        self.action = action
        self.undo = undo
    }
}
