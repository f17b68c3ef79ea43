import HostClient
import KubernetesClient
import Logging
import Synchronization

/// Keeps the claims that the machine's daemon has for pods what the cluster says, and tells the cluster what came of it and
/// what the machine is.
///
/// It follows the API server and the daemon, and looks at nothing at intervals. Each pod is worked on by one worker at a
/// time, which reads what the daemon has, decides (``PodSituation``), asks the daemon, and reports. It owns no state: after a
/// restart it finds in the daemon and in the objects what it has done.
package final class NodeAgent: Sendable {
    enum Work: Hashable, Sendable {
        case pod(ObjectKey)
        /// To ask again for what was refused.
        case retry(ObjectKey)
        case topology
    }

    struct State {
        var refusals = Refusals()
        var written = WrittenReports()
        /// The pods that the daemon has, or may have, claims for.
        var claimed: Set<ObjectKey> = []
        /// The number of the newest event that was heard; nil where everything is to be read anew.
        var position: Int?
    }

    /// The name of the node.
    package let node: String
    let host: any NodeHost
    let log: Logger
    let system: SystemAccess
    let client: ClusterClient
    let pods: Informer<Pod>
    let bindings: Informer<PodCPUBinding>
    let topologies: Informer<NodeCPUTopology>
    let nodes: Informer<Node>
    let queue: WorkQueue<Work>
    let pinnings: Pinnings
    let state = Mutex(State())

    /// How many pods are worked on at a time.
    private static let workers = 8
    /// For how long changes of other holders are gathered before the cluster hears of them.
    static let gathering = Duration.milliseconds(500)

    /// An agent, which does nothing before ``run()``.
    package init(
        node: String, client: ClusterClient, host: any NodeHost, log: Logger, system: SystemAccess = .real
    ) {
        self.node = node
        self.client = client
        self.host = host
        self.log = log
        self.system = system
        let onFailure: @Sendable (String) -> @Sendable (KubernetesError) -> Void = { kind in
            { log.warning("the copy is not up to date", metadata: ["kind": "\(kind)", "reason": "\($0)"]) }
        }
        let onRecovery: @Sendable (String) -> @Sendable () -> Void = { kind in
            { log.notice("the copy is up to date again", metadata: ["kind": "\(kind)"]) }
        }
        // Of few objects each, and asked for by every node at once after an outage: from the server's memory.
        var settings = Reflector.Settings()
        settings.listing = .cached
        pods = Informer(
            client.resources(Pod.self), Selection(fields: "spec.nodeName=\(node)"), settings: settings,
            transform: { $0.kept }, onFailure: onFailure("pods"), onRecovery: onRecovery("pods"))
        nodes = Informer(
            client.resources(Node.self), Selection(fields: "metadata.name=\(node)"), settings: settings,
            transform: { $0.kept }, onFailure: onFailure("nodes"), onRecovery: onRecovery("nodes"))
        bindings = Informer(
            client.resources(PodCPUBinding.self), indexers: [.pod], transform: { $0.kept(onNode: node) },
            onFailure: onFailure("podcpubindings"), onRecovery: onRecovery("podcpubindings"))
        topologies = Informer(
            client.resources(NodeCPUTopology.self), transform: { $0.kept(ofNode: node) },
            onFailure: onFailure("nodecputopologies"), onRecovery: onRecovery("nodecputopologies"))
        var limits = WorkQueueLimits()
        limits.first = .milliseconds(50)
        limits.longest = .seconds(30)
        let queue = WorkQueue<Work>(limits, system: system)
        self.queue = queue
        pinnings = Pinnings { queue.add(.pod($0)) }
    }

    /// Works until the task is cancelled. Claims stay then. To be called once.
    package func run() async {
        observe()
        await withDiscardingTaskGroup { group in
            group.addTask { [pods] in await pods.run() }
            group.addTask { [bindings] in await bindings.run() }
            group.addTask { [topologies] in await topologies.run() }
            group.addTask { [nodes] in await nodes.run() }
            group.addTask { [self] in
                // A claim whose binding is not known yet must not be taken for one whose binding is gone.
                guard await pods.waitUntilSynced(), await bindings.waitUntilSynced() else { return }
                log.notice("following the cluster", metadata: ["node": "\(node)"])
                pinnings.open()
                async let following: Void = followHost()
                await queue.run(workers: Self.workers) { [self] work in
                    switch work {
                    case .pod(let pod): try await reconcile(pod)
                    case .retry(let pod): retry(pod)
                    case .topology: try await publishTopology()
                    }
                    return nil
                }
                await following
            }
        }
        pinnings.close("the agent is stopping")
    }

    /// Whether the cluster's objects have been read, and calls are taken.
    package var hasSynced: Bool { pinnings.isOpen }

    /// Whether the agent has heard of a binding, and it is of this node or of none yet.
    package func knowsBinding(_ namespace: String, _ name: String) -> Bool {
        bindings[ObjectKey(namespace: namespace, name: name)] != nil
    }

    private func observe() {
        bindings.addHandler { [self] change in
            var pods: Set<ObjectKey> = []
            if case .updated(let old, _) = change, let pod = old.pod { pods.insert(pod) }
            if let pod = change.object.pod { pods.insert(pod) }
            if case .deleted = change { state.withLock { $0.written.forget(change.key) } }
            for pod in pods { queue.add(.pod(pod)) }
        }
        pods.addHandler { [self] change in
            // Pods that nobody has asked CPUs for are none of ours.
            guard
                !bindings.objects(by: .pod, change.key.description).isEmpty
                    || state.withLock({ $0.claimed.contains(change.key) })
            else { return }
            queue.add(.pod(change.key))
        }
        topologies.addHandler { [self] _ in queue.add(.topology) }
        nodes.addHandler { [self] _ in queue.add(.topology) }
    }

    // MARK: - The daemon

    /// Follows what happens to claims on the machine. Whenever it begins anew, everything is looked at once.
    private func followHost() async {
        var delay = Duration.milliseconds(100)
        var isAway = false
        while !Task.isCancelled {
            do throws(BerthError) {
                // Before the claims are read, so that no change is missed between the two.
                var position = state.withLock { $0.position }
                if position == nil { position = try await host.newestEvent() }
                let after = position ?? 0
                state.withLock { $0.position = after }
                for pod in try await host.podsWithClaims() { note(claimed: pod) }
                lookAtAll()
                if isAway { log.notice("berthd answers again") }
                isAway = false
                delay = .milliseconds(100)
                try await host.follow(after: after) { [self] in heard($0) }
            } catch {
                guard !Task.isCancelled else { return }
                if !isAway { log.warning("berthd does not answer", metadata: ["reason": "\(error)"]) }
                isAway = true
            }
            try? await system.sleep(delay)
            delay = min(delay * 2, .seconds(5))
        }
    }

    private func heard(_ event: NodeHostEvent) {
        switch event {
        case .claims(let number, let pods, let others):
            state.withLock { $0.position = number }
            for pod in pods {
                note(claimed: pod)
                queue.add(.pod(pod))
            }
            if others { queue.add(.topology, after: Self.gathering) }
            askAgain(except: pods)
        case .gap:
            // Decisions of another state may have any numbers.
            state.withLock { $0.position = nil }
            lookAtAll()
        case .machine:
            queue.add(.topology)
            askAgain(except: [])
        }
    }

    private func lookAtAll() {
        askAgain(except: [])
        var all = state.withLock { $0.claimed }
        for binding in bindings.all { if let pod = binding.pod { all.insert(pod) } }
        for pod in all { queue.add(.pod(pod)) }
        queue.add(.topology)
    }

    /// What was refused may be granted now: it is asked for again, later each time that it was refused in a row.
    private func askAgain(except pods: Set<ObjectKey>) {
        for (pod, delay) in state.withLock({ $0.refusals.outdate(except: pods) }) {
            queue.add(.pod(pod), after: delay)
        }
    }

    private func retry(_ pod: ObjectKey) {
        state.withLock { $0.refusals.outdate(pod) }
        queue.add(.pod(pod))
    }

    func note(claimed pod: ObjectKey) { state.withLock { _ = $0.claimed.insert(pod) } }
}
