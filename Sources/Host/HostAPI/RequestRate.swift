import Synchronization

/// Counts the requests of each user in the present second.
final class RequestRate: Sendable {
    private struct State {
        var second = 0
        var counts: [UInt32: Int] = [:]
    }

    private let state = Mutex(State())

    /// Counts a request of `uid` at `now`, in milliseconds. Returns whether it is within `limit`; uid 0 always is.
    func admits(_ uid: UInt32, at now: Int, limit: Int) -> Bool {
        guard uid != 0 else { return true }
        return state.withLock { state in
            if state.second != now / 1_000 {
                state.second = now / 1_000
                state.counts.removeAll(keepingCapacity: true)
            }
            state.counts[uid, default: 0] += 1
            return state.counts[uid, default: 0] <= limit
        }
    }
}
