import Glibc
import KubernetesClient

/// Prints the pods of a namespace and follows its bindings, or binds a pod to CPUs:
///
///     kubernetes-client-example follow NAMESPACE
///     kubernetes-client-example bind NAMESPACE POD CPU...
///
/// The text of `docs/kubernetes-client.md` shows parts of it.
@main
struct Example {
    static func main() async throws {
        let arguments = CommandLine.arguments.dropFirst()
        let client = ClusterClient(try .standard())
        switch (arguments.first, arguments.dropFirst().first) {
        case ("follow", let namespace?):
            try await printPods(client, namespace)
            await follow(client, namespace)
        case ("bind", let namespace?) where arguments.count > 3:
            let cpus = arguments.dropFirst(3).compactMap { Int($0) }
            try await bind(client, namespace, pod: arguments[arguments.startIndex + 2], to: cpus)
        default: print("usage: kubernetes-client-example follow NAMESPACE | bind NAMESPACE POD CPU...")
        }
        await client.close()
    }

    static func printPods(_ client: ClusterClient, _ namespace: String) async throws {
        let pods = client.resources(Pod.self)
        for pod in try await pods.list(Selection(namespace: namespace)).items {
            let cpus = pod.containers.compactMap { $0.requests["cpu"]?.milli }.reduce(0, +)
            say("\(pod.key) on \(pod.nodeName ?? "no node"): \(cpus) thousandths of a CPU")
        }
    }

    static func bind(_ client: ClusterClient, _ namespace: String, pod: String, to cpus: [Int]) async throws {
        var binding = PodCPUBinding(name: "\(pod)-pcb", namespace: namespace)
        binding.podName = pod
        binding.cpuSet = cpus
        binding.exclusivenessLevel = .cpu
        do {
            let made = try await client.resources(PodCPUBinding.self).create(binding)
            say("\(made.key) has the version \(made.metadata.resourceVersion)")
        } catch {
            switch error.reason {
            case .alreadyExists: say("\(binding.key) exists")
            case .invalid: for cause in error.status?.causes ?? [] { say("\(cause.field): \(cause.message)") }
            default: throw error
            }
        }
    }

    static func follow(_ client: ClusterClient, _ namespace: String) async {
        let bindings = Informer(
            client.resources(PodCPUBinding.self), Selection(namespace: namespace), indexers: [.node],
            transform: { $0.withoutManagedFields }, onFailure: { say("not up to date: \($0)") })
        let queue = WorkQueue<ObjectKey>()
        bindings.addHandler { queue.add($0.key) }
        await withDiscardingTaskGroup { group in
            group.addTask { await bindings.run() }
            group.addTask {
                await queue.run(workers: 2) { key in
                    guard let binding = bindings[key] else {
                        say("\(key) is gone")
                        return nil
                    }
                    let status = binding.resourceStatus?.rawValue ?? "new"
                    let onNode = bindings.objects(by: .node, binding.nodeName).count
                    say("\(key): \(binding.podName) on CPUs \(binding.cpuSet), \(status); \(onNode) on its node")
                    return nil
                }
            }
        }
    }

    /// A line at once, also where the output is no terminal.
    static func say(_ line: String) {
        print(line)
        fflush(nil)
    }
}
