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
        if let patch = action.finalizerPatch(of: object) {
            let changed = try await bindings.patch(
                object.metadata.name, namespace: object.metadata.namespace, patch)
            guard action.finalizer == .remove else { return [changed] }
            tell(action.event, of: object)
            // Without finalizers it is gone, and a watch says so.
            return changed.metadata.finalizers.isEmpty ? [] : [changed]
        }
        guard let patch = action.statusPatch(of: object, now: wallClock()) else { return [] }
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

    /// Deletes a binding whose pod is over. The copy of the pods may be behind, so the server is asked first.
    private func delete(_ object: PodCPUBinding, of binding: Binding?) async throws(KubernetesError) {
        if let binding {
            let pod: Pod?
            do { pod = try await pods.get(binding.podName, namespace: binding.key.namespace) } catch {
                guard error.reason == .notFound else { throw error }
                pod = nil
            }
            // Where it is there after all, its change is on its way.
            guard binding.isOver(with: pod) else { return }
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
