import GRPCCore

/// Sends the deadline of a call to the server. The library does this for calls that it times itself; these calls share
/// the timer of ``Deadlines``.
struct DeadlineHeader: ClientInterceptor {
    func intercept<Input: Sendable, Output: Sendable>(
        request: StreamingClientRequest<Input>, context: ClientContext,
        next: (StreamingClientRequest<Input>, ClientContext) async throws -> StreamingClientResponse<Output>
    ) async throws -> StreamingClientResponse<Output> {
        guard let attempt = CallAttempt.current else { return try await next(request, context) }
        var request = request
        // The protocol allows eight digits.
        let milliseconds = min(max(1, attempt.deadline / .milliseconds(1)), 99_999_999)
        request.metadata.addString("\(Int(milliseconds))m", forKey: "grpc-timeout")
        return try await next(request, context)
    }
}
