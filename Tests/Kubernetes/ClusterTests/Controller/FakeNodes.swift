import KubernetesClient
import Machine
import Synchronization

/// Plays the agent and the `berthd` of nodes: follows the claims of bindings and reports on them. It never grants a CPU
/// exclusively to two.
final class FakeNodes: Sendable {
    private struct State {
        var granted: [ObjectKey: PodCPUBinding.Claim] = [:]
        var refusal: String?
        var isAway: Set<String> = []
    }

    private let bindings: Informer<PodCPUBinding>
    private let pods: Informer<Pod>
    private let resources: ResourceClient<PodCPUBinding>
    private let queue: WorkQueue<ObjectKey>
    private let state = Mutex(State())
    private let task = Mutex<Task<Void, Never>?>(nil)

    init(_ stage: Stage) throws {
        let client = try stage.client("node")
        resources = client.resources(PodCPUBinding.self)
        bindings = Informer(resources, indexers: [.pod])
        pods = Informer(client.resources(Pod.self))
        var limits = WorkQueueLimits()
        limits.longest = .milliseconds(200)
        limits.perSecond = 1000
        queue = WorkQueue(limits)
        bindings.addHandler { [queue] in queue.add($0.key) }
        pods.addHandler { [queue, bindings] change in
            for binding in bindings.objects(by: .pod, "\(change.key)") { queue.add(binding.key) }
        }
        let running = Task { [self] in
            async let one: Void = bindings.run()
            async let other: Void = pods.run()
            _ = await (bindings.waitUntilSynced(), pods.waitUntilSynced())
            await queue.run(workers: 2) { [self] key in
                try await follow(key)
                return nil
            }
            _ = await (one, other)
        }
        task.withLock { $0 = running }
    }

    func stop() async {
        let running = task.withLock { $0 }
        running?.cancel()
        await running?.value
    }

    /// Refuses every claim that is not granted yet with this text; nil for none.
    var refusal: String? {
        get { state.withLock { $0.refusal } }
        set {
            state.withLock { $0.refusal = newValue }
            for binding in bindings.all { queue.add(binding.key) }
        }
    }

    /// The nodes that do nothing meanwhile.
    var isAway: Set<String> {
        get { state.withLock { $0.isAway } }
        set {
            state.withLock { $0.isAway = newValue }
            for binding in bindings.all { queue.add(binding.key) }
        }
    }

    /// What is granted, by the name of the binding.
    var granted: [String: String] {
        state.withLock { state in Dictionary(uniqueKeysWithValues: state.granted.map { ($0.key.name, $0.value.cpus) }) }
    }

    private func follow(_ key: ObjectKey) async throws {
        guard let binding = bindings[key] else {
            state.withLock { state in
                state.granted[key] = nil
                retry(&state, but: key)
            }
            return
        }
        guard !state.withLock({ $0.isAway.contains(binding.nodeName) }) else { return }
        let report = report(on: binding, key)
        guard report != binding.nodeReport, report != nil || binding.nodeReport != nil else { return }
        _ = try await resources.patch(
            key.name, namespace: key.namespace, PodCPUBinding.patch(reporting: report), subresource: "status")
    }

    private func report(on binding: PodCPUBinding, _ key: ObjectKey) -> PodCPUBinding.NodeReport? {
        let pod = pods[ObjectKey(namespace: key.namespace, name: binding.podName)]
        let running = pod?.containerStatuses.filter(\.isRunning).compactMap(\.containerID).sorted() ?? []
        return state.withLock { state in
            guard let claim = binding.claim, binding.claim?.podUID == pod?.metadata.uid else {
                if state.granted.removeValue(forKey: key) != nil { retry(&state, but: key) }
                return binding.nodeReport == nil ? nil : .init(.released)
            }
            if state.granted[key] != claim {
                let reason = state.refusal ?? clash(of: claim, key, on: binding.nodeName, state)
                if let reason { return .init(.refused, claim: claim, held: state.granted[key], message: reason) }
                state.granted[key] = claim
                retry(&state, but: key)
            }
            return .init(.enforced, claim: claim, containers: running)
        }
    }

    /// What was refused is looked at again, since something has changed.
    private func retry(_ state: inout State, but key: ObjectKey) {
        for binding in bindings.all where binding.key != key && binding.nodeReport?.state == .refused {
            queue.add(binding.key)
        }
    }

    private func clash(
        of claim: PodCPUBinding.Claim, _ key: ObjectKey, on node: String, _ state: State
    ) -> String? {
        for (other, granted) in state.granted where other != key && bindings[other]?.nodeName == node {
            let (own, others) = (sets(claim), sets(granted))
            if !own.exclusive.isDisjoint(with: others.all) || !others.exclusive.isDisjoint(with: own.all) {
                return "\(other.name) holds \(granted.cpus)"
            }
        }
        return nil
    }

    private func sets(_ claim: PodCPUBinding.Claim) -> (exclusive: CPUSet, all: CPUSet) {
        let exclusive = (try? CPUSet(list: claim.exclusive)) ?? []
        return (exclusive, exclusive.union((try? CPUSet(list: claim.cpus)) ?? []))
    }
}
