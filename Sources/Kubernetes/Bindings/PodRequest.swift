/// What a pod asks of the extender.
package struct PodRequest: Sendable, Equatable {
    /// Its namespace and name.
    package var pod: ObjectKey
    /// Its uid.
    package var uid: String
    /// Its label ``WorkloadFamily/label``; nil where it has none.
    package var familyLabel: String?
    /// The CPUs that it requests, in thousandths, as Kubernetes adds them up for a pod.
    package var request: Int
    /// The limit of its CPUs, in thousandths; 0 without one.
    package var limit: Int

    /// A request; a negative figure counts as 0.
    package init(pod: ObjectKey, uid: String, familyLabel: String? = nil, request: Int, limit: Int = 0) {
        self.pod = pod
        self.uid = uid
        self.familyLabel = familyLabel
        self.request = max(request, 0)
        self.limit = max(limit, 0)
    }

    /// The name that the extender gives the pod's binding.
    package var binding: ObjectKey { ObjectKey(pod.namespace, "\(pod.name)-pcb") }
}

/// What CPUs one pod needs, under the scheduler's arguments.
struct Demand: Equatable {
    let family: WorkloadFamily
    let level: ExclusivenessLevel
    let physicalCores: Bool
    let exclusiveSockets: Bool
    let promise: Bool
    /// In thousandths.
    let request: Int
    /// In thousandths.
    let limit: Int

    init?(_ pod: PodRequest, _ args: WorkloadAwareArgs) {
        guard let family = WorkloadFamily(label: pod.familyLabel) else { return nil }
        self.family = family
        physicalCores = args.has(.physicalCores)
        exclusiveSockets = family == .memoryBound && args.has(.memoryBoundExclusiveSockets)
        promise = args.policy == .promise
        request = pod.request
        limit = pod.limit
        if family == .bestEffort && args.has(.bestEffortSharedCPUs) {
            level = .none
        } else if exclusiveSockets {
            level = .socket
        } else {
            level = physicalCores ? .core : .cpu
        }
    }

    /// The number of CPUs that the algorithms of the family take where there is room.
    var count: Int {
        let asked = request / 1000 + (request % 1000 > 0 ? 1 : 0)
        switch family {
        case .bestEffort: return 1
        case .memoryBound: return max(asked, 1)
        case .cpuBound, .ioBound: return promise ? max(asked, 1) : asked
        }
    }
}
