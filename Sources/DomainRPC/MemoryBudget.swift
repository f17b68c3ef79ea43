import Synchronization

/// How many bytes of requests a server holds at once, over all its connections: those of every request from its first byte
/// until it is answered. A request that would go beyond the limit is answered with RESOURCE_EXHAUSTED, the others go on.
///
/// An eighth is for requests with short messages alone, so that a few long ones, which may take their time, do not keep the
/// refreshes of nodes out. Counted is what comes over the wire; while a message is read it is in memory up to three times.
final class MemoryBudget: Sendable {
    /// What a request's bytes count against.
    enum Share { case short, long }

    /// The longest message that counts as short, in bytes: refreshes and most Starts are far below.
    static let shortMessage = 64 << 10

    private let limits: (short: Int, long: Int)
    private let held = Mutex((short: 0, long: 0))

    /// - Parameter limit: the most bytes.
    init(limit: Int) { limits = (limit / 8, limit - limit / 8) }

    /// The bytes held at the moment.
    var bytes: Int { held.withLock { $0.short + $0.long } }

    /// Takes some more; false, and nothing is taken, where that is too much.
    func take(_ count: Int, of share: Share) -> Bool {
        held.withLock { held in
            switch share {
            case .short:
                guard count <= limits.short - held.short else { return false }
                held.short += count
            case .long:
                guard count <= limits.long - held.long else { return false }
                held.long += count
            }
            return true
        }
    }

    /// Gives some back.
    func give(short: Int, long: Int) {
        held.withLock { held in
            held.short -= short
            held.long -= long
        }
    }
}
