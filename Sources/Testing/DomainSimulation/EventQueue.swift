/// A priority queue of events, ordered by time and then by insertion.
package struct EventQueue<Item> {
    private var heap: [(time: Int, number: Int, item: Item)] = []
    private var count = 0

    /// An empty queue.
    package init() {}

    /// The next event.
    package var first: Item? { heap.first?.item }

    /// Adds an event.
    package mutating func add(_ item: Item, at time: Int) {
        heap.append((time, count, item))
        count += 1
        var index = heap.count - 1
        while index > 0, precedes(index, (index - 1) / 2) {
            heap.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    /// Removes the next event before `limit`.
    package mutating func next(before limit: Int) -> (time: Int, item: Item)? {
        guard let first = heap.first, first.time < limit else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var index = 0
        while true {
            var least = index
            for child in [2 * index + 1, 2 * index + 2] where child < heap.count && precedes(child, least) {
                least = child
            }
            guard least != index else { return (first.time, first.item) }
            heap.swapAt(index, least)
            index = least
        }
    }

    private func precedes(_ left: Int, _ right: Int) -> Bool {
        (heap[left].time, heap[left].number) < (heap[right].time, heap[right].number)
    }
}
