import Synchronization

/// Whether a server is shutting down.
final class ShutdownFlag: Sendable {
    private let state = Atomic(false)

    /// Whether the shutdown has begun.
    var hasBegun: Bool { state.load(ordering: .relaxed) }

    func begin() { state.store(true, ordering: .relaxed) }
}
