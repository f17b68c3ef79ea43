import Synchronization

/// A task with a deadline, after which it is cancelled and no longer waited for.
final class TimedCall<Value: Sendable>: Sendable {
    private struct State {
        var continuation: CheckedContinuation<Value, Never>?
        var task: Task<Void, Never>?
        var timer: Deadlines.ID?
    }

    private let state: Mutex<State>

    private init(_ continuation: CheckedContinuation<Value, Never>) {
        state = Mutex(State(continuation: continuation))
    }

    /// Resumes `continuation` with the result of `body` or, after `time`, with `late`.
    static func run(
        _ continuation: CheckedContinuation<Value, Never>, within time: Duration,
        otherwise late: @escaping @Sendable () -> Value, _ body: @escaping @Sendable () async -> Value
    ) {
        let call = TimedCall(continuation)
        let timer = Deadlines.shared.add(after: time) { call.end(late()) }
        let task = Task(executorPreference: LoopExecutor.shared) { call.end(await body()) }
        let isOver = call.state.withLock { state in
            (state.task, state.timer) = (task, timer)
            return state.continuation == nil
        }
        if isOver { call.release() }
    }

    private func end(_ value: Value) {
        let continuation = state.withLock { state in
            defer { state.continuation = nil }
            return state.continuation
        }
        continuation?.resume(returning: value)
        if continuation != nil { release() }
    }

    private func release() {
        let (task, timer) = state.withLock { state in
            defer { (state.task, state.timer) = (nil, nil) }
            return (state.task, state.timer)
        }
        task?.cancel()
        if let timer { Deadlines.shared.remove(timer) }
    }
}
