import Synchronization

/// Lets one at a time work on a key.
final class Turns<Key: Hashable & Sendable>: Sendable {
    /// The keys that are worked on, each with those who wait for it.
    private let taken = Mutex<[Key: [CheckedContinuation<Void, Never>]]>([:])

    /// Waits for the turn at a key; ``leave(_:)`` ends it.
    func enter(_ key: Key) async {
        await withCheckedContinuation { continuation in
            let isFree = taken.withLock { taken -> Bool in
                if taken[key] == nil {
                    taken[key] = []
                    return true
                }
                taken[key]?.append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
    }

    /// Ends the turn at a key.
    func leave(_ key: Key) {
        let next = taken.withLock { taken -> CheckedContinuation<Void, Never>? in
            guard let waiting = taken[key], !waiting.isEmpty else {
                taken[key] = nil
                return nil
            }
            return taken[key]?.removeFirst()
        }
        next?.resume()
    }

    /// Whether somebody works on a key.
    func isTaken(_ key: Key) -> Bool { taken.withLock { $0[key] != nil } }

    /// How many keys are worked on.
    var count: Int { taken.withLock { $0.count } }
}
