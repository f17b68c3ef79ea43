import Synchronization

/// A task with a deadline, after which it is no longer waited for: it is cancelled, or its result is taken later.
final class TimedCall<Value: Sendable>: Sendable {
    /// What becomes of a task after its deadline.
    struct Listening: Sendable {
        /// How much longer it may take.
        var time: Duration
        /// Whether it goes on; decided at the deadline.
        var isWanted: @Sendable () -> Bool
        /// Takes its result.
        var take: @Sendable (Value) -> Void
    }

    private struct State {
        var continuation: CheckedContinuation<Value, Never>?
        /// Takes the result after the deadline.
        var late: (@Sendable (Value) -> Void)?
        var isOver = false
        var task: Task<Void, Never>?
        var timer: Deadlines.ID?
    }

    private let state: Mutex<State>

    private init(_ continuation: CheckedContinuation<Value, Never>) {
        state = Mutex(State(continuation: continuation))
    }

    /// Resumes `continuation` with the result of `body` or, after `time`, with `late`.
    static func run(
        _ continuation: CheckedContinuation<Value, Never>, within time: Duration, listening: Listening? = nil,
        otherwise late: @escaping @Sendable () -> Value, _ body: @escaping @Sendable () async -> Value
    ) {
        let call = TimedCall(continuation)
        let timer = Deadlines.shared.add(after: time) {
            let result = late()
            if let listening, listening.isWanted() { call.listen(listening, result) } else { call.end(result) }
        }
        let task = Task(executorPreference: LoopExecutor.shared) { call.end(await body()) }
        let isOver = call.state.withLock { state in
            (state.task, state.timer) = (task, timer)
            return state.isOver
        }
        if isOver { call.release() }
    }

    /// Resumes with `result`, and takes the task's own result when it comes.
    private func listen(_ listening: Listening, _ result: Value) {
        let timer = Deadlines.shared.add(after: listening.time) { [self] in release() }
        let continuation = state.withLock { state in
            if state.continuation != nil { (state.late, state.timer) = (listening.take, timer) }
            defer { state.continuation = nil }
            return state.continuation
        }
        guard let continuation else { return Deadlines.shared.remove(timer) }
        continuation.resume(returning: result)
    }

    private func end(_ value: Value) {
        let (continuation, late) = state.withLock { state in
            defer { (state.continuation, state.late, state.isOver) = (nil, nil, true) }
            return (state.continuation, state.late)
        }
        continuation?.resume(returning: value)
        late?(value)
        if continuation != nil || late != nil { release() }
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
