import Bindings
import Cluster
import KubernetesClient

/// A kube-scheduler: pods of the profile `maestro` go through the extender, others to any node that is ready. A pod that did not
/// get a node comes back later.
final class SimulatedScheduler {
    private unowned let world: ClusterSimulation
    private var pods: WatchedCopy<Pod>?
    private var nodes: WatchedCopy<Node>?
    /// The uids of pods whose bind is under way, or that wait for their next try.
    private var busy: Set<String> = []
    private var isOver = false

    init(_ world: ClusterSimulation) {
        self.world = world
        nodes = WatchedCopy(world, .nodes) { _ in }
        pods = WatchedCopy(world, .pods) { [unowned self] change in
            if case .deleted = change { return }
            look(at: change.object)
        }
    }

    /// Asks for nothing any more.
    func end() {
        isOver = true
        pods?.end()
        nodes?.end()
    }

    private func look(at pod: Pod) {
        guard !isOver, pod.nodeName == nil, !pod.metadata.isBeingDeleted, busy.insert(pod.metadata.uid).inserted else {
            return
        }
        attempt(pod.key, pod.metadata.uid)
    }

    private func again(_ key: ServerKey, _ uid: String) {
        world.after(500 + world.chance(5_000)) { [weak self] in self?.attempt(key, uid) }
    }

    private func attempt(_ key: ServerKey, _ uid: String) {
        guard !isOver, let pod = pods?[key], pod.metadata.uid == uid, pod.nodeName == nil, !pod.metadata.isBeingDeleted
        else {
            busy.remove(uid)
            return
        }
        let ready = (nodes?.sorted ?? []).filter(\.isReady).map(\.metadata.name)
        guard !ready.isEmpty else { return again(key, uid) }
        let shift = world.chance(ready.count)
        let names = Array(ready[shift...] + ready[..<shift])
        let isOurs = pod.schedulerName == "maestro"
        guard isOurs else {
            return world.call { [world] () throws(ModelServer.Failure) in
                try world.server.bind(key, uid: uid, to: names[0])
            } then: { [weak self] _ in
                self?.again(key, uid)
            }
        }
        guard let extender = world.extender, extender.isReady else { return again(key, uid) }
        let request = PodRequest(pod)
        let fitting = extender.filter(request, names)
        guard !fitting.isEmpty else { return again(key, uid) }
        let scores = extender.prioritize(request, fitting)
        let best = zip(fitting, scores).max { $0.1 < $1.1 }?.0 ?? fitting[0]
        extender.bind(request, to: best) { [weak self] failure in
            // A pod that is bound is bound, whenever a watch says so.
            guard let self, let failure else { return }
            world.note("\(key) is not bound: \(failure)")
            again(key, uid)
        }
    }
}
