import KubernetesClient

/// What was written last for bindings, until the watch shows it.
package struct WrittenReports: Sendable {
    private struct Entry {
        var uid: String
        /// The version of the object at the time.
        var version: String
        var report: PodCPUBinding.NodeReport
    }

    private var entries: [ObjectKey: Entry] = [:]

    /// Nothing was written.
    package init() {}

    /// What was said of a binding last.
    package func last(of binding: PodCPUBinding) -> PodCPUBinding.NodeReport? {
        if let written = entries[binding.key], written.uid == binding.metadata.uid,
            written.version == binding.metadata.resourceVersion
        {
            return written.report
        }
        return binding.nodeReport
    }

    /// This was written for a binding that was known like this.
    package mutating func note(_ report: PodCPUBinding.NodeReport, of binding: PodCPUBinding) {
        entries[binding.key] = Entry(
            uid: binding.metadata.uid, version: binding.metadata.resourceVersion, report: report)
    }

    /// A binding is gone.
    package mutating func forget(_ key: ObjectKey) { entries[key] = nil }
}

extension PodSituation {
    /// What there is of a pod of a node.
    ///
    /// - Parameter bindings: those that name the pod.
    package init(
        of pod: Pod?, on node: String, bindings: [PodCPUBinding], pinning: PinningState = .unknown, held: HeldClaim?,
        refusal: Refusal?, written: WrittenReports
    ) {
        self.init(
            bindings: bindings.filter { $0.concerns(node, pod) }.map { binding in
                Binding(
                    key: binding.key, uid: binding.metadata.uid, created: binding.metadata.creationTimestamp,
                    claim: binding.claim, report: written.last(of: binding))
            }, pod: pod?.live, pinning: pinning, held: held, refusal: refusal)
    }
}

extension PodCPUBinding {
    /// Whether the CPUs of a binding are the matter of a node. One that failed names no node: it is that of its claim's pod.
    ///
    /// - Parameter pod: the pod of the name on the node.
    fileprivate func concerns(_ node: String, _ pod: Pod?) -> Bool {
        guard nodeName.isEmpty else { return nodeName == node }
        guard let uid = (claim ?? nodeReport?.claim)?.podUID else { return false }
        return pod?.metadata.uid == uid
    }
}
