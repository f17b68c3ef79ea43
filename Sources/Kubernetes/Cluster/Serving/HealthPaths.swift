/// The health checks of a program: `/healthz` says that it runs, `/readyz` that it has read the cluster.
package enum HealthPaths {
    static let all = ["/healthz", "/readyz"]

    /// The answer to a health check; nil for another path.
    package static func answer(_ request: ServedRequest, isReady: Bool) -> ServedAnswer? {
        guard all.contains(request.path) else { return nil }
        guard request.method == "GET" || request.method == "HEAD" else {
            return ServedAnswer(405, line: "only GET and HEAD are served")
        }
        if request.path == "/readyz", !isReady { return ServedAnswer(503, line: "the cluster has not been read yet") }
        return ServedAnswer(200, line: "ok")
    }
}
