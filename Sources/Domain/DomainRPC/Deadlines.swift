import Synchronization

/// Calls a handler when a deadline passes. One timer serves all deadlines, because a timer for each call would be a
/// large part of the cost of a short call.
final class Deadlines: Sendable {
    typealias ID = UInt64

    /// The shared instance.
    static let shared = Deadlines()

    private struct State {
        var waiting: [ID: (end: ContinuousClock.Instant, expire: @Sendable () -> Void)] = [:]
        var last: ID = 0
        var isLooking = false
    }

    private let state = Mutex(State())

    /// The resolution of the timer.
    private static let period = Duration.milliseconds(20)

    /// Calls `expire` after some time unless the deadline is removed first.
    func add(after time: Duration, expire: @escaping @Sendable () -> Void) -> ID {
        let end = ContinuousClock.now + time
        let (id, isFirst) = state.withLock { state in
            state.last += 1
            state.waiting[state.last] = (end, expire)
            defer { state.isLooking = true }
            return (state.last, !state.isLooking)
        }
        if isFirst { Task(executorPreference: LoopExecutor.shared) { [self] in await look() } }
        return id
    }

    /// Removes a deadline.
    func remove(_ id: ID) { state.withLock { _ = $0.waiting.removeValue(forKey: id) } }

    /// Checks periodically while there are deadlines.
    private func look() async {
        while true {
            try? await Task.sleep(for: Self.period)
            let now = ContinuousClock.now
            let (due, isDone) = state.withLock { state in
                let due = state.waiting.filter { $0.value.end <= now }
                for id in due.keys { state.waiting[id] = nil }
                state.isLooking = !state.waiting.isEmpty
                return (due, !state.isLooking)
            }
            for (_, expire) in due.values { expire() }
            if isDone { return }
        }
    }
}
