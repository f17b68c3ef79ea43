internal import Bindings

/// When bindings that their nodes refused may take CPUs again. Two bindings of the same CPUs that are both refused would else
/// take turns all the time: each waits for what the other holds, and the other holds it only until it is refused.
struct NodeRefusals: Sendable {
    private struct Entry {
        var generation: Int
        /// How often in a row.
        var count: Int
        /// When it may try again.
        var due: Duration
    }

    private static let longest = Duration.seconds(60)
    private var entries: [Bindings.ObjectKey: Entry] = [:]

    /// Takes note of what was decided about a binding; nil for one that is gone.
    ///
    /// - Parameter now: the time of a monotonic clock.
    mutating func note(_ status: BindingStatus?, of key: Bindings.ObjectKey, generation: Int?, at now: Duration) {
        guard let generation else { return entries[key] = nil }
        switch (status?.resourceStatus, status?.reason) {
        case (.applied?, _): entries[key] = nil
        case (.failed?, .refused?):
            let last = entries[key].flatMap { $0.generation == generation ? $0.count : nil } ?? 0
            let delay = min(Duration.seconds(1 << min(last, 6)), Self.longest)
            entries[key] = Entry(generation: generation, count: last + 1, due: now + delay)
        default: break
        }
    }

    /// How long a binding has to wait; nil for not at all. One that was edited has not been refused.
    func wait(of key: Bindings.ObjectKey, generation: Int, at now: Duration) -> Duration? {
        guard let entry = entries[key], entry.generation == generation, entry.due > now else { return nil }
        return entry.due - now
    }
}
