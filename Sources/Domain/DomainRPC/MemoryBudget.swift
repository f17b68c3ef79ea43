import Synchronization

/// How many bytes of requests a server holds at once, over all its connections: those of every request from its first byte
/// until it is answered. A request that would go beyond the limit is answered with RESOURCE_EXHAUSTED, the others go on.
///
/// An eighth is for requests with short messages alone, so that a few long ones, which may take their time, do not keep the
/// refreshes of nodes out; where that is full, short ones have what long ones leave. Counted is what comes over the wire; while
/// a message is read it is in memory up to three times.
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

    /// Takes some more.
    ///
    /// - Returns: what it counts against now; nil, and nothing is taken, where that is too much.
    func take(_ count: Int, for share: Share) -> Share? {
        held.withLock { held in
            if share == .short, count <= limits.short - held.short {
                held.short += count
                return .short
            }
            guard count <= limits.long - held.long else { return nil }
            held.long += count
            return .long
        }
    }

    /// Has what counted as short count as long; false, and nothing is changed, where that is too much.
    func lengthen(_ count: Int) -> Bool {
        held.withLock { held in
            guard count <= limits.long - held.long else { return false }
            held.short -= count
            held.long += count
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
