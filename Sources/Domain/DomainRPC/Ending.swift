import Synchronization

/// Whether a server has begun to end.
final class Ending: Sendable {
    private let state = Atomic(false)

    /// It has been told to end.
    var hasBegun: Bool { state.load(ordering: .relaxed) }

    func begin() { state.store(true, ordering: .relaxed) }
}
