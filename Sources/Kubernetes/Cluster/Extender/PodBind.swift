package import KubernetesClient

/// How far a pod is bound to its node, as far as the API server's answers tell: the binding of its CPUs is taken back only where
/// the pod is certainly not bound, since a pod that is bound without it would run on CPUs of others.
package struct PodBind: Equatable, Sendable {
    /// What the API server said to the request that binds the pod.
    package enum Answer: Equatable, Sendable {
        /// The pod is bound.
        case bound
        /// The request does not fit the pod: it is bound already, is being deleted, or is gone.
        case clash
        /// The request was refused, or did not reach the server; it was not carried out.
        case refused
        /// Nothing that could be understood: it may have been carried out, or may still be.
        case none
    }

    /// What to do next.
    package enum Step: Equatable, Sendable {
        /// Ask for the pod.
        case ask
        /// Try again.
        case retry
        /// Stop.
        case end(End)
    }

    /// What has become of the pod.
    package enum End: Equatable, Sendable {
        /// It is bound to its node.
        case bound
        /// It is not bound to its node, and will not be by what was tried.
        case refused
        /// It is gone.
        case gone
        /// It may be bound, now or later.
        case unknown
    }

    /// The uid of the pod.
    package let uid: String
    /// The node.
    package let node: String
    /// Whether a request without an answer may have bound the pod, or still may.
    private var isInDoubt: Bool
    private var last = Answer.none

    /// A pod that is to be bound.
    ///
    /// - Parameter wasTried: whether it was before, with an end that is not known.
    package init(uid: String, node: String, wasTried: Bool) {
        self.uid = uid
        self.node = node
        isInDoubt = wasTried
    }

    /// Takes note of an answer.
    package mutating func heard(_ answer: Answer) -> Step {
        last = answer
        switch answer {
        case .bound: return .end(.bound)
        case .refused: return isInDoubt ? .ask : .end(.refused)
        case .clash: return .ask
        case .none:
            isInDoubt = true
            return .ask
        }
    }

    /// The pod could not be asked for: nothing is known of it.
    package mutating func unasked() -> Step {
        isInDoubt = true
        return .retry
    }

    /// What follows from the pod as the server shows it after an answer; nil where there is none.
    package func found(_ pod: Pod?) -> Step {
        guard let pod, pod.metadata.uid == uid else { return .end(.gone) }
        if let node = pod.nodeName { return .end(node == self.node ? .bound : .refused) }
        // No server binds a pod that is being deleted, however late a request comes to it.
        if pod.metadata.isBeingDeleted { return .end(.refused) }
        guard isInDoubt else { return .end(.refused) }
        return last == .refused ? .end(.unknown) : .retry
    }
}

/// A binding that has the name of one that is to be made.
package enum Namesake: Equatable, Sendable {
    /// It is for another pod, or of a person.
    case others
    /// It may go: its pod is gone, or nobody has used it to bind the pod.
    case mayGo
    /// It is the pod's own, and a request of an earlier try may still bind the pod to this node. It goes where the pod is not
    /// bound in the time that pods have (``BindingCheck``).
    case undecided(node: String)
    /// It is the pod's own, and the pod has this node already.
    case inUse(node: String)
    /// It is the pod's own, and the pod is gone.
    case orphan

    /// The pod to ask for: the one that the binding was made for.
    package static func pod(of binding: PodCPUBinding, for uid: String, _ pod: ObjectKey) -> ObjectKey {
        binding.knownPodUID == uid ? pod : ObjectKey(namespace: binding.key.namespace, name: binding.podName)
    }

    /// - Parameters:
    ///   - uid: the uid of the pod that a binding is to be made for.
    ///   - pod: the pod of ``pod(of:for:_:)``, as the server shows it; nil where there is none.
    package init(_ binding: PodCPUBinding, for uid: String, pod: Pod?) {
        guard let owner = binding.knownPodUID else {
            self = .others
            return
        }
        let isThere = pod?.metadata.uid == owner
        switch (isThere, owner == uid) {
        case (true, false): self = .others
        case (false, false): self = .mayGo
        case (false, true): self = .orphan
        // An earlier request, whose answer was lost, may have bound it, or may still.
        case (true, true):
            if let node = pod?.nodeName {
                self = .inUse(node: node)
            } else {
                self = binding.chosenNode.map { .undecided(node: $0) } ?? .mayGo
            }
        }
    }
}

/// What a binding needs that does not say all that has to be known of it.
package enum BindingCheck: Equatable, Sendable {
    /// Nothing.
    case none
    /// To be counted on this node, its pod's.
    case place(node: String)
    /// Nothing more until its status has a node: its pod is bound.
    case confirmed
    /// To be taken back: the extender made it for a pod that was not bound in the time that pods have.
    case takeBack

    /// - Parameter pod: the pod that the binding names, as the server shows it; nil where there is none.
    package init(_ binding: PodCPUBinding, pod: Pod?) {
        guard let chosen = binding.chosenNode else {
            self = pod?.nodeName.map { .place(node: $0) } ?? .none
            return
        }
        let isBound = pod.map { $0.metadata.uid == binding.knownPodUID && $0.nodeName == chosen } ?? false
        self = isBound ? .confirmed : .takeBack
    }
}
