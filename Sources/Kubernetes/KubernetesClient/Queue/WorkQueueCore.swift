/// The rules of a ``WorkQueue``, without waiting: times are those of one monotonic clock.
///
/// - A key is worked on by one at a time. Added again meanwhile, it comes once more afterwards; added twice before, once.
/// - Keys come in the order in which they were added, or became due.
public struct WorkQueueCore<Key: Hashable & Sendable>: Sendable {
    /// What is to be done.
    public enum Step: Equatable, Sendable {
        /// This key is worked on from now until ``WorkQueueCore/done(_:)``.
        case work(Key)
        /// Nothing before then; nil where nothing is to come by itself.
        case wait(until: Duration?)
        /// Nothing ever more.
        case ended
    }

    private let limits: WorkQueueLimits
    private var bucket: TokenBucket
    private var waiting: [Key] = []
    private var head = 0
    /// Keys to be worked on that have not been begun since they were added.
    private var added: Set<Key> = []
    private var working: Set<Key> = []
    private var delayed = Delays()
    private var failures: [Key: Int] = [:]
    private var isShutDown = false

    /// An empty queue.
    public init(_ limits: WorkQueueLimits = WorkQueueLimits()) {
        self.limits = limits
        bucket = TokenBucket(perSecond: limits.perSecond, burst: limits.burst)
    }

    /// How many keys wait to be worked on now.
    public var count: Int { waiting.count - head }

    /// How many keys are worked on.
    public var workingCount: Int { working.count }

    /// How many keys are to come later.
    public var delayedCount: Int { delayed.count }

    /// Adds a key, to be worked on as soon as possible. After ``shutDown(drains:)`` that does nothing.
    public mutating func add(_ key: Key) {
        guard !isShutDown, added.insert(key).inserted, !working.contains(key) else { return }
        waiting.append(key)
    }

    /// Adds a key that becomes due; of several times the earliest counts.
    public mutating func add(_ key: Key, at time: Duration, now: Duration) {
        guard time > now else { return add(key) }
        if !isShutDown { delayed.insert(key, at: time) }
    }

    /// Adds a key again that has failed: later each time, and not more of all keys than the limits allow.
    public mutating func addRateLimited(_ key: Key, now: Duration) {
        guard !isShutDown else { return }
        let count = failures[key, default: 0]
        failures[key] = min(count + 1, 64)
        var delay = limits.first
        for _ in 0..<count where delay < limits.longest { delay = delay * 2 }
        add(key, at: now + max(min(delay, limits.longest), min(bucket.reserve(now: now), limits.longest)), now: now)
    }

    /// Forgets that a key has failed.
    public mutating func forget(_ key: Key) { failures[key] = nil }

    /// How often a key has failed since it was last forgotten.
    public func failures(of key: Key) -> Int { failures[key] ?? 0 }

    /// What is to be done now.
    public mutating func next(now: Duration) -> Step {
        while let key = delayed.takeDue(now) { add(key) }
        guard head < waiting.count else { return isShutDown ? .ended : .wait(until: delayed.earliest) }
        let key = waiting[head]
        head += 1
        if head > 1000, head * 2 > waiting.count {
            waiting.removeFirst(head)
            head = 0
        }
        added.remove(key)
        working.insert(key)
        return .work(key)
    }

    /// Says that a key is not worked on any more.
    public mutating func done(_ key: Key) {
        guard working.remove(key) != nil, added.contains(key) else { return }
        waiting.append(key)
    }

    /// Takes no keys any more, and none later.
    ///
    /// - Parameter drains: whether those that wait now are worked on still.
    public mutating func shutDown(drains: Bool) {
        isShutDown = true
        delayed = Delays()
        guard !drains else { return }
        waiting = []
        head = 0
        added = []
    }

    /// Keys by the time when they are due: a binary heap, in which a key whose time has become earlier stands twice, the first
    /// entry excepted.
    private struct Delays: Sendable {
        private struct Entry: Sendable {
            let time: Duration
            let number: Int
            let key: Key
            func isBefore(_ other: Entry) -> Bool { (time, number) < (other.time, other.number) }
        }

        private var heap: [Entry] = []
        private var times: [Key: Duration] = [:]
        private var number = 0

        var count: Int { times.count }
        var earliest: Duration? { heap.first?.time }

        mutating func insert(_ key: Key, at time: Duration) {
            if let known = times[key], known <= time { return }
            times[key] = time
            number += 1
            heap.append(Entry(time: time, number: number, key: key))
            var child = heap.count - 1
            while child > 0, heap[child].isBefore(heap[(child - 1) / 2]) {
                heap.swapAt(child, (child - 1) / 2)
                child = (child - 1) / 2
            }
        }

        mutating func takeDue(_ now: Duration) -> Key? {
            guard let first = heap.first, first.time <= now else { return nil }
            times[first.key] = nil
            repeat { removeFirst() } while heap.first.map { times[$0.key] != $0.time } ?? false
            return first.key
        }

        private mutating func removeFirst() {
            heap.swapAt(0, heap.count - 1)
            heap.removeLast()
            var parent = 0
            while true {
                var least = parent
                for child in [2 * parent + 1, 2 * parent + 2]
                where child < heap.count && heap[child].isBefore(heap[least]) { least = child }
                guard least != parent else { return }
                heap.swapAt(parent, least)
                parent = least
            }
        }
    }
}

/// How often a queue tries again.
public struct WorkQueueLimits: Equatable, Sendable {
    /// After how long a key that has failed once is tried again; each next time it is twice as long.
    public var first = Duration.milliseconds(5)
    /// The longest of these times.
    public var longest = Duration.seconds(300)
    /// How many keys that have failed are tried again in a second, on the average.
    public var perSecond = 10.0
    /// How many of them at once.
    public var burst = 100

    /// The usual limits.
    public init() {}
}
