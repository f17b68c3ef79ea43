internal import KubernetesClient
import Service

/// What operators may read of a controller: health and metrics.
package enum ControllerPaths {
    /// Answers a request.
    package static func respond(to request: ServedRequest, _ controller: ClusterController) -> ServedAnswer {
        if let health = HealthPaths.answer(request, isReady: controller.isReady) { return health }
        guard request.path == "/metrics" else {
            return ServedAnswer(404, line: "not found; there are /metrics, /healthz, /readyz")
        }
        guard request.method == "GET" || request.method == "HEAD" else {
            return ServedAnswer(405, line: "only GET and HEAD are served")
        }
        let text = Array(metrics(of: controller).utf8)
        return ServedAnswer(200, "text/plain; version=0.0.4; charset=utf-8", text)
    }

    /// The metrics in the text format of Prometheus. The names that begin with `controller_runtime` and `workqueue` are those
    /// that actimanager's manager has.
    private static func metrics(of controller: ClusterController) -> String {
        var text = Exposition()
        text.family("berth_controller_ready", .gauge, "Whether the cluster has been read.") {
            $0.sample([:], controller.isReady ? 1 : 0)
        }
        text.family("berth_controller_leads", .gauge, "Whether this controller works, and no other.") {
            $0.sample([:], controller.isWorking ? 1 : 0)
        }
        let bindings = counts(controller.cache.bindings.all.map { $0.resourceStatus?.rawValue })
        text.family("berth_controller_bindings", .gauge, "PodCPUBindings by status.") { samples in
            for (status, count) in bindings { samples.sample(["status": status], count) }
        }
        let topologies = counts(controller.cache.topologies.all.map { $0.resourceStatus?.rawValue })
        text.family("berth_controller_topologies", .gauge, "NodeCPUTopologies by status.") { samples in
            for (status, count) in topologies { samples.sample(["status": status], count) }
        }
        text.family("workqueue_depth", .gauge, "Objects that wait to be reconciled.") {
            $0.sample(["name": BindingController.name], controller.bindings.waiting)
            $0.sample(["name": TopologyController.name], controller.topologies.waiting)
        }
        let reconciliations = controller.metrics.reconciliations
        text.family("controller_runtime_reconcile_total", .counter, "Reconciliations by result.") { samples in
            for name in [TopologyController.name, BindingController.name] {
                for isGood in [true, false] {
                    samples.sample(
                        ["controller": name, "result": isGood ? "success" : "error"],
                        reconciliations[.init(controller: name, isGood: isGood)] ?? 0)
                }
            }
        }
        return text.text
    }

    private static func counts(_ statuses: [String?]) -> [(String, Int)] {
        var counts: [String: Int] = [:]
        for status in statuses { counts[status ?? "", default: 0] += 1 }
        return counts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}
