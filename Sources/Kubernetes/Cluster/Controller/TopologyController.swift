internal import Bindings
package import KubernetesClient
package import Logging
import Synchronization

/// Keeps a NodeCPUTopology for each node, from when the node comes until it goes. What the node has, the node itself writes.
///
/// It does so only within ``run(workers:)``, which is for whoever leads.
package final class TopologyController: Sendable {
    /// The name of the controller in metrics; with `-controller`, that in events.
    package static let name = "nodecputopology"

    private let cache: ClusterCache
    private let nodes: ResourceClient<Node>
    private let topologies: ResourceClient<NodeCPUTopology>
    private let events: EventRecorder
    private let metrics: ControllerMetrics
    private let log: Logger
    private let queue: WorkQueue<String>
    /// The topologies that became fresh, to be told of.
    private let fresh = Mutex<Set<String>>([])

    /// A controller of the nodes of `cache`.
    package init(
        _ client: ClusterClient, _ cache: ClusterCache, events: EventRecorder, metrics: ControllerMetrics, log: Logger,
        limits: WorkQueueLimits = .controller, system: SystemAccess = .real
    ) {
        self.cache = cache
        self.events = events
        self.metrics = metrics
        self.log = log
        nodes = client.resources(Node.self)
        topologies = client.resources(NodeCPUTopology.self)
        queue = WorkQueue(limits, system: system)
        watch()
    }

    /// How many nodes wait to be looked at.
    package var waiting: Int { queue.count }

    /// Works until the task is cancelled.
    package func run(workers: Int = 8) async {
        guard await cache.waitUntilSynced() else { return }
        // Whoever led before has told of these.
        fresh.withLock { $0 = [] }
        await queue.run(workers: workers) { [self] name in
            do { try await reconcile(name) } catch {
                metrics.reconciled(Self.name, isGood: false)
                throw error
            }
            metrics.reconciled(Self.name, isGood: true)
            return nil
        }
    }

    private func watch() {
        cache.nodes.addHandler { [self] change in
            switch change {
            case .added, .deleted: queue.add(change.key.name)
            case .updated(let old, let new):
                // A node tells every few seconds that it lives.
                if old.metadata.uid != new.metadata.uid { queue.add(change.key.name) }
            }
        }
        cache.topologies.addHandler { [self] change in
            let suffix = NodeCPUTopology.name(ofNode: "")
            var names: Set = [change.object.nodeName]
            if case .updated(let old, let new) = change {
                names.insert(old.nodeName)
                if old.resourceStatus != .fresh, new.resourceStatus == .fresh {
                    fresh.withLock { _ = $0.insert(change.key.name) }
                }
            }
            // The node that it may be in the way of.
            if change.key.name.hasSuffix(suffix) { names.insert(String(change.key.name.dropLast(suffix.count))) }
            for name in names.sorted() where !name.isEmpty { queue.add(name) }
        }
    }

    // MARK: - Steps

    private func reconcile(_ name: String) async throws(KubernetesError) {
        let namesake = cache.topologies[ObjectKey(name: NodeCPUTopology.name(ofNode: name))]
        let snapshot = TopologySnapshot(
            name: name, node: cache.nodes[ObjectKey(name: name)],
            topologies: cache.topologies.objects(by: .node, name), namesake: namesake)
        for topology in snapshot.topologies { tellFresh(topology) }
        var failure: KubernetesError?
        for step in snapshot.decide() {
            // A failure with one does not keep another from being seen to.
            do { try await take(step, for: name) } catch  where error.reason == .notFound {} catch { failure = error }
        }
        guard let failure else { return }
        if failure.reason != .conflict && failure != .cancelled {
            log.warning("a topology could not be changed", metadata: ["node": "\(name)", "reason": "\(failure)"])
        }
        throw failure
    }

    private func take(_ step: TopologySnapshot.Step, for name: String) async throws(KubernetesError) {
        switch step {
        case .create(let topology): try await create(topology, for: name)
        case .own(let topology, let wasOthers):
            guard let node = cache.nodes[ObjectKey(name: name)] else { return }
            let owned = try await topologies.patch(topology.metadata.name, topology.patch(owner: node))
            if wasOthers { try await write(.needsSync, to: owned) }
        case .setStatus(let topology, let status):
            try await write(status, to: topology)
            guard status == .nodeNotFound else { return }
            events.record(
                .warning, topology, reason: "NodeNotFound", message: "Node \(topology.nodeName) not found")
        case .delete(let topology): try await delete(topology, of: name)
        case .reportClash(let topology): reportClash(topology, with: name)
        }
    }

    private func create(_ topology: NodeCPUTopology, for name: String) async throws(KubernetesError) {
        let created: NodeCPUTopology
        do { created = try await topologies.create(topology) } catch {
            guard error.reason == .alreadyExists else { throw error }
            let existing = try await topologies.get(topology.metadata.name)
            // One for this node is on its way to the copy.
            if existing.nodeName != name { reportClash(existing, with: name) }
            return
        }
        try await write(.needsSync, to: created)
    }

    private func write(
        _ status: NodeCPUTopology.ResourceStatus, to topology: NodeCPUTopology
    ) async throws(KubernetesError) {
        _ = try await topologies.patch(
            topology.metadata.name, topology.patch(status: status), subresource: "status")
    }

    /// Deletes a topology whose node is gone. The copy of the nodes may be behind, so the server is asked first.
    private func delete(_ topology: NodeCPUTopology, of name: String) async throws(KubernetesError) {
        do {
            _ = try await nodes.get(name)
            return
        } catch {
            guard error.reason == .notFound else { throw error }
        }
        try await topologies.delete(
            topology.metadata.name,
            .init(uid: topology.metadata.uid, resourceVersion: topology.metadata.resourceVersion))
    }

    // MARK: - Events

    private func reportClash(_ topology: NodeCPUTopology, with name: String) {
        let message =
            "node \(name) gets no topology: the name of this object is that of node \(name), and its nodeName is "
            + "\(topology.nodeName.isEmpty ? "empty" : topology.nodeName)"
        log.error("\(message)", metadata: ["topology": "\(topology.metadata.name)"])
        events.record(.warning, topology, reason: "NameClash", message: message)
    }

    private func tellFresh(_ topology: NodeCPUTopology) {
        guard fresh.withLock({ $0.remove(topology.metadata.name) }) != nil, let facts = NodeFacts(topology) else {
            return
        }
        events.record(
            .normal, topology, reason: "Fresh",
            message: "Topology is up to date, CPUs: \(numberList(facts.topology.cpus))")
    }
}
