import Bindings
import Cluster
import KubernetesClient

/// One of the programs `berth-cluster controller`, of which one leads, or for a moment two.
final class SimulatedController {
    private unowned let world: ClusterSimulation
    let name: String
    /// How far its clock is from the server's, in seconds.
    let skew: Int
    private(set) var leads = false
    private var term = 0
    private var facts = ClusterFacts()
    private var isLive = false
    private var queue = WorkQueueCore<Bindings.ObjectKey>(.controller)
    private var topologyQueue = WorkQueueCore<String>(.controller)
    private var inHand: Set<Bindings.ObjectKey> = []
    private var nodesInHand: Set<String> = []
    private var alarm: Int?

    private var pods: WatchedCopy<Pod>?
    private var nodes: WatchedCopy<Node>?
    private var bindings: WatchedCopy<PodCPUBinding>?
    private var topologies: WatchedCopy<NodeCPUTopology>?

    init(_ world: ClusterSimulation, name: String, skew: Int) {
        (self.world, self.name, self.skew) = (world, name, skew)
        start()
    }

    /// Begins anew, knowing nothing.
    func restart() {
        world.note("\(name) restarts")
        let led = leads
        resign()
        for copy in [pods, nodes, bindings, topologies] as [(any Pokable)?] { copy?.end() }
        (facts, isLive) = (ClusterFacts(), false)
        (queue, topologyQueue) = (WorkQueueCore(.controller), WorkQueueCore(.controller))
        start()
        if led { lead() }
    }

    func lead() {
        guard !leads else { return }
        world.note("\(name) leads")
        leads = true
        term += 1
        work()
    }

    /// Does not lead any more. What is under way may still be carried out by the server.
    func resign() {
        guard leads else { return }
        world.note("\(name) does not lead any more")
        leads = false
        term += 1
        for key in inHand.sorted() {
            queue.addRateLimited(key, now: time)
            queue.done(key)
        }
        for name in nodesInHand.sorted() {
            topologyQueue.addRateLimited(name, now: time)
            topologyQueue.done(name)
        }
        (inHand, nodesInHand) = ([], [])
    }

    private var time: Duration { .milliseconds(world.now) }

    private func start() {
        let onList = { [unowned self] in work() }
        nodes = WatchedCopy(world, .nodes, onList: onList) { [unowned self] change in
            let node: Node? = if case .deleted = change { nil } else { change.object }
            note { $0.set(node: change.key.name, isReady: node?.isReady) }
            topologyQueue.add(change.key.name)
            work()
        }
        topologies = WatchedCopy(world, .topologies, indexers: [.node], onList: onList) { [unowned self] change in
            var names: Set = [change.object.nodeName]
            if case .updated(let old, _) = change { names.insert(old.nodeName) }
            for name in names.sorted() {
                let effective = NodeCPUTopology.effective(topologies?.store.objects(by: "node", name) ?? [])
                note { $0.set(topologyOf: name, effective.flatMap { NodeFacts($0) }) }
                topologyQueue.add(name)
            }
            work()
        }
        pods = WatchedCopy(world, .pods, transform: \.trimmed, onList: onList) { [unowned self] change in
            let pod: Pod? = if case .deleted = change { nil } else { change.object }
            note { $0.set(pod: ObjectKey(change.key), pod.map { PodFacts($0) }) }
        }
        bindings = WatchedCopy(world, .bindings, onList: onList) { [unowned self] change in
            let binding: PodCPUBinding? = if case .deleted = change { nil } else { change.object }
            note { $0.set(ObjectKey(change.key), binding) }
        }
    }

    private func note(_ change: (inout ClusterFacts) -> Set<Bindings.ObjectKey>) {
        let affected = change(&facts)
        if isLive { for key in affected.sorted() { queue.add(key) } }
        work()
    }

    // MARK: - Work

    private func work() {
        guard leads, pods?.hasSynced == true, nodes?.hasSynced == true, bindings?.hasSynced == true,
            topologies?.hasSynced == true
        else { return }
        if !isLive {
            isLive = true
            for key in facts.keys { queue.add(key) }
        }
        var due: Duration?
        steps: while inHand.count < 4 {
            switch queue.next(now: time) {
            case .work(let key): reconcile(key)
            case .wait(let until):
                due = until
                break steps
            case .ended: return
            }
        }
        names: while nodesInHand.count < 4 {
            switch topologyQueue.next(now: time) {
            case .work(let name): reconcile(node: name)
            case .wait(let until):
                due = [due, until].compactMap { $0 }.min()
                break names
            case .ended: return
            }
        }
        guard let due else { return }
        let at = due.milliseconds + 1
        guard alarm.map({ at < $0 || $0 <= world.now }) ?? true else { return }
        alarm = at
        world.after(at - world.now) { [weak self] in self?.work() }
    }

    private func done(_ key: Bindings.ObjectKey, _ term: Int, failed: Bool) {
        guard term == self.term else { return }
        inHand.remove(key)
        if failed { queue.addRateLimited(key, now: time) } else { queue.forget(key) }
        queue.done(key)
        work()
    }

    private func reconcile(_ key: Bindings.ObjectKey) {
        let term = term
        inHand.insert(key)
        guard let question = facts.question(about: key) else { return done(key, term, failed: false) }
        let action = world.rules.decide(question.snapshot)
        facts.decided(key, waits: action.waits)
        let object = question.object
        if action.deletesBinding { return delete(object, question.snapshot.binding, key, term) }
        let now = Timestamp(microseconds: world.serverTime.microseconds + skew * 1_000_000)
        let isOfFinalizer = action.finalizer != nil
        guard let patch = isOfFinalizer ? action.finalizerPatch(of: object) : action.statusPatch(of: object, now: now)
        else { return done(key, term, failed: false) }
        world.call { [world] () throws(ModelServer.Failure) in
            let changed = try world.server.patch(.bindings, object.key, patch, status: !isOfFinalizer)
            world.note(
                "\(self.name): \(object.key) \(action.status.map { "\($0.reason)" } ?? "") \(action.claim.map { "\($0)" } ?? "")"
            )
            return changed
        } then: { [weak self] result in
            guard let self, term == self.term else { return }
            switch result {
            case .success(let changed):
                let changed = PodCPUBinding(json: changed)
                if action.finalizer != .remove || !changed.metadata.finalizers.isEmpty { note { $0.changed(changed) } }
                done(key, term, failed: false)
            case .failure(let failure): done(key, term, failed: failure != .notFound)
            }
        }
    }

    private func delete(_ object: PodCPUBinding, _ binding: Binding?, _ key: Bindings.ObjectKey, _ term: Int) {
        let podKey = KubernetesClient.ObjectKey(namespace: key.namespace, name: object.podName)
        world.call { [world] () throws(ModelServer.Failure) in
            world.server[.pods, podKey].map { Pod(json: $0) }
        } then: {
            [weak self] result in
            guard let self, term == self.term else { return }
            guard case .success(let pod) = result else { return done(key, term, failed: true) }
            guard binding?.isOver(with: pod) ?? true else { return done(key, term, failed: false) }
            world.call { [world] () throws(ModelServer.Failure) in
                try world.server.delete(.bindings, object.key, uid: object.metadata.uid, now: world.serverTime)
                world.note("\(self.name) deletes \(object.key)")
            } then: { [weak self] result in
                guard let self else { return }
                switch result {
                case .success, .failure(.notFound), .failure(.conflict): done(key, term, failed: false)
                case .failure: done(key, term, failed: true)
                }
            }
        }
    }

    // MARK: - Topologies

    private func reconcile(node name: String) {
        nodesInHand.insert(name)
        let snapshot = TopologySnapshot(
            name: name, node: nodes?[KubernetesClient.ObjectKey(name: name)],
            topologies: topologies?.store.objects(by: "node", name) ?? [],
            namesake: topologies?[KubernetesClient.ObjectKey(name: NodeCPUTopology.name(ofNode: name))])
        take(snapshot.decide()[...], of: name, term, failed: false)
    }

    private func take(_ steps: ArraySlice<TopologySnapshot.Step>, of name: String, _ term: Int, failed: Bool) {
        guard term == self.term else { return }
        guard let step = steps.first else {
            nodesInHand.remove(name)
            if failed { topologyQueue.addRateLimited(name, now: time) } else { topologyQueue.forget(name) }
            topologyQueue.done(name)
            return work()
        }
        let then = { [weak self] (result: Result<Void, ModelServer.Failure>) in
            var isBad = failed
            if case .failure(let failure) = result, failure != .notFound { isBad = true }
            self?.take(steps.dropFirst(), of: name, term, failed: isBad)
        }
        switch step {
        case .create(let topology):
            change { server, now throws(ModelServer.Failure) in
                try server.create(.topologies, topology.json, now: now)
            } then: { [weak self] result in
                switch result {
                case .success(let created): self?.write(.needsSync, to: created, then: then)
                case .failure(let failure): then(failure == .alreadyExists ? .success(()) : .failure(failure))
                }
            }
        case .own(let topology, let wasOthers):
            guard let node = nodes?[KubernetesClient.ObjectKey(name: name)] else { return then(.success(())) }
            change { server, _ throws(ModelServer.Failure) in
                try server.patch(.topologies, topology.key, topology.patch(owner: node))
            } then: { [weak self] result in
                switch result {
                case .success(let owned) where wasOthers: self?.write(.needsSync, to: owned, then: then)
                case .success: then(.success(()))
                case .failure(let failure): then(.failure(failure))
                }
            }
        case .setStatus(let topology, let status): write(status, to: topology, then: then)
        case .delete(let topology):
            world.call { [world] () throws(ModelServer.Failure) in
                world.server[.nodes, KubernetesClient.ObjectKey(name: name)] != nil
            } then: { [weak self] result in
                switch result {
                case .success(true): then(.success(()))
                case .failure(let failure): then(.failure(failure))
                case .success(false):
                    self?.world.call { [weak self] () throws(ModelServer.Failure) in
                        guard let world = self?.world else { return }
                        try world.server.delete(
                            .topologies, topology.key, uid: topology.metadata.uid,
                            version: topology.metadata.resourceVersion, now: world.serverTime)
                    } then: {
                        then($0)
                    }
                }
            }
        case .reportClash: then(.success(()))
        }
    }

    private func change(
        _ body: @escaping (inout ModelServer, Timestamp) throws(ModelServer.Failure) -> JSONValue,
        then: @escaping (Result<NodeCPUTopology, ModelServer.Failure>) -> Void
    ) {
        world.call { [world] () throws(ModelServer.Failure) in
            NodeCPUTopology(json: try body(&world.server, world.serverTime))
        } then: {
            then($0)
        }
    }

    private func write(
        _ status: NodeCPUTopology.ResourceStatus, to topology: NodeCPUTopology,
        then: @escaping (Result<Void, ModelServer.Failure>) -> Void
    ) {
        change { server, _ throws(ModelServer.Failure) in
            try server.patch(.topologies, topology.key, topology.patch(status: status), status: true)
        } then: {
            then($0.map { _ in })
        }
    }
}

extension Duration {
    /// In whole milliseconds.
    var milliseconds: Int { Int(components.seconds) * 1_000 + Int(components.attoseconds / 1_000_000_000_000_000) }
}
