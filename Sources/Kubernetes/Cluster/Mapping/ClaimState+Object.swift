package import Bindings
package import KubernetesClient

extension ClaimState {
    /// What is known of the claim of a binding.
    ///
    /// - Parameters:
    ///   - pod: The pod that the binding names.
    ///   - nodeAnswers: Whether the node of the pod, or of the status, is ready.
    package init(_ object: PodCPUBinding, pod: Bindings.ObjectKey, nodeAnswers: Bool) {
        let claim = PodClaim(object.claim, pod: pod)
        // A node that has no part in the binding any more, since it was gone for a time, never says that it has released
        // what it said it had.
        let isOfNode = object.claim != nil || !object.nodeName.isEmpty
        let report = isOfNode ? object.nodeReport : nil
        let reported = PodClaim(report?.claim, pod: pod)
        let isClaimed = object.claim != nil
        guard nodeAnswers else {
            let hasHeld =
                isClaimed || report != nil || !object.holds.isEmpty || object.resourceStatus?.holdsCPUs == true
            self = hasHeld ? .unknown : .none
            return
        }
        switch report?.state {
        case nil, .released: self = claim.map { .beingMade($0) } ?? .none
        case .enforced?:
            if let claim, claim == reported {
                self = .enforced(claim, containers: Set(report?.containers ?? []))
            } else {
                self = (claim ?? reported).map { .beingMade($0) } ?? .none
            }
        case .refused?:
            let held = PodClaim(report?.held, pod: pod)
            if let claim, claim == reported {
                self = .refused(claim, reason: report?.message ?? "", held: held)
            } else {
                self = (claim ?? held).map { .beingMade($0) } ?? .none
            }
        default:
            let held = PodClaim(report?.held, pod: pod)
            let problem = claim == reported ? report?.message ?? "" : ""
            self = (claim ?? held ?? reported).map { .beingMade($0, problem: problem) } ?? .none
        }
    }
}
