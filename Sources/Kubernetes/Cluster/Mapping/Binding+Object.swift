package import Bindings
package import KubernetesClient
import Machine

extension Binding {
    /// A binding; nil where its level is one that this version does not know.
    package init?(_ object: PodCPUBinding) {
        guard let level = ExclusivenessLevel(object.exclusivenessLevel) else { return nil }
        let metadata = object.metadata
        self.init(
            key: ObjectKey(object.key), uid: metadata.uid,
            created: (metadata.creationTimestamp?.microseconds ?? 0) / 1_000_000, generation: metadata.generation,
            isBeingDeleted: metadata.isBeingDeleted, hasFinalizer: metadata.finalizers.contains(Self.finalizer),
            ownerUID: metadata.ownerReferences.first { $0.kind == "Pod" && $0.apiVersion == "v1" }?.uid,
            podName: object.podName, cpuSet: object.writtenCPUs, level: level, status: BindingStatus(object))
    }
}

extension PodCPUBinding {
    /// The CPUs of the spec. A number that is none of a CPU, such as 1e30, is still one that the node does not have.
    fileprivate var writtenCPUs: [Int] {
        json["spec"]?["cpuSet"]?.array?.map { entry in
            guard let value = entry["cpuID"] else { return -1 }
            return value.integer ?? (try? value.laxInteger()) ?? .max
        } ?? []
    }
}

extension ExclusivenessLevel {
    /// The level of the same name; nil for one that is not known.
    package init?(_ level: PodCPUBinding.ExclusivenessLevel?) {
        guard let level, let known = ExclusivenessLevel(rawValue: level.rawValue) else { return nil }
        self = known
    }

    /// The level as objects have it.
    package var written: PodCPUBinding.ExclusivenessLevel {
        switch self {
        case .none: .none
        case .cpu: .cpu
        case .core: .core
        case .socket: .socket
        case .numa: .numa
        }
    }
}

extension Hold {
    /// What a status says that its binding holds; nil where the list of CPUs cannot be read.
    package init?(_ hold: PodCPUBinding.Hold) {
        guard let cpus = try? CPUSet(list: hold.cpus), let level = ExclusivenessLevel(hold.exclusivenessLevel) else {
            return nil
        }
        self.init(cpus: cpus, level: level)
    }

    /// What it is in a status.
    package var written: PodCPUBinding.Hold { .init(cpus: cpus.list, exclusivenessLevel: level.written) }
}

extension PodClaim {
    /// A claim of the binding of `pod`; nil where a list of CPUs cannot be read.
    package init?(_ claim: PodCPUBinding.Claim?, pod: Bindings.ObjectKey) {
        guard let claim, let cpus = try? CPUSet(list: claim.cpus), let exclusive = try? CPUSet(list: claim.exclusive),
            let level = ExclusivenessLevel(claim.exclusivenessLevel)
        else { return nil }
        self.init(
            pod: pod, podUID: claim.podUID, cpus: cpus, level: level, exclusive: exclusive,
            memoryNodes: claim.memoryNodes)
    }

    /// What it is in a status.
    package var written: PodCPUBinding.Claim {
        .init(
            podUID: podUID, cpus: cpus.list, exclusivenessLevel: level.written, exclusive: exclusive.list,
            memoryNodes: memoryNodes)
    }
}
