import Synchronization

/// Limits the memory for requests over all connections. A request counts from its first byte until it is answered; one
/// that would exceed the limit fails with RESOURCE_EXHAUSTED.
///
/// One eighth is reserved for short messages, so that a few long ones, which may be slow, do not block the refreshes
/// of nodes. When the reserve is full, short messages use the remaining memory for long ones. The budget counts bytes
/// on the wire; parsing a message needs up to three times as much.
final class MemoryBudget: Sendable {
    /// The part of the budget that a request uses.
    enum Share { case short, long }

    /// The maximum size of a short message, in bytes; refreshes and most Starts are far smaller.
    static let shortMessage = 64 << 10

    private let limits: (short: Int, long: Int)
    private let held = Mutex((short: 0, long: 0))

    /// - Parameter limit: the budget in bytes.
    init(limit: Int) { limits = (limit / 8, limit - limit / 8) }

    /// The bytes in use.
    var bytes: Int { held.withLock { $0.short + $0.long } }

    /// Takes some of the budget.
    ///
    /// - Returns: the part that was used; nil, and nothing is taken, if the budget is exhausted.
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

    /// Moves bytes from short to long; returns false, and changes nothing, if there is no room.
    func lengthen(_ count: Int) -> Bool {
        held.withLock { held in
            guard count <= limits.long - held.long else { return false }
            held.short -= count
            held.long += count
            return true
        }
    }

    /// Returns bytes to the budget.
    func give(short: Int, long: Int) {
        held.withLock { held in
            held.short -= short
            held.long -= long
        }
    }
}
