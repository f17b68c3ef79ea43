import NIOCore
import Synchronization

/// Counts the open connections of each user and waits for the last one.
final class ConnectionRegister: Sendable {
    private struct State {
        var perUID: [UInt32: Int] = [:]
        var total = 0
    }

    private let state = Mutex(State())

    /// Counts a connection of `uid`. Returns whether it is within `limit`; it counts in either case.
    func enter(_ uid: UInt32, limit: Int) -> Bool {
        state.withLock { state in
            state.total += 1
            state.perUID[uid, default: 0] += 1
            return state.perUID[uid, default: 0] <= limit
        }
    }

    /// Takes a connection of `uid` off.
    func leave(_ uid: UInt32) {
        state.withLock { state in
            state.total -= 1
            guard let count = state.perUID[uid] else { return }
            state.perUID[uid] = count > 1 ? count - 1 : nil
        }
    }

    /// The number of open connections.
    var total: Int { state.withLock { $0.total } }

    /// Returns once no connection is open, after `seconds` at the latest.
    func drain(within seconds: Int) async {
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(seconds)
        while total > 0, clock.now < deadline { try? await clock.sleep(for: .milliseconds(5)) }
    }
}
