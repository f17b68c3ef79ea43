import Synchronization

/// How many bytes of requests a server holds at once, over all its connections: those of every request from its first byte
/// until it is answered. A request that would go beyond the limit is answered with RESOURCE_EXHAUSTED, the others go on.
///
/// Counted is what comes over the wire; while a message is read it is in memory up to three times.
final class MemoryBudget: Sendable {
    /// The most bytes.
    let limit: Int
    private let held = Mutex(0)

    init(limit: Int) { self.limit = limit }

    /// The bytes held at the moment.
    var bytes: Int { held.withLock { $0 } }

    /// Takes some more; false, and nothing is taken, where that is too much.
    func take(_ count: Int) -> Bool {
        held.withLock { held in
            guard count <= limit - held else { return false }
            held += count
            return true
        }
    }

    /// Gives some back.
    func give(_ count: Int) { held.withLock { $0 -= count } }
}
