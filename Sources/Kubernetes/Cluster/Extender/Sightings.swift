internal import KubernetesClient
import Synchronization

/// Those who wait until a binding comes or goes.
final class Sightings: Sendable {
    private struct Contents {
        var waiting: [ObjectKey: [Int: CheckedContinuation<Bool, Never>]] = [:]
        var number = 0
    }

    private let contents = Mutex(Contents())

    /// Says that another binding of this name is there than before, or none.
    func tell(_ key: ObjectKey) {
        let woken = contents.withLock { $0.waiting.removeValue(forKey: key) }
        for continuation in (woken ?? [:]).values { continuation.resume(returning: true) }
    }

    /// Waits until ``tell(_:)`` is called for a binding, unless what is waited for is so already.
    ///
    /// - Returns: whether it was called, or is so.
    func wait(for key: ObjectKey, within limit: Duration, unless isSo: () -> Bool) async -> Bool {
        let number = contents.withLock { contents in
            contents.number += 1
            return contents.number
        }
        let timer = Task { [self] in
            try? await Task.sleep(for: limit)
            end(key, number, isSo: false)
        }
        defer { timer.cancel() }
        return await withCheckedContinuation { continuation in
            contents.withLock { $0.waiting[key, default: [:]][number] = continuation }
            // Looked at once nothing can be missed any more.
            if isSo() { end(key, number, isSo: true) }
        }
    }

    private func end(_ key: ObjectKey, _ number: Int, isSo: Bool) {
        let continuation = contents.withLock { contents in
            let found = contents.waiting[key]?.removeValue(forKey: number)
            if contents.waiting[key]?.isEmpty == true { contents.waiting[key] = nil }
            return found
        }
        continuation?.resume(returning: isSo)
    }
}
