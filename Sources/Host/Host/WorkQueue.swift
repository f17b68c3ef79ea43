import Dispatch
import Synchronization

/// What one thread is to do, in the order in which it was added. Adding never waits.
package final class WorkQueue<Item: Sendable>: Sendable {
    fileprivate struct State {
        var items: [Item] = []
        var isClosed = false
        /// Whether the thread waits for a signal.
        var isWaiting = false
        /// Whether it is to stop waiting although there is nothing to do.
        var isWoken = false
    }

    private let state = Mutex(State())
    private let signal = DispatchSemaphore(value: 0)
    private let limit: Int

    /// An empty queue of at most `limit` items.
    package init(limit: Int = .max) { self.limit = limit }

    /// Whether it takes no more items.
    package var isClosed: Bool { state.withLock { $0.isClosed } }

    /// What became of an item that was to be added.
    package enum Added: Sendable {
        case yes, full, closed
    }

    /// Adds an item, unless the queue is closed or full.
    ///
    /// - Parameter isLimited: whether the limit holds for it; what must not be lost, and is bounded otherwise, goes past it.
    @discardableResult
    package func add(_ item: Item, isLimited: Bool = true) -> Added {
        let (added, signals) = state.withLock { state -> (Added, Bool) in
            guard !state.isClosed else { return (.closed, false) }
            guard !isLimited || state.items.count < limit else { return (.full, false) }
            state.items.append(item)
            return (.yes, state.stopWaiting())
        }
        if signals { signal.signal() }
        return added
    }

    /// Takes no more items; those that are in it are still taken.
    package func close() {
        let signals = state.withLock { state in
            state.isClosed = true
            return state.stopWaiting()
        }
        if signals { signal.signal() }
    }

    /// Ends the wait of ``takeAll(within:)`` without an item.
    package func wake() {
        let signals = state.withLock { state in
            state.isWoken = true
            return state.stopWaiting()
        }
        if signals { signal.signal() }
    }

    /// Waits for items and takes all of them; none where the time passes, or ``wake()`` or ``close()`` is called.
    ///
    /// - Parameter milliseconds: how long to wait; nil for as long as it takes.
    package func takeAll(within milliseconds: Int? = nil) -> (items: [Item], isClosed: Bool) {
        let deadline = milliseconds.map { DispatchTime.now() + .milliseconds(max($0, 0)) } ?? .distantFuture
        while true {
            let taken: (items: [Item], isClosed: Bool)? = state.withLock { state in
                if let taken = state.take(evenNone: false) { return taken }
                state.isWaiting = true
                return nil
            }
            if let taken { return taken }
            // A signal that comes after the time is over ends a later wait too early; the loop then goes on waiting.
            guard signal.wait(timeout: deadline) == .timedOut else { continue }
            return state.withLock { $0.take(evenNone: true) } ?? ([], false)
        }
    }
}

extension WorkQueue.State {
    /// What there is to take; nil where there is nothing to stop waiting for.
    fileprivate mutating func take(evenNone: Bool) -> (items: [Item], isClosed: Bool)? {
        guard evenNone || !items.isEmpty || isClosed || isWoken else { return nil }
        isWaiting = false
        isWoken = false
        defer { items = [] }
        return (items, isClosed)
    }

    /// Whether the thread waits and must be signalled.
    fileprivate mutating func stopWaiting() -> Bool {
        defer { isWaiting = false }
        return isWaiting
    }
}
