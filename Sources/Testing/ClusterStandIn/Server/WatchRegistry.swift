import Synchronization

/// The watches that wait for something to say.
final class WatchRegistry: Sendable {
    /// One of them.
    struct Waiter: Sendable {
        let storage: String
        let wake: AsyncStream<Void>.Continuation
    }

    private struct State {
        var last = 0
        var waiters: [Int: Waiter] = [:]
        var byStorage: [String: Set<Int>] = [:]
    }

    private let state = Mutex(State())

    var count: Int { state.withLock { $0.waiters.count } }

    func add(_ waiter: Waiter) -> Int {
        state.withLock { state in
            state.last += 1
            state.waiters[state.last] = waiter
            state.byStorage[waiter.storage, default: []].insert(state.last)
            return state.last
        }
    }

    func remove(_ id: Int) {
        state.withLock { state in
            guard let waiter = state.waiters.removeValue(forKey: id) else { return }
            state.byStorage[waiter.storage]?.remove(id)
        }
    }

    /// Wakes those that watch one of these kinds.
    func wake(_ storages: Set<String>) {
        let waiters = state.withLock { state in
            storages.flatMap { state.byStorage[$0] ?? [] }.compactMap { state.waiters[$0] }
        }
        for waiter in waiters { waiter.wake.yield() }
    }

    /// Wakes all.
    func wakeAll() {
        for waiter in state.withLock({ Array($0.waiters.values) }) { waiter.wake.yield() }
    }
}
