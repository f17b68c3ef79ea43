import Dispatch
import Synchronization

/// What one thread is to do, in the order in which it was added. Adding never waits.
package final class WorkQueue<Item: Sendable>: Sendable {
    private struct State {
        var items: [Item] = []
        var isClosed = false
    }

    private let state = Mutex(State())
    private let signal = DispatchSemaphore(value: 0)

    /// An empty queue.
    package init() {}

    /// Adds an item. Returns whether the queue is still open.
    @discardableResult
    package func add(_ item: Item) -> Bool {
        let (isOpen, isFirst) = state.withLock { state in
            guard !state.isClosed else { return (false, false) }
            state.items.append(item)
            return (true, state.items.count == 1)
        }
        if isFirst { signal.signal() }
        return isOpen
    }

    /// Takes no more items; those that are in it are still taken by ``takeAll(within:)``.
    package func close() {
        state.withLock { $0.isClosed = true }
        signal.signal()
    }

    /// Ends the wait of ``takeAll(within:)`` without an item.
    package func wake() { signal.signal() }

    /// Waits for items and takes all of them; none where `milliseconds` pass, or ``wake()`` or ``close()`` is called.
    package func takeAll(within milliseconds: Int) -> (items: [Item], isClosed: Bool) {
        let taken = take()
        guard taken.items.isEmpty, !taken.isClosed else { return taken }
        _ = signal.wait(timeout: .now() + .milliseconds(max(milliseconds, 0)))
        return take()
    }

    /// Waits for the next item; nil where the queue is closed, whatever is still in it.
    package func next() -> Item? {
        while true {
            let (item, isClosed) = state.withLock { state -> (Item?, Bool) in
                guard !state.isClosed else { return (nil, true) }
                return (state.items.isEmpty ? nil : state.items.removeFirst(), false)
            }
            if isClosed { return nil }
            if let item { return item }
            signal.wait()
        }
    }

    private func take() -> (items: [Item], isClosed: Bool) {
        state.withLock { state in
            defer { state.items = [] }
            return (state.items, state.isClosed)
        }
    }
}
