internal import Bindings
internal import KubernetesClient
internal import Logging

extension BindingController {
    /// Carries out what was decided. Nothing is written where the object is as it should be.
    ///
    /// - Returns: The states of the binding that the server answered with.
    func carryOut(
        _ action: BindingAction, on question: ClusterFacts.Question
    ) async throws(KubernetesError) -> [PodCPUBinding] {
        let object = question.object
        if action.deletesBinding {
            try await delete(object, of: question.snapshot.binding)
            return []
        }
        switch action.finalizer {
        case .add:
            return [try await write(finalizers: object.metadata.finalizers + [Binding.finalizer], of: object)]
        case .remove:
            let others = object.metadata.finalizers.filter { $0 != Binding.finalizer }
            let changed = try await write(finalizers: others, of: object)
            tell(action.event, of: object)
            // Without finalizers it is gone, and a watch says so.
            return others.isEmpty ? [] : [changed]
        case nil: break
        }
        guard let patch = statusPatch(action, object) else { return [] }
        let changed = try await bindings.patch(
            object.metadata.name, namespace: object.metadata.namespace, patch, subresource: "status")
        if action.claim.map({ $0 != .release }) == true, changed.claim == nil {
            log.error(
                "the cluster's definition of PodCPUBinding does not have status.claim: apply Berth's, or no pod is pinned",
                metadata: ["binding": "\(object.key)"])
        }
        tell(action.event, of: object)
        return [changed]
    }

    // MARK: - Changes of the object

    private func write(
        finalizers: [String], of object: PodCPUBinding
    ) async throws(KubernetesError) -> PodCPUBinding {
        let list: JSONValue = finalizers.isEmpty ? .null : .array(finalizers.map { .string($0) })
        return try await bindings.patch(
            object.metadata.name, namespace: object.metadata.namespace,
            .merge([
                "metadata": ["resourceVersion": .string(object.metadata.resourceVersion), "finalizers": list]
            ]))
    }

    /// The change of the status; nil where there is none. It leaves what the node writes, and what others may have written.
    private func statusPatch(_ action: BindingAction, _ object: PodCPUBinding) -> Patch? {
        let claim: PodCPUBinding.Claim? =
            switch action.claim {
            case .make(let claim), .change(let claim): claim.written
            case .release: nil
            // A claim that the node refused stays, so that the node tries it again; any other goes with what is held.
            case nil:
                action.status.map { $0.holds.isEmpty && $0.resourceStatus != .failed } == true ? nil : object.claim
            }
        var members: [JSONValue.Member] = []
        if let status = action.status {
            members = status.members(for: object, claim: claim, now: wallClock())
        } else if claim != object.claim {
            members = [.init(name: "claim", value: claim?.json ?? .null)]
        }
        guard !members.isEmpty else { return nil }
        return .merge([
            "metadata": ["resourceVersion": .string(object.metadata.resourceVersion)], "status": .object(members),
        ])
    }

    /// Deletes a binding whose pod is over. The copy of the pods may be behind, so the server is asked first.
    private func delete(_ object: PodCPUBinding, of binding: Binding?) async throws(KubernetesError) {
        if let binding {
            let pod: Pod?
            do { pod = try await pods.get(binding.podName, namespace: binding.key.namespace) } catch {
                guard error.reason == .notFound else { throw error }
                pod = nil
            }
            // Where it is there after all, its change is on its way.
            if let pod, pod.metadata.uid == binding.podUID, !PodFacts(pod).isOver { return }
        }
        do {
            try await bindings.delete(
                object.metadata.name, namespace: object.metadata.namespace, .init(uid: object.metadata.uid))
        } catch {
            // Another binding has its name by now.
            guard error.reason == .conflict else { throw error }
        }
    }

    private func tell(_ event: BindingAction.Event?, of object: PodCPUBinding) {
        guard let event else { return }
        events.record(event.isWarning ? .warning : .normal, object, reason: event.reason, message: event.message)
    }
}
