import DomainRuntime
import HTTPTypes
import NIOCore

/// Renders what is served, on a thread of its own: the threads that serve nodes and controller have no part in it.
///
/// An answer is made once and given to all who ask within a second, so that however many ask, the domain is looked at no more
/// than once a second for each path.
final class StatusPages: Sendable {
    private let loop: any EventLoop
    private let source: StatusSource
    private let patience: TimeAmount
    private let recent: NIOLoopBoundBox<[StatusPath: EventLoopFuture<StatusAnswer>]>

    /// How long an answer is given again.
    private static let freshness = TimeAmount.seconds(1)

    private struct NoView: Error {}

    /// - Parameters:
    ///   - loop: whose thread does the work.
    ///   - patience: how long the domain may take until it is looked at.
    init(_ source: StatusSource, loop: any EventLoop, patience: Duration) {
        self.source = source
        self.loop = loop
        self.patience = TimeAmount(patience)
        recent = .makeBoxSendingValue([:], eventLoop: loop)
    }

    /// The answer to a request.
    func answer(_ method: HTTPRequest.Method, _ target: String) async -> StatusAnswer {
        let path = target.prefix { $0 != "?" && $0 != "#" }
        guard let path = StatusPath(rawValue: String(path)) else {
            let known = StatusPath.allCases.map(\.rawValue).joined(separator: ", ")
            return StatusAnswer(.notFound, line: "There is nothing here; there are: \(known)")
        }
        guard method == .get || method == .head else {
            return StatusAnswer(.methodNotAllowed, line: "Only GET and HEAD are served", [.allow: "GET, HEAD"])
        }
        do { return try await loop.flatSubmit { self.answer(path) }.get() } catch {
            return StatusAnswer(.serviceUnavailable, line: "The domain does not answer")
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
            return look { $0 }.map { view in
                let page = StatusPage.text(source.report(view))
                return StatusAnswer(
                    .ok, "text/html; charset=utf-8", ByteBuffer(string: page),
                    [.contentSecurityPolicy: StatusPage.contentSecurityPolicy])
            }
        case .json:
            return look { $0 }.map { view in
                let json = StatusJSON.bytes(source.report(view))
                return StatusAnswer(.ok, "application/json", ByteBuffer(bytes: json))
            }
        case .metrics:
            // Counted where the records are, which costs the domain less than to give them away.
            return look { DomainFigures($0) }.map { figures in
                let text = MetricsText.text(
                    figures, domainID: source.domainID, version: source.version, redis: source.redis())
                return StatusAnswer(.ok, MetricsText.contentType, ByteBuffer(string: text))
            }
        case .health:
            return look { $0.failure }.map { failure in
                guard let failure else { return StatusAnswer(.ok, line: "ok") }
                return StatusAnswer(.serviceUnavailable, line: "The state cannot be stored: \(failure)")
            }
        }
    }

    /// What is seen of the domain; fails where there is none any more, or where it does not answer in time.
    private func look<Seen: Sendable>(_ see: @escaping @Sendable (DomainSnapshot) -> Seen) -> EventLoopFuture<Seen> {
        let promise = loop.makePromise(of: Seen.self)
        let timeout = loop.scheduleTask(in: patience) { promise.fail(NoView()) }
        source.look { view in
            if let view { promise.succeed(see(view)) } else { promise.fail(NoView()) }
        }
        promise.futureResult.whenComplete { _ in timeout.cancel() }
        return promise.futureResult
    }
}
