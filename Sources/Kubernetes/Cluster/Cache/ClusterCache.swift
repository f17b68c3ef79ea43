package import KubernetesClient
import Synchronization

/// Copies of the objects of a cluster that decisions depend on, each cut to what they depend on.
package final class ClusterCache: Sendable {
    /// The pods of all nodes.
    package let pods: Informer<Pod>
    /// The nodes.
    package let nodes: Informer<Node>
    /// The topologies of the nodes.
    package let topologies: Informer<NodeCPUTopology>
    /// The bindings of all namespaces.
    package let bindings: Informer<PodCPUBinding>

    /// Copies that are empty before ``run()``.
    ///
    /// - Parameters:
    ///   - onFailure: is told which objects could not be listed or watched, and why; that is tried again.
    ///   - onRecovery: is told which of them are listed or watched again.
    package init(
        _ client: ClusterClient, settings: Reflector.Settings = .init(),
        onFailure: @escaping @Sendable (String, KubernetesError) -> Void = { _, _ in },
        onRecovery: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        func failed(_ name: String) -> @Sendable (KubernetesError) -> Void { { onFailure(name, $0) } }
        func recovered(_ name: String) -> @Sendable () -> Void { { onRecovery(name) } }
        pods = Informer(
            client.resources(Pod.self), settings: settings, transform: \.trimmed, onFailure: failed("pods"),
            onRecovery: recovered("pods"))
        nodes = Informer(
            client.resources(Node.self), settings: settings, transform: \.trimmed, onFailure: failed("nodes"),
            onRecovery: recovered("nodes"))
        let pool = TopologyPool()
        topologies = Informer(
            client.resources(NodeCPUTopology.self), indexers: [.node], settings: settings,
            transform: { pool.shared($0.withoutManagedFields) }, onFailure: failed("nodecputopologies"),
            onRecovery: recovered("nodecputopologies"))
        bindings = Informer(
            client.resources(PodCPUBinding.self), settings: settings, transform: \.withoutManagedFields,
            onFailure: failed("podcpubindings"), onRecovery: recovered("podcpubindings"))
    }

    /// Keeps the copies until the task is cancelled. To be called once.
    package func run() async {
        async let pods: Void = pods.run()
        async let nodes: Void = nodes.run()
        async let topologies: Void = topologies.run()
        async let bindings: Void = bindings.run()
        _ = await (pods, nodes, topologies, bindings)
    }

    /// Whether all copies have been complete once.
    package var hasSynced: Bool {
        pods.hasSynced && nodes.hasSynced && topologies.hasSynced && bindings.hasSynced
    }

    /// Waits until all copies have been complete once.
    ///
    /// - Returns: Whether they were; false where the task is cancelled.
    package func waitUntilSynced() async -> Bool {
        guard await nodes.waitUntilSynced(), await topologies.waitUntilSynced() else { return false }
        guard await pods.waitUntilSynced() else { return false }
        return await bindings.waitUntilSynced()
    }
}

/// Lets topologies that are the same share their memory: the nodes of a cluster have few shapes.
private final class TopologyPool: Sendable {
    /// By their bytes. Emptied where there are too many, which costs memory alone.
    private let known = Mutex<[[UInt8]: JSONValue]>([:])

    func shared(_ object: NodeCPUTopology) -> NodeCPUTopology {
        guard let topology = object.json["spec"]?["topology"] else { return object }
        let bytes = topology.bytes
        let shared = known.withLock { known in
            if let same = known[bytes] { return same }
            if known.count >= 256 { known = [:] }
            known[bytes] = topology
            return topology
        }
        var (object, spec) = (object, object.json["spec"] ?? .null)
        spec["topology"] = shared
        object.json["spec"] = spec
        return object
    }
}
