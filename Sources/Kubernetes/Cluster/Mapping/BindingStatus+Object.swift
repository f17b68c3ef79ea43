package import Bindings
package import KubernetesClient

extension BindingStatus {
    /// The type of the condition that says why a binding is as it is.
    package static let condition = "Applied"

    /// The status of an object; nil where nobody wrote one.
    package init?(_ object: PodCPUBinding) {
        guard let text = object.resourceStatus?.rawValue else { return nil }
        // The kind's definition allows no other.
        let status = ResourceStatus(rawValue: text) ?? .pending
        let condition = object.conditions.first { $0.type == Self.condition }
        self.init(
            status, nodeName: object.nodeName,
            reason: condition.flatMap { Reason(rawValue: $0.reason) } ?? Reason(of: status),
            message: condition?.message ?? "", observedGeneration: object.observedGeneration, podUID: object.podUID,
            holds: object.holds.compactMap { Hold($0) }, containers: object.containers)
    }

    /// The members of the status of `object` that change to this; null for those that go.
    package func members(
        for object: PodCPUBinding, claim: PodCPUBinding.Claim?, now: Timestamp
    ) -> [JSONValue.Member] {
        let conditions = object.conditions.filter { $0.type != Self.condition } + [condition(for: object, now: now)]
        return [
            .init(name: "resourceStatus", value: .string(resourceStatus.rawValue)),
            .init(name: "nodeName", value: .string(nodeName)),
            .init(name: "observedGeneration", value: observedGeneration.map { JSONValue($0) } ?? .null),
            .init(name: "podUID", value: podUID.map { .string($0) } ?? .null),
            .init(name: "holds", value: holds.isEmpty ? .null : .array(holds.map(\.written.json))),
            .init(
                name: "containers", value: containers.isEmpty ? .null : .array(containers.map { .string($0) })),
            .init(name: "conditions", value: .array(conditions.map(\.json))),
            .init(name: "claim", value: claim?.json ?? .null),
        ]
    }

    private func condition(for object: PodCPUBinding, now: Timestamp) -> Condition {
        let holds: Bool? = reason == .nodeNotAnswering ? nil : resourceStatus == .applied
        let before = object.conditions.first { $0.type == Self.condition }
        let since = before.flatMap { $0.isTrue == holds ? $0.lastTransitionTime : nil }
        return Condition(
            type: Self.condition, status: holds, reason: reason.rawValue, message: message,
            observedGeneration: observedGeneration, lastTransitionTime: since ?? now)
    }
}

extension BindingStatus.Reason {
    /// The likely reason of a status that says none, as actimanager's.
    fileprivate init(of status: BindingStatus.ResourceStatus) {
        self =
            switch status {
            case .applied: .applied
            case .pending: .podNotScheduled
            case .podNotFound: .podNotFound
            case .invalidCPUSet: .invalidCPUSet
            case .failed: .refused
            case .allocationFailed: .cpusAllocated
            case .validated: .claiming
            }
    }
}
