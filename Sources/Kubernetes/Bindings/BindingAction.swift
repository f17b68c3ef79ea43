/// What is to be done for a binding. Empty where everything is as it should be.
package struct BindingAction: Sendable, Equatable {
    /// An event of the binding.
    package struct Event: Sendable, Equatable {
        /// Whether its type is Warning; Normal otherwise.
        package var isWarning: Bool
        /// Its reason.
        package var reason: String
        /// Its message.
        package var message: String

        /// An event.
        package init(isWarning: Bool = false, reason: String, message: String) {
            self.isWarning = isWarning
            self.reason = reason
            self.message = message
        }
    }

    /// A change of the binding's finalizer.
    package enum FinalizerAction: Sendable, Equatable { case add, remove }

    /// What a change of lets the decision come out differently. A decision is taken again when one of them changed, and
    /// at no other time.
    package enum Wait: Sendable, Hashable {
        /// The binding's pod.
        case pod
        /// The topology of the pod's node, and what its host holds.
        case topology
        /// The other bindings of the node.
        case bindings
        /// What `berthd` says of the claim, and whether the node answers.
        case claim
    }

    /// The status to write.
    package var status: BindingStatus?
    /// The event to emit, once the status is written or the finalizer is gone.
    package var event: Event?
    /// What to do with the claim.
    package var claim: ClaimAction?
    /// What to do with the finalizer.
    package var finalizer: FinalizerAction?
    /// Whether the binding is to be deleted, because its pod is over.
    package var deletesBinding = false
    /// What to wait for.
    package var waits: Set<Wait> = []

    /// The empty action.
    package init() {}

    /// Whether nothing is to be done.
    package var isEmpty: Bool {
        status == nil && event == nil && claim == nil && finalizer == nil && !deletesBinding
    }
}
