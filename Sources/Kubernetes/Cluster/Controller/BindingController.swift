internal import Bindings
package import KubernetesClient
package import Logging
import Synchronization

/// Decides about PodCPUBindings, and carries out what is decided.
///
/// It does so only within ``run(workers:)``, which is for whoever leads; what changes is noted all the time.
package final class BindingController: Sendable {
    /// The name of the controller in metrics; with `-controller`, that in events.
    package static let name = "podcpubinding"

    let bindings: ResourceClient<PodCPUBinding>
    let pods: ResourceClient<Pod>
    let events: EventRecorder
    let metrics: ControllerMetrics
    let log: Logger
    let wallClock: @Sendable () -> Timestamp
    private let cache: ClusterCache
    private let facts: Mutex<(table: ClusterFacts, isLive: Bool)> = Mutex((ClusterFacts(), false))
    private let queue: WorkQueue<Bindings.ObjectKey>
    private let refusals = Mutex(NodeRefusals())
    private let now: @Sendable () -> Duration

    /// A controller of the bindings of `cache`.
    package init(
        _ client: ClusterClient, _ cache: ClusterCache, events: EventRecorder, metrics: ControllerMetrics, log: Logger,
        limits: WorkQueueLimits = .controller, system: SystemAccess = .real
    ) {
        self.cache = cache
        self.events = events
        self.metrics = metrics
        self.log = log
        bindings = client.resources(PodCPUBinding.self)
        pods = client.resources(Pod.self)
        wallClock = system.wallClock
        now = system.now
        queue = WorkQueue(limits, system: system)
        watch()
    }

    /// How many bindings wait for a decision.
    package var waiting: Int { queue.count }

    /// Decides until the task is cancelled.
    package func run(workers: Int = 16) async {
        guard await cache.waitUntilSynced() else { return }
        start()
        await queue.run(workers: workers) { [self] key in
            let delay: Duration?
            do { delay = try await reconcile(key) } catch {
                metrics.reconciled(Self.name, isGood: false)
                throw error
            }
            metrics.reconciled(Self.name, isGood: true)
            return delay
        }
    }

    // MARK: - Changes

    private func watch() {
        cache.nodes.addHandler { [self] change in
            let node: Node? = if case .deleted = change { nil } else { change.object }
            note { $0.set(node: change.key.name, isReady: node?.isReady) }
        }
        cache.topologies.addHandler { [self] change in
            var names = [change.object.nodeName]
            if case .updated(let old, _) = change { names.append(old.nodeName) }
            for name in Set(names) {
                let effective = NodeCPUTopology.effective(cache.topologies.objects(by: .node, name))
                note { $0.set(topologyOf: name, effective.flatMap { NodeFacts($0) }) }
            }
        }
        cache.pods.addHandler { [self] change in
            let pod: Pod? = if case .deleted = change { nil } else { change.object }
            note { $0.set(pod: ObjectKey(change.key), pod.map { PodFacts($0) }) }
        }
        cache.bindings.addHandler { [self] change in
            let binding: PodCPUBinding? = if case .deleted = change { nil } else { change.object }
            note { $0.set(ObjectKey(change.key), binding) }
        }
    }

    /// Takes note of a change. Before all copies are complete, no decision can be made, and none is lost: then all bindings are
    /// decided.
    private func note(_ change: (inout ClusterFacts) -> Set<Bindings.ObjectKey>) {
        let affected = facts.withLock { facts in
            let affected = change(&facts.table)
            return facts.isLive ? affected : []
        }
        for key in affected.sorted() { queue.add(key) }
    }

    private func start() {
        let keys = facts.withLock { facts in
            defer { facts.isLive = true }
            return facts.isLive ? [] : facts.table.keys
        }
        for key in keys { queue.add(key) }
    }

    // MARK: - Decisions

    /// - Returns: when to decide again in any case.
    private func reconcile(_ key: Bindings.ObjectKey) async throws(KubernetesError) -> Duration? {
        guard let question = facts.withLock({ $0.table.question(about: key) }) else {
            refusals.withLock { $0.note(nil, of: key, generation: nil, at: now()) }
            return nil
        }
        let action = question.snapshot.decide()
        facts.withLock { $0.table.decided(key, waits: action.waits) }
        if let delay = delay(of: action, on: question.snapshot) { return delay }
        do {
            for object in try await carryOut(action, on: question) { note { $0.changed(object) } }
        } catch {
            // A binding that is gone needs nothing more; a watch tells what else it was.
            if error.reason == .notFound { return nil }
            if error.reason != .conflict && error != .cancelled {
                log.warning(
                    "a binding could not be changed", metadata: ["binding": "\(key)", "reason": "\(error)"])
            }
            throw error
        }
        return nil
    }

    /// How long a binding that its node has refused lately must wait before it takes CPUs again; nil for not at all.
    private func delay(of action: BindingAction, on snapshot: BindingSnapshot) -> Duration? {
        guard let binding = snapshot.binding else { return nil }
        return refusals.withLock { refusals in
            let takes = action.status?.resourceStatus == .validated && binding.held.isEmpty && snapshot.claim == .none
            if takes, let wait = refusals.wait(of: binding.key, generation: binding.generation, at: now()) {
                return wait
            }
            refusals.note(action.status, of: binding.key, generation: binding.generation, at: now())
            return nil
        }
    }
}

extension WorkQueueLimits {
    /// Those of the controllers: many keys may fail at once where the API server is away, and none waits long afterwards.
    package static var controller: WorkQueueLimits {
        var limits = WorkQueueLimits()
        limits.longest = .seconds(30)
        limits.perSecond = 1000
        limits.burst = 1000
        return limits
    }
}
