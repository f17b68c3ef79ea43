internal import Bindings
internal import KubernetesClient
import Synchronization

/// Looks at bindings that do not say all that has to be known of them.
///
/// Those that an extender made for pods that were never bound are taken back: the extender was ended between the two, or
/// could not say how the second ended. Those that people wrote, and nobody has decided yet, get their pod's node.
final class BindingChecks: Sendable {
    private let state: ExtenderState
    private let bindings: Informer<PodCPUBinding>
    private let client: ClusterClient
    private let turns: Turns<KubernetesClient.ObjectKey>
    /// How long a pod has to be bound after its binding was seen. Longer than a bind takes, also that of another extender.
    private let grace: Duration
    private let queue = WorkQueue<KubernetesClient.ObjectKey>()
    /// The bindings whose pods were seen to be bound, with their uids, until their status says so.
    private let confirmed = Mutex<[KubernetesClient.ObjectKey: String]>([:])
    /// When bindings are to be looked at: the queue may come to them before, and their pods have been tried again since.
    private let due = Mutex<[KubernetesClient.ObjectKey: ContinuousClock.Instant]>([:])
    private let takenBack = Mutex(0)

    init(
        _ state: ExtenderState, _ bindings: Informer<PodCPUBinding>, _ client: ClusterClient,
        _ turns: Turns<KubernetesClient.ObjectKey>,
        grace: Duration
    ) {
        self.state = state
        self.bindings = bindings
        self.client = client
        self.turns = turns
        self.grace = grace
    }

    /// How many bindings were taken back.
    var count: Int { takenBack.withLock { $0 } }

    /// Looks at a binding after the time that its pod has, from now on.
    func later(_ key: KubernetesClient.ObjectKey) {
        due.withLock { $0[key] = .now + grace }
        queue.add(key, after: grace)
    }

    /// A binding has changed.
    func note(_ change: Change<PodCPUBinding>) {
        let (object, key) = (change.object, change.key)
        if case .deleted = change {
            confirmed.withLock { $0[key] = nil }
        } else if !object.nodeName.isEmpty {
            confirmed.withLock { $0[key] = nil }
        } else if object.chosenNode == nil {
            queue.add(key)
        } else if !isConfirmed(key, object) {
            later(key)
        }
    }

    private func isConfirmed(_ key: KubernetesClient.ObjectKey, _ object: PodCPUBinding) -> Bool {
        confirmed.withLock { $0[key] } == object.metadata.uid
    }

    /// Looks at bindings until the task is cancelled.
    func run() async {
        await queue.run(workers: 4) { [self] key in try await check(key) }
    }

    /// How long there is still to wait.
    private func rest(_ key: KubernetesClient.ObjectKey) -> Duration? {
        due.withLock { due in
            if let time = due[key], time > .now { return time - .now }
            due[key] = nil
            return nil
        }
    }

    private func check(_ key: KubernetesClient.ObjectKey) async throws -> Duration? {
        guard let object = bindings[key] else { return try await checkPending(key) }
        guard !object.metadata.isBeingDeleted else { return state.pendingChoice(key) == nil ? nil : grace }
        guard object.nodeName.isEmpty, !isConfirmed(key, object) else { return nil }
        let podKey = KubernetesClient.ObjectKey(namespace: key.namespace, name: object.podName)
        // Not beside a bind of the pod.
        await turns.enter(podKey)
        defer { turns.leave(podKey) }
        if object.chosenNode != nil, let rest = rest(key) { return rest }
        let pod = try await client.resources(Pod.self).find(podKey)
        switch BindingCheck(object, pod: pod) {
        case .none: break
        case .place(let node): state.place(key, uid: object.metadata.uid, on: node)
        case .confirmed: confirmed.withLock { $0[key] = object.metadata.uid }
        case .takeBack:
            // In this version: a bind of another extender may go on with it.
            guard try await client.resources(PodCPUBinding.self).delete(object) else { return grace }
            takenBack.withLock { $0 += 1 }
        }
        return nil
    }

    /// A choice of which no binding is seen.
    private func checkPending(_ key: KubernetesClient.ObjectKey) async throws -> Duration? {
        guard let choice = state.pendingChoice(key) else { return nil }
        let podKey = KubernetesClient.ObjectKey(choice.pod)
        await turns.enter(podKey)
        defer { turns.leave(podKey) }
        if let rest = rest(key) { return rest }
        guard try await client.resources(PodCPUBinding.self).find(key) == nil else { return grace }
        state.takeBack(choice)
        return nil
    }
}
