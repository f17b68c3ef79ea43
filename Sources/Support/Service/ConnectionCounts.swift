import Synchronization

/// Counts the open connections of each user.
package final class ConnectionCounts: Sendable {
    private let perUID = Mutex<[UInt32: Int]>([:])

    /// Counts from nothing.
    package init() {}

    /// Counts a connection of `uid`. Returns whether it is within `limit`; it counts in either case.
    package func enter(_ uid: UInt32, limit: Int) -> Bool {
        perUID.withLock { perUID in
            perUID[uid, default: 0] += 1
            return perUID[uid, default: 0] <= limit
        }
    }

    /// Takes a connection of `uid` off.
    package func leave(_ uid: UInt32) {
        perUID.withLock { perUID in
            guard let count = perUID[uid] else { return }
            perUID[uid] = count > 1 ? count - 1 : nil
        }
    }
}
