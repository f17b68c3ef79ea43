internal import Bindings
internal import KubernetesClient
import Synchronization

/// What the extender knows: the cluster's CPUs as the API server shows them, and the choices of binds that are under way.
///
/// One lock: a choice counts before the next pod is looked at, so that no two pods get the same CPUs.
final class ExtenderState: Sendable {
    private struct Contents {
        var cpus: ClusterCPUs
        var pods = RecentPods()
        /// The uids of new bindings whose CPUs another extender, or a person, gave away before.
        var contested: Set<String> = []
    }

    private let contents: Mutex<Contents>
    private let sightings = Sightings()

    /// Nothing is known yet.
    init(_ args: WorkloadAwareArgs) { contents = Mutex(Contents(cpus: ClusterCPUs(args: args))) }

    // MARK: - What the API server shows

    /// The topology that counts for a node; nil where there is none.
    func topology(ofNode name: String, is topology: NodeCPUTopology?) {
        let facts = topology.flatMap { NodeFacts($0) }
        contents.withLock { contents in
            if let facts { contents.cpus.setNode(facts) } else { contents.cpus.removeNode(name) }
        }
    }

    /// A binding that was made or changed.
    func see(_ object: PodCPUBinding) {
        guard let binding = Binding(object) else { return forget(object.key) }
        let before = contents.withLock { contents in
            let before = contents.cpus.uid(of: binding.key)
            let isAwaited = contents.cpus.pending(binding.key) != nil
            contents.cpus.see(binding, node: object.chosenNode)
            // The first time it is seen it is the last of those that were made.
            if isAwaited, before != binding.uid, contents.cpus.isContested(binding.key) {
                contents.contested.insert(binding.uid)
            }
            return before
        }
        if before != binding.uid { sightings.tell(object.key) }
    }

    /// The node of the pod of the binding with this uid, which says none itself.
    func place(_ key: KubernetesClient.ObjectKey, uid: String, on node: String) {
        contents.withLock { $0.cpus.place(Bindings.ObjectKey(key), uid: uid, on: node) }
    }

    /// A binding that is gone.
    func forget(_ key: KubernetesClient.ObjectKey) {
        contents.withLock { $0.cpus.forget(Bindings.ObjectKey(key)) }
        sightings.tell(key)
    }

    /// Waits until a binding that was made for a pod is seen, and with it all that were made before.
    ///
    /// - Returns: whether its CPUs were given away before; false too where it is not seen in time.
    func isContested(
        _ key: KubernetesClient.ObjectKey, uid: String, within limit: Duration
    ) async -> Bool {
        let known = Bindings.ObjectKey(key)
        _ = await sightings.wait(for: key, within: limit) { contents.withLock { $0.cpus.uid(of: known) } == uid }
        return contents.withLock { $0.contested.remove(uid) } != nil
    }

    /// Whether a binding that was seen excludes another one.
    func isContested(_ key: KubernetesClient.ObjectKey) -> Bool {
        contents.withLock { $0.cpus.isContested(Bindings.ObjectKey(key)) }
    }

    /// Waits until the binding that is there under this name is seen to be gone.
    ///
    /// - Parameter uid: its uid; nil for whatever was seen last.
    /// - Returns: whether it is gone.
    func departure(of key: KubernetesClient.ObjectKey, uid: String?, within limit: Duration) async -> Bool {
        func seen() -> String? { contents.withLock { $0.cpus.uid(of: Bindings.ObjectKey(key)) } }
        guard let awaited = uid ?? seen() else { return true }
        return await sightings.wait(for: key, within: limit) { seen() != awaited }
    }

    // MARK: - Questions of the scheduler

    /// Which of `candidates` have CPUs for a pod. The pod is remembered: a bind names it only.
    func filter(_ pod: PodRequest, _ candidates: [String]) -> ClusterCPUs.Filtered {
        contents.withLock { contents in
            contents.pods.remember(pod)
            return contents.cpus.filter(pod, candidates)
        }
    }

    /// The scores of `candidates` from 0 to 10.
    func prioritize(_ pod: PodRequest, _ candidates: [String]) -> [Int] {
        contents.withLock { $0.cpus.prioritize(pod, candidates) }
    }

    /// What was asked for the pod with this uid.
    func recentPod(_ uid: String) -> PodRequest? { contents.withLock { $0.pods[uid] } }

    // MARK: - Binds

    /// Chooses CPUs, which count from now on.
    func plan(_ pod: PodRequest, on node: String) throws(BindRefusal) -> BindPlan {
        try contents.withLock { contents throws(BindRefusal) in try contents.cpus.bind(pod, to: node) }
    }

    /// Takes a choice back that came to nothing.
    func takeBack(_ choice: BindingChoice) {
        contents.withLock { $0.cpus.takeBack(choice.binding, podUID: choice.podUID) }
    }

    /// The pod is bound, and will not be asked about again.
    func isBound(_ uid: String) { contents.withLock { $0.pods.forget(uid) } }

    /// The choice for a binding that is not seen yet.
    func pendingChoice(_ key: KubernetesClient.ObjectKey) -> BindingChoice? {
        contents.withLock { $0.cpus.pending(Bindings.ObjectKey(key)) }
    }

    /// How many nodes, bindings and choices there are.
    var figures: (nodes: Int, bindings: Int, pending: Int) { contents.withLock { $0.cpus.figures } }
}

/// The pods that were asked about last.
struct RecentPods {
    private var pods: [String: PodRequest] = [:]
    private var order: [String] = []
    private let limit: Int

    /// At most so many.
    init(limit: Int = 10_000) { self.limit = limit }

    /// A pod by its uid.
    subscript(uid: String) -> PodRequest? { pods[uid] }

    /// Takes note of a pod, for the oldest ones where there are too many.
    mutating func remember(_ pod: PodRequest) {
        if pods.updateValue(pod, forKey: pod.uid) == nil { order.append(pod.uid) }
        guard order.count > limit * 2 else { return }
        // Some of them are forgotten already.
        order = order.filter { pods[$0] != nil }
        for uid in order.prefix(max(order.count - limit, 0)) { pods[uid] = nil }
        order.removeFirst(max(order.count - limit, 0))
    }

    /// Forgets a pod.
    mutating func forget(_ uid: String) { pods[uid] = nil }
}
