import Machine

/// All that a decision about a binding depends on. The same snapshot gives the same action, whatever the order of
/// ``others``.
package struct BindingSnapshot: Sendable, Equatable {
    /// The binding; nil where it is gone.
    package var binding: Binding?
    /// The pod of the name that it gives; nil where there is none.
    package var pod: PodFacts?
    /// The pod's node; nil where its topology is not known, or is not fresh.
    package var node: NodeFacts?
    /// Whether the cluster has the node that the pod is bound to, or that the status names where there is no pod.
    package var nodeExists: Bool
    /// The other bindings that hold or want CPUs of the node, or name the same pod. Others do no harm.
    package var others: [Rival]
    /// What the `berthd` of that node says of the claim.
    package var claim: ClaimState

    /// A snapshot.
    package init(
        binding: Binding?, pod: PodFacts?, node: NodeFacts?, nodeExists: Bool = true, others: [Rival] = [],
        claim: ClaimState = .none
    ) {
        self.binding = binding
        self.pod = pod
        self.node = node
        self.nodeExists = nodeExists
        self.others = others
        self.claim = claim
    }
}
