package import Bindings
package import KubernetesClient

/// What an action changes of its object. Each change has the version that was decided on, so that it is refused where somebody
/// else was faster.
extension BindingAction {
    /// The change of the finalizers; nil where there is none.
    package func finalizerPatch(of object: PodCPUBinding) -> Patch? {
        let finalizers: [String]
        switch finalizer {
        case .add: finalizers = object.metadata.finalizers + [Binding.finalizer]
        case .remove: finalizers = object.metadata.finalizers.filter { $0 != Binding.finalizer }
        case nil: return nil
        }
        let list: JSONValue = finalizers.isEmpty ? .null : .array(finalizers.map { .string($0) })
        return .merge([
            "metadata": ["resourceVersion": .string(object.metadata.resourceVersion), "finalizers": list]
        ])
    }

    /// The change of the status; nil where there is none. It leaves what the node writes, and what others may have written.
    package func statusPatch(of object: PodCPUBinding, now: Timestamp) -> Patch? {
        let claim: PodCPUBinding.Claim? =
            switch self.claim {
            case .make(let claim), .change(let claim): claim.written
            case .release: nil
            // A claim that the node refused stays, so that the node tries it again; any other goes with what is held.
            case nil: status.map { $0.holds.isEmpty && $0.resourceStatus != .failed } == true ? nil : object.claim
            }
        var members: [JSONValue.Member] = []
        if let status {
            members = status.members(for: object, claim: claim, now: now)
        } else if claim != object.claim {
            members = [.init(name: "claim", value: claim?.json ?? .null)]
        }
        guard !members.isEmpty else { return nil }
        return .merge([
            "metadata": ["resourceVersion": .string(object.metadata.resourceVersion)], "status": .object(members),
        ])
    }
}

extension Binding {
    /// Whether it has lost its pod, which the API server shows as this; nil where there is none.
    package func isOver(with pod: Pod?) -> Bool {
        guard let pod, pod.metadata.uid == podUID else { return true }
        return PodFacts(pod).isOver
    }
}
