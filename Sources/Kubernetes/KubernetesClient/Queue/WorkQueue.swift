import Synchronization

/// Gives keys to workers, each key to one at a time.
///
/// ```swift
/// try await queue.run(workers: 4) { key in
///     try await reconcile(key)
///     return nil
/// }
/// ```
public final class WorkQueue<Key: Hashable & Sendable>: Sendable {
    private struct State {
        var core: WorkQueueCore<Key>
        var waiting: [(id: Int, continuation: CheckedContinuation<Key?, Never>)] = []
        var nextID = 0
        var timer: (due: Duration, task: Task<Void, Never>)?
    }

    private let state: Mutex<State>
    private let system: SystemAccess

    /// An empty queue.
    public init(_ limits: WorkQueueLimits = WorkQueueLimits(), system: SystemAccess = .real) {
        state = Mutex(State(core: WorkQueueCore(limits)))
        self.system = system
    }

    deinit { state.withLock { $0.timer?.task.cancel() } }

    /// How many keys wait to be worked on now.
    public var count: Int { state.withLock { $0.core.count } }

    /// Adds a key, to be worked on as soon as possible. After ``shutDown(drains:)`` that does nothing.
    public func add(_ key: Key) { change { core, _ in core.add(key) } }

    /// Adds a key, to be worked on after this time; of several times the earliest counts.
    public func add(_ key: Key, after delay: Duration) {
        change { core, now in core.add(key, at: now + delay, now: now) }
    }

    /// Adds a key again that has failed: later each time, and not more of all keys than the limits allow.
    public func addRateLimited(_ key: Key) { change { core, now in core.addRateLimited(key, now: now) } }

    /// Forgets that a key has failed.
    public func forget(_ key: Key) { change { core, _ in core.forget(key) } }

    /// How often a key has failed since it was last forgotten.
    public func failures(of key: Key) -> Int { state.withLock { $0.core.failures(of: key) } }

    /// Says that a key of ``next()`` is not worked on any more.
    public func done(_ key: Key) { change { core, _ in core.done(key) } }

    /// Takes no keys any more; workers get nil when there are none.
    ///
    /// - Parameter drains: whether the keys that wait now are worked on still.
    public func shutDown(drains: Bool = false) { change { core, _ in core.shutDown(drains: drains) } }

    /// Waits for a key, which is the caller's until ``done(_:)``.
    ///
    /// - Returns: nil where there will be none, or the task is cancelled.
    public func next() async -> Key? {
        let id = state.withLock { state -> Int in
            state.nextID += 1
            return state.nextID
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isCancelled = state.withLock { state -> Bool in
                    if Task.isCancelled { return true }
                    state.waiting.append((id, continuation))
                    return false
                }
                if isCancelled { continuation.resume(returning: nil) } else { change { _, _ in } }
            }
        } onCancel: {
            let continuation = state.withLock { state -> CheckedContinuation<Key?, Never>? in
                guard let index = state.waiting.firstIndex(where: { $0.id == id }) else { return nil }
                return state.waiting.remove(at: index).continuation
            }
            continuation?.resume(returning: nil)
        }
    }

    /// Works on keys until the queue is shut down or the task is cancelled; then waits for what is being worked on.
    ///
    /// - Parameters:
    ///   - workers: how many keys are worked on at a time.
    ///   - work: works on a key, and returns after how long to come back to it; nil for not by itself. Where it throws, the key
    ///     comes again by ``addRateLimited(_:)``.
    public func run(workers: Int, _ work: @escaping @Sendable (Key) async throws -> Duration?) async {
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<max(workers, 1) {
                group.addTask { [self] in
                    while let key = await next() {
                        do {
                            let again = try await work(key)
                            forget(key)
                            if let again { add(key, after: again) }
                        } catch {
                            addRateLimited(key)
                        }
                        done(key)
                    }
                }
            }
        }
    }

    /// Changes the core, and gives what it has to who waits.
    private func change(_ body: (inout WorkQueueCore<Key>, Duration) -> Void) {
        let now = system.now()
        let given = state.withLock { state -> [(CheckedContinuation<Key?, Never>, Key?)] in
            body(&state.core, now)
            var given: [(CheckedContinuation<Key?, Never>, Key?)] = []
            while !state.waiting.isEmpty {
                switch state.core.next(now: now) {
                case .work(let key): given.append((state.waiting.removeFirst().continuation, key))
                case .ended: given.append((state.waiting.removeFirst().continuation, nil))
                case .wait(let until):
                    setTimer(until, now, &state)
                    return given
                }
            }
            return given
        }
        for (continuation, key) in given { continuation.resume(returning: key) }
    }

    private func setTimer(_ due: Duration?, _ now: Duration, _ state: inout State) {
        guard let due, state.timer.map({ due < $0.due }) ?? true else { return }
        state.timer?.task.cancel()
        let task = Task { [weak self, system] in
            guard (try? await system.sleep(due - now)) != nil else { return }
            self?.timerFired()
        }
        state.timer = (due, task)
    }

    private func timerFired() {
        state.withLock { $0.timer = nil }
        change { _, _ in }
    }
}
