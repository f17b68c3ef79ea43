/// Where the extender is asked what.
package struct ExtenderPaths: Sendable {
    private let service: ExtenderService
    private let prefix: String

    /// The paths of an extender.
    ///
    /// - Parameter prefix: what stands before `/filter`, `/prioritize` and `/bind`, as the path of the scheduler's `urlPrefix`.
    package init(_ extender: Extender, prefix: String) {
        service = extender.service
        let parts = prefix.split(separator: "/")
        self.prefix = parts.isEmpty ? "" : "/" + parts.joined(separator: "/")
    }

    /// The bounds of the server that serves them.
    package static var limits: HTTPListener.Limits {
        var limits = HTTPListener.Limits()
        limits.body = ExtenderArgs.limit
        return limits
    }

    /// Answers a request.
    package func respond(to request: ServedRequest) async -> ServedAnswer {
        if let health = HealthPaths.answer(request, isReady: service.isReady()) { return health }
        guard request.path.hasPrefix(prefix + "/"),
            let verb = ExtenderService.Verb(rawValue: String(request.path.dropFirst(prefix.count + 1)))
        else {
            let known = ExtenderService.Verb.allCases.map { "\(prefix)/\($0.rawValue)" } + HealthPaths.all
            return ServedAnswer(404, line: "not found; there are \(known.joined(separator: ", "))")
        }
        guard request.method == "POST" else { return ServedAnswer(405, line: "questions are sent with POST") }
        let answer = await service.answer(verb, request.body)
        return ServedAnswer(
            answer.status, answer.status == 200 ? "application/json" : "text/plain; charset=utf-8", answer.body)
    }
}
