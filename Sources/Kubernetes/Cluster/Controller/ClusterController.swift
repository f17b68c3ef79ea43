package import KubernetesClient
package import Logging
import Synchronization

/// The controllers of a cluster, their copies of its objects, and what they tell. Of several such programs one leads.
package final class ClusterController: Sendable {
    /// How it works.
    package struct Settings: Sendable {
        /// How it becomes the one that leads; nil for one that is alone.
        package var election: LeaderElection.Settings?
        /// How the copies are kept.
        package var reflector = Reflector.Settings()
        /// How often what fails is tried again.
        package var limits = WorkQueueLimits.controller
        /// How many bindings are worked on at a time.
        package var workers = 16

        /// A controller that is alone.
        package init() {}
    }

    /// The name of the lease, which is actimanager's: the two never work at the same time.
    package static let lease = "8652a9f3.cslab.ece.ntua.gr"

    let cache: ClusterCache
    let bindings: BindingController
    let topologies: TopologyController
    let metrics = ControllerMetrics()
    private let recorders: [EventRecorder]
    private let elector: LeaderElector?
    private let workers: Int
    private let log: Logger
    private let works = Mutex(false)

    /// A controller, which does nothing before ``run()``.
    package init(
        _ client: ClusterClient, _ settings: Settings = Settings(), log: Logger, system: SystemAccess = .real
    ) {
        cache = ClusterCache(
            client, settings: settings.reflector,
            onFailure: { kind, error in
                log.warning("a copy is not up to date", metadata: ["kind": "\(kind)", "reason": "\(error)"])
            }, onRecovery: { log.notice("the copy is up to date again", metadata: ["kind": "\($0)"]) })
        recorders = [BindingController.name, TopologyController.name].map { name in
            EventRecorder(client, component: "\(name)-controller") { error in
                log.debug("an event is lost", metadata: ["reason": "\(error)"])
            }
        }
        bindings = BindingController(
            client, cache, events: recorders[0], metrics: metrics, log: log, limits: settings.limits, system: system)
        topologies = TopologyController(
            client, cache, events: recorders[1], metrics: metrics, log: log, limits: settings.limits, system: system)
        elector = settings.election.map { election in
            LeaderElector(
                client, election,
                onLeader: { log.notice("the leader changed", metadata: ["leader": "\($0 ?? "nobody")"]) },
                onFailure: { error in
                    // Where several begin at once, all but one come too late: that is no failure.
                    let isLate = error.reason == .alreadyExists || error.reason == .conflict
                    log.log(
                        level: isLate ? .info : .warning, "the lease cannot be written",
                        metadata: ["reason": "\(error)"])
                })
        }
        workers = settings.workers
        self.log = log
    }

    /// Whether the cluster has been read, so that it could lead at once.
    package var isReady: Bool { cache.hasSynced }

    /// Whether it works: it leads, or is alone.
    package var isWorking: Bool { works.withLock { $0 } }

    /// Whether nothing waits to be worked on.
    package var isIdle: Bool { bindings.waiting == 0 && topologies.waiting == 0 }

    /// Works until the task is cancelled.
    package func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [cache] in await cache.run() }
            for recorder in recorders { group.addTask { await recorder.run() } }
            group.addTask { [self] in
                guard let elector else { return await work() }
                var wasLost = false
                while !Task.isCancelled {
                    do throws(LeaderElector.Lost) {
                        try await elector.run { [self, wasLost] in
                            if wasLost { log.notice("this controller leads again") }
                            await work()
                        }
                    } catch {
                        log.error("the lease was lost; another may lead now")
                        wasLost = true
                    }
                }
            }
        }
    }

    private func work() async {
        works.withLock { $0 = true }
        async let bindings: Void = bindings.run(workers: workers)
        async let topologies: Void = topologies.run()
        _ = await (bindings, topologies)
        works.withLock { $0 = false }
    }
}
