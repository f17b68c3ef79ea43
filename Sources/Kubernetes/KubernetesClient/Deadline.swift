import Synchronization

/// Runs `body` for at most `limit`.
///
/// What is not done by then is cancelled, and not waited for: it cannot delay the caller, whatever it hangs on.
///
/// - Throws: what `body` throws; ``KubernetesError/timedOut``; ``KubernetesError/cancelled`` where the task is cancelled.
func withDeadline<Value: Sendable>(
    _ limit: Duration, _ system: SystemAccess, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    let race = Race<Value>()
    let work = Task {
        do { race.end(.success(try await body())) } catch { race.end(.failure(error)) }
    }
    let timer = Task {
        if (try? await system.sleep(limit)) != nil { race.end(.failure(KubernetesError.timedOut)) }
    }
    defer {
        work.cancel()
        timer.cancel()
    }
    return try await withTaskCancellationHandler {
        try await withCheckedThrowingContinuation { race.wait($0) }
    } onCancel: {
        race.end(.failure(KubernetesError.cancelled))
    }
}

/// The same, for what throws ``KubernetesError`` alone.
func withDeadline<Value: Sendable>(
    _ limit: Duration, _ system: SystemAccess,
    throwing body: @escaping @Sendable () async throws(KubernetesError) -> Value
) async throws(KubernetesError) -> Value {
    do { return try await withDeadline(limit, system) { try await body() } } catch {
        throw error as? KubernetesError ?? (error is CancellationError ? .cancelled : .interrupted("\(error)"))
    }
}

/// Gives its first result to one that waits.
private final class Race<Value: Sendable>: Sendable {
    private struct State {
        var result: Result<Value, any Error>?
        var waiting: CheckedContinuation<Value, any Error>?
    }

    private let state = Mutex(State())

    func end(_ result: Result<Value, any Error>) {
        let waiting = state.withLock { state -> CheckedContinuation<Value, any Error>? in
            guard state.result == nil else { return nil }
            state.result = result
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume(with: result)
    }

    func wait(_ continuation: CheckedContinuation<Value, any Error>) {
        let result = state.withLock { state -> Result<Value, any Error>? in
            if state.result == nil { state.waiting = continuation }
            return state.result
        }
        if let result { continuation.resume(with: result) }
    }
}
