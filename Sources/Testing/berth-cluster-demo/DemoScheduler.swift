import KubernetesClient
import WireJSON

/// Schedules the pods of one profile by an extender alone (Kubernetes specification, 4.9): one pod after the other is filtered
/// and prioritized, binds run beside that, and a pod that got no node comes back.
struct DemoScheduler: Sendable {
    private let client: ClusterClient
    private let name: String
    private let extender: ExtenderClient
    private let events: EventRecorder

    init(_ client: ClusterClient, name: String, extender: ExtenderClient) {
        self.client = client
        self.name = name
        self.extender = extender
        events = EventRecorder(client, component: name)
    }

    /// Schedules until the task is cancelled.
    func run() async {
        let nodes = Informer(client.resources(Node.self))
        let pods = Informer(client.resources(Pod.self), Selection(fields: "spec.schedulerName=\(name)"))
        let queue = WorkQueue<ObjectKey>()
        pods.addHandler { queue.add($0.key) }
        await withDiscardingTaskGroup { group in
            group.addTask { await nodes.run() }
            group.addTask { await pods.run() }
            group.addTask { await events.run() }
            group.addTask {
                _ = await nodes.waitUntilSynced()
                await queue.run(workers: 1) { key in
                    guard let pod = pods[key], pod.nodeName == nil, pod.metadata.deletionTimestamp == nil else {
                        return nil
                    }
                    return await self.schedule(pod, among: nodes.all.filter(\.isReady).map(\.metadata.name))
                }
            }
        }
    }

    /// When the pod comes back; nil where it is being bound.
    private func schedule(_ pod: Pod, among nodes: [String]) async -> Duration? {
        do {
            func question(_ names: [String]) -> JSONValue {
                ["Pod": pod.json, "Nodes": .null, "NodeNames": .array(names.map { .string($0) })]
            }
            let filtered = try await extender.ask("filter", question(nodes.shuffled()))
            let fitting = filtered["NodeNames"]?.array?.compactMap(\.string) ?? []
            guard var node = fitting.first else {
                let reasons = ["FailedNodes", "FailedAndUnresolvableNodes"].flatMap { member in
                    filtered[member]?.members?.map { "\($0.name): \($0.value.string ?? "")" } ?? []
                }
                return await later(
                    pod, "0/\(nodes.count) nodes are available: \(reasons.sorted().joined(separator: ", ")).")
            }
            if fitting.count > 1 {
                let scores = try await extender.ask("prioritize", question(fitting)).array ?? []
                let best = scores.max { ($0["Score"]?.integer ?? 0) < ($1["Score"]?.integer ?? 0) }
                node = best?["Host"]?.string ?? node
            }
            let answer = try await extender.ask(
                "bind",
                [
                    "PodName": .string(pod.metadata.name), "PodNamespace": .string(pod.metadata.namespace ?? ""),
                    "PodUID": .string(pod.metadata.uid), "Node": .string(node),
                ])
            if let error = answer["Error"]?.string, !error.isEmpty { return await later(pod, error) }
            say("pod \(pod.key) goes to \(node)")
            return nil
        } catch {
            return await later(pod, "\(error)")
        }
    }

    /// Says in the pod's condition and in an event why it waits, as kube-scheduler does.
    private func later(_ pod: Pod, _ reason: String) async -> Duration? {
        say("pod \(pod.key) waits: \(reason)")
        events.record(.warning, pod, reason: "FailedScheduling", message: reason)
        _ = try? await client.resources(Pod.self).patch(
            pod.metadata.name, namespace: pod.metadata.namespace,
            .strategic([
                "status": [
                    "conditions": [
                        [
                            "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                            "message": .string(reason),
                        ]
                    ]
                ]
            ]), subresource: "status")
        return .seconds(2)
    }
}
