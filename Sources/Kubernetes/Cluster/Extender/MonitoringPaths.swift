/// What operators may read of an extender: health and metrics.
package enum MonitoringPaths {
    /// Answers a request.
    package static func respond(to request: ServedRequest, _ extender: Extender) -> ServedAnswer {
        if let health = HealthPaths.answer(request, isReady: extender.isReady) { return health }
        guard request.path == "/metrics" else {
            return ServedAnswer(404, line: "not found; there are /metrics, \(HealthPaths.all.joined(separator: ", "))")
        }
        guard request.method == "GET" || request.method == "HEAD" else {
            return ServedAnswer(405, line: "only GET and HEAD are served")
        }
        return ServedAnswer(200, ExtenderMetrics.contentType, Array(ExtenderMetrics.text(extender).utf8))
    }
}
