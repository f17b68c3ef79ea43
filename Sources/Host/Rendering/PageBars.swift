import EPAClient
import Machine
import Terminal

/// The huge pages of one size on one node, from the kernel's counts and the daemon's reservations.
///
/// The parts add up to the total. The kernel does not say who has the pages that it has given or committed. As in the EPA
/// rules, they count as pages of the services with reservations, up to the size of these.
struct PagePool: Equatable {
    let node: Int
    let sizeKB: Int
    /// Pages in the pool.
    let total: Int
    /// Pages that the kernel has given to somebody.
    let used: Int
    /// Pages that the kernel has committed to mappings that have not touched them yet (`resv_hugepages`).
    let committed: Int
    /// Pages that services reserved, used ones included.
    let reserved: Int
    /// Pages neither used, committed nor reserved.
    let free: Int

    /// The pools that have pages or reservations, ascending by node and size.
    ///
    /// - Parameters:
    ///   - hugePages: the kernel's pools of each node by its id.
    ///   - includesEmpty: whether pools that have neither are wanted too.
    static func pools(
        _ hugePages: [Int: [HugePagePool]], _ memory: MemoryInfo?, includesEmpty: Bool = false
    ) -> [PagePool] {
        var pools: [PagePool] = []
        let ids = Set(hugePages.keys.map(\.self) + (memory?.nodes.map(\.id) ?? [])).sorted()
        for id in ids {
            let kernel = hugePages[id] ?? []
            let daemon = memory?.nodes.first { $0.id == id }
            let sizes = Set(
                kernel.map(\.sizeKB) + (daemon?.pools.map(\.sizeKB) ?? []) + (daemon?.reservations.map(\.sizeKB) ?? []))
            for size in sizes.sorted() {
                let pool = PagePool(
                    node: id, sizeKB: size, kernel: kernel.first { $0.sizeKB == size },
                    daemon: daemon?.pools.first { $0.sizeKB == size }, reserved: daemon?.reserved(sizeKB: size) ?? 0)
                if includesEmpty || pool.total > 0 || pool.reserved != 0 { pools.append(pool) }
            }
        }
        return pools
    }

    private init(node: Int, sizeKB: Int, kernel: HugePagePool?, daemon: MemoryInfo.Pool?, reserved: Int) {
        self.node = node
        self.sizeKB = sizeKB
        self.reserved = reserved
        total = max(daemon?.total ?? kernel?.total ?? 0, 0)
        let unreserved = min(max(daemon?.free ?? kernel?.free ?? 0, 0), total)
        // The daemon does not report use. The kernel does, where both report the same pool.
        if let kernel, kernel.total == total {
            free = min(unreserved, kernel.available)
            used = min(max(kernel.total - kernel.free, 0), total - free)
            committed = min(kernel.reserved, total - free - used)
        } else {
            free = unreserved
            used = total - free - min(max(reserved, 0), total - free)
            committed = 0
        }
    }

    /// Pages reserved, and neither used nor committed yet.
    var waiting: Int { total - free - used - committed }

    /// The bar, `width` columns wide. Every part that has pages shows.
    func bar(width: Int, usesUnicode: Bool) -> StyledText {
        let marks = PagePool.marks(usesUnicode: usesUnicode)
        let cells = Self.share([used, committed, waiting, free], of: total, cells: width)
        var bar = StyledText()
        for (cells, (mark, paint)) in zip(cells, marks) { bar.append(String(repeating: mark, count: cells), paint) }
        return bar
    }

    /// The characters for used, committed, reserved and free pages.
    static func marks(usesUnicode: Bool) -> [(Character, Paint)] {
        usesUnicode
            ? [("█", .used), ("▓", .committed), ("▒", .reserved), ("░", .free)]
            : [("#", .used), ("=", .committed), ("+", .reserved), (".", .free)]
    }

    /// Divides `cells` in proportion to the parts. A part above 0 gets at least one cell.
    private static func share(_ parts: [Int], of total: Int, cells: Int) -> [Int] {
        guard total > 0 else { return parts.map { _ in 0 } }
        var result = parts.map { part in
            part == 0 ? 0 : max(Int((Double(part) / Double(total) * Double(cells)).rounded()), 1)
        }
        // The largest part takes the error of rounding.
        if let largest = result.indices.max(by: { result[$0] < result[$1] }) {
            result[largest] = max(result[largest] + cells - result.reduce(0, +), 0)
        }
        return result
    }

    /// The counts in words. They add up to the total; reservations beyond it come last.
    var counts: String {
        let commitment = committed > 0 ? "\(committed) reserved by the kernel, " : ""
        let reservation = used + committed > 0 ? "more reserved" : "reserved"
        let counts = "\(total) pages: \(used) in use, \(commitment)\(waiting) \(reservation), \(free) free"
        let beyond = free == 0 ? reserved.subtractingReportingOverflow(total).partialValue : 0
        return beyond > 0 ? "\(counts); \(beyond) reserved beyond them" : counts
    }
}
