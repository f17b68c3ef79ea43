import Machine

/// A PodCPUBinding.
package struct Binding: Sendable, Equatable {
    /// The finalizer that keeps a binding until its CPUs are given back.
    package static let finalizer = "cslab.ece.ntua.gr/pod-cpu-binding-finalizer"

    /// Its namespace and name.
    package var key: ObjectKey
    /// Its uid.
    package var uid: String
    /// When it was created, in seconds; it is only compared with that of other bindings.
    package var created: Int
    /// The generation of its spec.
    package var generation: Int
    /// Whether it has a deletion timestamp.
    package var isBeingDeleted: Bool
    /// Whether it has ``finalizer``.
    package var hasFinalizer: Bool
    /// The uid of the pod that owns it by an owner reference.
    package var ownerUID: String?
    /// `spec.podName`.
    package var podName: String
    /// `spec.cpuSet` as it is written: in any order, perhaps with negative and repeated numbers.
    package var cpuSet: [Int]
    /// `spec.exclusivenessLevel`.
    package var level: ExclusivenessLevel
    /// Its status; nil where nobody wrote one.
    package var status: BindingStatus?

    /// A binding.
    package init(
        key: ObjectKey, uid: String, created: Int, generation: Int = 1, isBeingDeleted: Bool = false,
        hasFinalizer: Bool = false, ownerUID: String? = nil, podName: String, cpuSet: [Int],
        level: ExclusivenessLevel, status: BindingStatus? = nil
    ) {
        self.key = key
        self.uid = uid
        self.created = created
        self.generation = generation
        self.isBeingDeleted = isBeingDeleted
        self.hasFinalizer = hasFinalizer
        self.ownerUID = ownerUID
        self.podName = podName
        self.cpuSet = cpuSet
        self.level = level
        self.status = status
    }

    /// The pod that it names.
    package var pod: ObjectKey { ObjectKey(key.namespace, podName) }
    /// The CPUs of the spec; numbers that no CPU can have are left out.
    package var cpus: CPUSet { CPUSet(cpuSet) }
    /// The uid of the pod that it is for, where that is known: a pod created again under the same name is another one.
    package var podUID: String? { status?.podUID ?? ownerUID }

    /// What it asks for.
    var wanted: Hold { Hold(cpus: cpus, level: level) }
    /// What it holds on ``BindingStatus/nodeName``. A status that says nothing of it, as actimanager's, holds the spec.
    package var held: [Hold] {
        guard let status, !status.nodeName.isEmpty, !hasGivenBack else { return [] }
        if !status.holds.isEmpty { return status.holds }
        return status.resourceStatus.holds ? [wanted] : []
    }
    /// Whether all was given back, and only somebody else's finalizer keeps the object.
    var hasGivenBack: Bool { isBeingDeleted && !hasFinalizer }
    /// Whether its status is about the present spec.
    var isObserved: Bool { (status?.observedGeneration ?? generation) == generation }

    /// Whether it goes before `other` where both ask for the same: the older one, then by uid.
    func precedes(_ other: Binding) -> Bool {
        (created, uid, key.namespace, key.name) < (other.created, other.uid, other.key.namespace, other.key.name)
    }
}

/// A set of CPUs that a binding has, and at which level.
package struct Hold: Sendable, Hashable {
    /// Where the pod may run.
    package var cpus: CPUSet
    /// What nobody else may use because of it.
    package var level: ExclusivenessLevel

    /// CPUs at a level.
    package init(cpus: CPUSet, level: ExclusivenessLevel) {
        self.cpus = cpus
        self.level = level
    }
}
