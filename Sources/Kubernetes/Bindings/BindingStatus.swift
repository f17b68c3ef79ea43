/// The status of a PodCPUBinding.
package struct BindingStatus: Sendable, Equatable {
    /// `status.resourceStatus`, as the kind's definition lists the values.
    package enum ResourceStatus: String, Sendable, Hashable, CaseIterable {
        case applied = "Applied"
        case pending = "Pending"
        case podNotFound = "PodNotFound"
        case invalidCPUSet = "InvalidCPUSet"
        case failed = "Failed"
        case allocationFailed = "CPUSetAllocationFailed"
        case validated = "Validated"

        /// Whether a binding with it holds its CPUs.
        package var holds: Bool { self == .applied || self == .validated }
    }

    /// Why a binding has the status, for its condition.
    package enum Reason: String, Sendable, Hashable, CaseIterable {
        case podNotFound = "PodNotFound"
        case podFinished = "PodFinished"
        case podNotScheduled = "PodNotScheduled"
        case podTerminating = "PodTerminating"
        case nodeTopologyNotFound = "NodeTopologyNotFound"
        case nodeNotAnswering = "NodeNotAnswering"
        case invalidCPUSet = "InvalidCPUSet"
        case podHasBinding = "PodHasBinding"
        case cpusAllocated = "CPUsAllocated"
        case cpusReserved = "CPUsReserved"
        case noSharedCPUs = "NoSharedCPUs"
        case earlierBinding = "EarlierBinding"
        case releasing = "Releasing"
        case released = "Released"
        case claiming = "Claiming"
        case moving = "Moving"
        case containersStarting = "ContainersStarting"
        case repinning = "Repinning"
        case refused = "Refused"
        case applied = "Applied"
    }

    /// The status proper.
    package var resourceStatus: ResourceStatus
    /// The node whose CPUs the binding holds; empty where it holds none.
    package var nodeName: String
    /// Why.
    package var reason: Reason
    /// Why, for people.
    package var message: String
    /// The generation of the spec that this is about; nil in a status that actimanager wrote.
    package var observedGeneration: Int?
    /// The uid of the pod that the binding is for, once it was validated.
    package var podUID: String?
    /// What it holds: what is asked for, and until a move is done also what was held before.
    package var holds: [Hold]
    /// The ids of the pinned containers, ascending.
    package var containers: [String]

    /// A status.
    package init(
        _ resourceStatus: ResourceStatus, nodeName: String = "", reason: Reason, message: String,
        observedGeneration: Int? = nil, podUID: String? = nil, holds: [Hold] = [], containers: [String] = []
    ) {
        self.resourceStatus = resourceStatus
        self.nodeName = nodeName
        self.reason = reason
        self.message = message
        self.observedGeneration = observedGeneration
        self.podUID = podUID
        self.holds = holds
        self.containers = containers
    }
}
