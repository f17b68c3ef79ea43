import Glibc
import Synchronization

/// A thread of its own for what waits: the threads of the tests themselves are few.
final class Worker: Sendable {
    private struct State {
        var isDone = false
        var error: (any Error)?
    }

    private let state = Mutex(State())
    private let body: @Sendable () throws -> Void

    init(_ body: @escaping @Sendable () throws -> Void) {
        self.body = body
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<Worker>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        pthread_detach(thread)
    }

    private func run() {
        var failure: (any Error)?
        do { try body() } catch { failure = error }
        state.withLock {
            $0.isDone = true
            $0.error = failure
        }
    }

    var isDone: Bool { state.withLock { $0.isDone } }

    /// Waits for the end, and throws what the body threw.
    func join() throws {
        while !isDone { usleep(1_000) }
        if let error = state.withLock({ $0.error }) { throw error }
    }
}

/// Waits until the condition holds, 20 seconds at most.
func waits(until condition: () -> Bool) -> Bool {
    for _ in 0..<20_000 {
        if condition() { return true }
        usleep(1_000)
    }
    return condition()
}
