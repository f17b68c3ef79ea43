package import Bindings
package import KubernetesClient

/// The extender of a kube-scheduler: keeps what it knows of the cluster up to date, and answers questions.
package final class Extender: Sendable {
    /// What an operator may choose.
    package struct Settings: Sendable {
        /// The arguments of the scheduler's plugin.
        package var args = WorkloadAwareArgs()
        /// The scheduler whose pods get CPUs.
        package var schedulerName = "maestro"
        /// How long a pod has to be bound once its binding is there, before the binding is taken back.
        package var grace = Duration.seconds(60)
        /// How long a pod is tried to be bound while the API server does not say whether it is. Well below ``grace``, which may
        /// be that of another extender.
        package var patience = Duration.seconds(20)

        /// The defaults.
        package init() {}
    }

    private let topologies: Informer<NodeCPUTopology>
    private let bindings: Informer<PodCPUBinding>
    private let state: ExtenderState
    private let checks: BindingChecks
    private let turns = Turns<KubernetesClient.ObjectKey>()
    let figures = ExtenderFigures()
    let service: ExtenderService

    /// An extender, which knows nothing before ``run()``.
    ///
    /// - Parameters:
    ///   - client: reads the cluster.
    ///   - changing: makes bindings; its limit of time is what a bind waits for at most at each step. Nil for `client`.
    ///   - onFailure: is told which objects of the cluster cannot be read, and why.
    ///   - onRecovery: is told which of them can be read again.
    package init(
        _ client: ClusterClient, changing: ClusterClient? = nil, _ settings: Settings = Settings(),
        onFailure: @escaping @Sendable (String, KubernetesError) -> Void = { _, _ in },
        onRecovery: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        let changing = changing ?? client
        let state = ExtenderState(settings.args)
        let topologies = Informer(
            client.resources(NodeCPUTopology.self), indexers: [.node], transform: { $0.withoutManagedFields },
            onFailure: { onFailure("nodecputopologies", $0) }, onRecovery: { onRecovery("nodecputopologies") })
        let bindings = Informer(
            client.resources(PodCPUBinding.self), transform: { $0.withoutManagedFields },
            onFailure: { onFailure("podcpubindings", $0) }, onRecovery: { onRecovery("podcpubindings") })
        let checks = BindingChecks(state, bindings, changing, turns, grace: settings.grace)
        self.state = state
        self.topologies = topologies
        self.bindings = bindings
        self.checks = checks
        service = ExtenderService(
            state: state,
            binder: Binder(
                state: state, client: changing, turns: turns, schedulerName: settings.schedulerName,
                patience: settings.patience, lookAgain: { checks.later($0) }),
            figures: figures, schedulerName: settings.schedulerName,
            isReady: { topologies.hasSynced && bindings.hasSynced })
        topologies.addHandler { [weak topologies] change in
            var names: Set = [change.object.nodeName]
            if case .updated(let old, _) = change { names.insert(old.nodeName) }
            for name in names {
                let all = topologies?.objects(by: .node, name) ?? []
                state.topology(ofNode: name, is: NodeCPUTopology.effective(all))
            }
        }
        bindings.addHandler { change in
            if case .deleted = change { state.forget(change.key) } else { state.see(change.object) }
            checks.note(change)
        }
    }

    /// Whether the cluster has been read, and questions are answered.
    package var isReady: Bool { service.isReady() }

    /// How many nodes and bindings it knows, and choices that are not seen yet.
    package var known: (nodes: Int, bindings: Int, pending: Int) { state.figures }
    /// How many pods are being bound.
    var bindsInFlight: Int { turns.count }
    /// How many bindings it has taken back because their pods were never bound.
    package var takenBack: Int { checks.count }

    /// Keeps what is known up to date until the task is cancelled.
    package func run() async {
        await withTaskGroup(of: Void.self) { [topologies, bindings, checks] group in
            group.addTask { await topologies.run() }
            group.addTask { await bindings.run() }
            group.addTask {
                // What is there is known before anything is taken back.
                guard await topologies.waitUntilSynced(), await bindings.waitUntilSynced() else { return }
                await checks.run()
            }
        }
    }
}
