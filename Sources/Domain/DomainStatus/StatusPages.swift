import DomainRuntime
import HTTPTypes
import NIOCore

/// Renders the responses on its own thread, apart from the threads that serve nodes and the controller.
///
/// A response is cached for a second, so each path reads the domain at most once a second regardless of the number of
/// clients.
final class StatusPages: Sendable {
    private let loop: any EventLoop
    private let source: StatusSource
    private let timeout: TimeAmount
    private let recent: NIOLoopBoundBox<[StatusPath: EventLoopFuture<StatusAnswer>]>

    /// How long a response is cached.
    private static let freshness = TimeAmount.seconds(1)

    private struct NoSnapshot: Error {}

    /// - Parameters:
    ///   - loop: the event loop for the work.
    ///   - timeout: how long the domain may take to provide a snapshot.
    init(_ source: StatusSource, loop: any EventLoop, timeout: Duration) {
        self.source = source
        self.loop = loop
        self.timeout = TimeAmount(timeout)
        recent = .makeBoxSendingValue([:], eventLoop: loop)
    }

    /// The response to a request.
    func answer(_ method: HTTPRequest.Method, _ target: String) async -> StatusAnswer {
        let path = target.prefix { $0 != "?" && $0 != "#" }
        guard let path = StatusPath(rawValue: String(path)) else {
            let known = StatusPath.allCases.map(\.rawValue).joined(separator: ", ")
            return StatusAnswer(.notFound, line: "Not found; available: \(known)")
        }
        guard method == .get || method == .head else {
            return StatusAnswer(.methodNotAllowed, line: "Only GET and HEAD are served", [.allow: "GET, HEAD"])
        }
        do { return try await loop.flatSubmit { self.answer(path) }.get() } catch {
            return StatusAnswer(.serviceUnavailable, line: "The domain does not respond")
        }
    }

    private func answer(_ path: StatusPath) -> EventLoopFuture<StatusAnswer> {
        if let known = recent.value[path] { return known }
        let answer = render(path)
        recent.value[path] = answer
        loop.scheduleTask(in: Self.freshness) { self.recent.value[path] = nil }
        return answer
    }

    private func render(_ path: StatusPath) -> EventLoopFuture<StatusAnswer> {
        let source = source
        switch path {
        case .page:
            return snapshot { $0 }.map { snapshot in
                let page = StatusPage.text(source.report(snapshot))
                return StatusAnswer(
                    .ok, "text/html; charset=utf-8", ByteBuffer(string: page),
                    [.contentSecurityPolicy: StatusPage.contentSecurityPolicy])
            }
        case .json:
            return snapshot { $0 }.map { snapshot in
                let json = StatusJSON.bytes(source.report(snapshot))
                return StatusAnswer(.ok, "application/json", ByteBuffer(bytes: json))
            }
        case .metrics:
            // Counted on the commit thread, which is cheaper than copying the records.
            return snapshot { DomainMetrics($0) }.map { metrics in
                let text = MetricsText.text(
                    metrics, domainID: source.domainID, version: source.version, redis: source.redis())
                return StatusAnswer(.ok, MetricsText.contentType, ByteBuffer(string: text))
            }
        case .health:
            return snapshot { $0.failure }.map { failure in
                guard let failure else { return StatusAnswer(.ok, line: "ok") }
                return StatusAnswer(.serviceUnavailable, line: "The state cannot be stored: \(failure)")
            }
        }
    }

    /// A value from a snapshot of the domain; fails if the domain has stopped or does not respond in time.
    private func snapshot<Value: Sendable>(_ read: @escaping @Sendable (DomainSnapshot) -> Value) -> EventLoopFuture<
        Value
    > {
        let promise = loop.makePromise(of: Value.self)
        let timeout = loop.scheduleTask(in: timeout) { promise.fail(NoSnapshot()) }
        source.withSnapshot { snapshot in
            if let snapshot { promise.succeed(read(snapshot)) } else { promise.fail(NoSnapshot()) }
        }
        promise.futureResult.whenComplete { _ in timeout.cancel() }
        return promise.futureResult
    }
}
