import EPAClient
import Machine
import Terminal

/// The huge pages of one size on one node, from the kernel's counts and the daemon's bookings.
struct PagePool: Equatable {
    let node: Int
    let sizeKB: Int
    /// Pages in the pool.
    let total: Int
    /// Pages that the kernel has given to somebody.
    let used: Int
    /// Pages that services booked, used ones included.
    let booked: Int
    /// Pages neither used nor booked.
    let free: Int

    /// The pools that have pages or bookings, ascending by node and size.
    static func pools(_ machine: Machine, _ memory: MemoryInfo?) -> [PagePool] {
        var pools: [PagePool] = []
        let ids = Set(machine.nodes.map(\.id) + (memory?.nodes.map(\.id) ?? [])).sorted()
        for id in ids {
            let kernel = machine.node(id)?.hugePages ?? []
            let daemon = memory?.nodes.first { $0.id == id }
            let sizes = Set(
                kernel.map(\.sizeKB) + (daemon?.pools.map(\.sizeKB) ?? []) + (daemon?.bookings.map(\.sizeKB) ?? []))
            for size in sizes.sorted() {
                let pool = PagePool(
                    node: id, sizeKB: size, kernel: kernel.first { $0.sizeKB == size },
                    daemon: daemon?.pools.first { $0.sizeKB == size }, booked: daemon?.booked(sizeKB: size) ?? 0)
                if pool.total > 0 || pool.booked != 0 { pools.append(pool) }
            }
        }
        return pools
    }

    private init(node: Int, sizeKB: Int, kernel: HugePagePool?, daemon: MemoryInfo.Pool?, booked: Int) {
        self.node = node
        self.sizeKB = sizeKB
        self.booked = booked
        total = max(daemon?.total ?? kernel?.total ?? 0, 0)
        free = min(max(daemon?.free ?? kernel?.free ?? 0, 0), total)
        // The daemon tells no use: the kernel does, where both speak of one pool.
        if let kernel, kernel.total == total {
            used = min(max(kernel.total - kernel.free, 0), total - free)
        } else {
            used = total - free - min(max(booked, 0), total - free)
        }
    }

    /// Pages booked and not used yet.
    var waiting: Int { total - free - used }

    /// The bar, so many columns wide. Every part that has pages shows.
    func bar(width: Int, usesUnicode: Bool) -> StyledText {
        let marks = PagePool.marks(usesUnicode: usesUnicode)
        let cells = Self.share([used, waiting, free], of: total, cells: width)
        var bar = StyledText()
        for (cells, (mark, paint)) in zip(cells, marks) { bar.append(String(repeating: mark, count: cells), paint) }
        return bar
    }

    /// The characters for used, booked and free pages.
    static func marks(usesUnicode: Bool) -> [(Character, Paint)] {
        usesUnicode ? [("█", .used), ("▒", .booked), ("░", .free)] : [("#", .used), ("+", .booked), (".", .free)]
    }

    /// Divides cells in proportion; a part that is not zero has at least one.
    private static func share(_ parts: [Int], of total: Int, cells: Int) -> [Int] {
        guard total > 0 else { return [0, 0, 0] }
        var result = parts.map { part in
            part == 0 ? 0 : max(Int((Double(part) / Double(total) * Double(cells)).rounded()), 1)
        }
        // The largest gives or takes what rounding left.
        if let largest = result.indices.max(by: { result[$0] < result[$1] }) {
            result[largest] = max(result[largest] + cells - result.reduce(0, +), 0)
        }
        return result
    }

    /// The counts in words. They add up to the total; what is booked beyond the pages that there are is said apart.
    var counts: String {
        let booking = used > 0 ? "more booked" : "booked"
        let counts = "\(total) pages: \(used) in use, \(waiting) \(booking), \(free) free"
        let beyond = free == 0 ? booked.subtractingReportingOverflow(total).partialValue : 0
        return beyond > 0 ? "\(counts); \(beyond) booked beyond them" : counts
    }
}
