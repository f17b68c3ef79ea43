internal import KubernetesClient
import Synchronization

/// Those who wait until a binding is gone.
final class Departures: Sendable {
    private struct Contents {
        var waiting: [ObjectKey: [Int: CheckedContinuation<Bool, Never>]] = [:]
        var number = 0
    }

    private let contents = Mutex(Contents())

    /// Says that the binding of this name that was there is gone.
    func tell(_ key: ObjectKey) {
        let woken = contents.withLock { $0.waiting.removeValue(forKey: key) }
        for continuation in (woken ?? [:]).values { continuation.resume(returning: true) }
    }

    /// Waits until ``tell(_:)`` is called for a binding, unless it is gone already.
    ///
    /// - Returns: whether it is gone.
    func wait(for key: ObjectKey, within limit: Duration, unless isGone: () -> Bool) async -> Bool {
        let number = contents.withLock { contents in
            contents.number += 1
            return contents.number
        }
        let timer = Task { [self] in
            try? await Task.sleep(for: limit)
            end(key, number, isGone: false)
        }
        defer { timer.cancel() }
        return await withCheckedContinuation { continuation in
            contents.withLock { $0.waiting[key, default: [:]][number] = continuation }
            // Looked at once nothing can be missed any more.
            if isGone() { end(key, number, isGone: true) }
        }
    }

    private func end(_ key: ObjectKey, _ number: Int, isGone: Bool) {
        let continuation = contents.withLock { contents in
            let found = contents.waiting[key]?.removeValue(forKey: number)
            if contents.waiting[key]?.isEmpty == true { contents.waiting[key] = nil }
            return found
        }
        continuation?.resume(returning: isGone)
    }
}
