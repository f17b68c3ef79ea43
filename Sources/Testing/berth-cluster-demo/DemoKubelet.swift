import KubernetesClient
import Subprocess
import SystemPackage
import WireJSON

/// Runs the containers of one node's pods, and reports on them.
actor DemoKubelet {
    private let client: ClusterClient
    private let node: String
    private let cgroups: CgroupTree
    private var pods: [ObjectKey: RunningPod] = [:]

    /// A pod whose containers run.
    private struct RunningPod {
        var pod: Pod
        var containers: [String: RunningContainer] = [:]
    }

    /// A container that runs.
    private struct RunningContainer {
        var id: String
        var restarts: Int
        var started: Timestamp
    }

    init(_ client: ClusterClient, node: String, cgroups: CgroupTree) {
        self.client = client
        self.node = node
        self.cgroups = cgroups
    }

    /// Makes the node, or makes it ready again.
    func register(address: String, cpus: Int) async throws {
        let nodes = client.resources(Node.self)
        let new = Node(json: ["metadata": ["name": .string(node), "labels": ["kubernetes.io/hostname": .string(node)]]])
        do { _ = try await nodes.create(new) } catch {
            guard error.reason == .alreadyExists else { throw error }
        }
        let quantities: JSONValue = ["cpu": .string(String(cpus)), "memory": "4Gi", "pods": "110"]
        _ = try await nodes.patch(
            node,
            .merge([
                "status": [
                    "addresses": [["type": "InternalIP", "address": .string(address)]], "capacity": quantities,
                    "allocatable": quantities,
                    "conditions": [
                        [
                            "type": "Ready", "status": "True", "reason": "KubeletReady",
                            "lastTransitionTime": .string(Timestamp.now.description),
                        ]
                    ],
                ]
            ]), subresource: "status")
        say("node \(node) is ready")
    }

    /// Follows the node's pods until the task is cancelled.
    func run() async {
        let informer = Informer(
            client.resources(Pod.self), Selection(fields: "spec.nodeName=\(node)"),
            onFailure: { say("pods cannot be read: \($0)") })
        let queue = WorkQueue<ObjectKey>()
        informer.addHandler { queue.add($0.key) }
        await withDiscardingTaskGroup { group in
            group.addTask { await informer.run() }
            group.addTask {
                await queue.run(workers: 4) { key in
                    await self.follow(key, informer[key])
                    return nil
                }
            }
        }
    }

    private func follow(_ key: ObjectKey, _ pod: Pod?) async {
        if let running = pods[key], running.pod.metadata.uid != pod?.metadata.uid { end(running.pod, key) }
        guard let pod, !pod.isFinished else { return }
        if pod.metadata.deletionTimestamp != nil {
            end(pod, key)
            try? await client.resources(Pod.self).delete(
                pod.metadata.name, namespace: pod.metadata.namespace,
                DeleteOptions(uid: pod.metadata.uid, gracePeriod: .zero))
            say("pod \(key) has ended")
        } else if pods[key] == nil {
            pods[key] = RunningPod(pod: pod)
            for container in pod.containers { start(container, in: pod, key, restarts: 0) }
            await report(key)
        }
    }

    private func start(_ container: Container, in pod: Pod, _ key: ObjectKey, restarts: Int) {
        let id = (0..<4).map { _ in String(UInt64.random(in: .min ... .max), radix: 16) }
            .map { String(repeating: "0", count: 16 - $0.count) + $0 }.joined()
        let directory = cgroups.directory(of: id, in: pod)
        do { try cgroups.make(directory) } catch { return say("container \(container.name) of \(key): \(error)") }
        pods[key]?.containers[container.name] = RunningContainer(id: id, restarts: restarts, started: .now)
        say("container \(container.name) of \(key) starts as \(id.prefix(12))")
        let words = container.json["command"]?.array?.compactMap(\.string) ?? ["sleep", "1000000"]
        Task {
            // The process enters its control group before it becomes the container's program.
            let script = "echo $$ >\"$0/cgroup.procs\" && exec \"$@\""
            _ = try? await Subprocess.run(
                .path("/bin/sh"), arguments: Arguments(["-c", script, directory] + words), output: .discarded,
                error: .discarded)
            self.ended(container, id: id, key)
            try? await Task.sleep(for: .seconds(1))
            await self.restart(container, after: id, key, restarts: restarts + 1)
        }
    }

    private func ended(_ container: Container, id: String, _ key: ObjectKey) {
        guard let pod = pods[key]?.pod else { return }
        cgroups.remove(cgroups.directory(of: id, in: pod))
    }

    private func restart(_ container: Container, after id: String, _ key: ObjectKey, restarts: Int) async {
        guard let running = pods[key], running.containers[container.name]?.id == id else { return }
        start(container, in: running.pod, key, restarts: restarts)
        await report(key)
    }

    private func end(_ pod: Pod, _ key: ObjectKey) {
        guard pods.removeValue(forKey: key) != nil else { return }
        cgroups.remove(cgroups.directory(of: pod))
    }

    /// Writes the pod's status.
    private func report(_ key: ObjectKey) async {
        guard let running = pods[key] else { return }
        let pod = running.pod
        let statuses = pod.containers.compactMap { container -> JSONValue? in
            guard let state = running.containers[container.name] else { return nil }
            return [
                "name": .string(container.name), "image": .string(container.image ?? ""), "imageID": "", "ready": true,
                "started": true, "restartCount": JSONValue(state.restarts),
                "containerID": .string("containerd://\(state.id)"),
                "state": ["running": ["startedAt": .string(state.started.description)]],
            ]
        }
        let condition: (String) -> JSONValue = { type in
            ["type": .string(type), "status": "True", "lastTransitionTime": .string(Timestamp.now.description)]
        }
        do {
            _ = try await client.resources(Pod.self).patch(
                pod.metadata.name, namespace: pod.metadata.namespace,
                .merge([
                    "metadata": ["uid": .string(pod.metadata.uid)],
                    "status": [
                        "phase": "Running", "startTime": .string(Timestamp.now.description),
                        "containerStatuses": .array(statuses),
                        "conditions": ["PodScheduled", "Initialized", "ContainersReady", "Ready"].map(condition).json,
                    ],
                ]), subresource: "status")
        } catch { say("the status of \(key) cannot be written: \(error)") }
    }
}

extension [JSONValue] {
    fileprivate var json: JSONValue { .array(self) }
}
