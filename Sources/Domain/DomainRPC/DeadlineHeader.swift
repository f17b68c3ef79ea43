import GRPCCore

/// Tells the peer how long its answer is waited for. The library does that for calls that it times itself; ours are timed
/// together by ``Deadlines``.
struct DeadlineHeader: ClientInterceptor {
    func intercept<Input: Sendable, Output: Sendable>(
        request: StreamingClientRequest<Input>, context: ClientContext,
        next: (StreamingClientRequest<Input>, ClientContext) async throws -> StreamingClientResponse<Output>
    ) async throws -> StreamingClientResponse<Output> {
        guard let attempt = CallAttempt.current else { return try await next(request, context) }
        var request = request
        // In milliseconds; the protocol has room for eight digits.
        let milliseconds = min(max(1, attempt.deadline / .milliseconds(1)), 99_999_999)
        request.metadata.addString("\(Int(milliseconds))m", forKey: "grpc-timeout")
        return try await next(request, context)
    }
}
