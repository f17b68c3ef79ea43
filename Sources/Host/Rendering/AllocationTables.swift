import EPAClient
import Machine
import Terminal

/// Tables of what the daemon answers.
package enum Tables {
    /// Who holds which CPUs.
    package static func allocations(_ list: AllocationList, style: Style) -> [StyledText] {
        var table = Table([("SERVICE", .left), ("COUNT", .right), ("PROTECTION", .left), ("CPUS", .left)])
        for allocation in list.allocations {
            table.add([
                name(allocation.service, style), StyledText("\(allocation.cpus.count)"),
                StyledText(protection(allocation)), StyledText(allocation.cpus.isEmpty ? "-" : allocation.cpus.list),
            ])
        }
        return table.lines() + (style.isTerminal ? ["", summary(list)] : [])
    }

    /// Pools and bookings of huge pages.
    package static func memory(_ memory: MemoryInfo, style: Style) -> [StyledText] {
        var table = Table([
            ("NODE", .right), ("SIZE", .right), ("TOTAL", .right), ("FREE", .right), ("BOOKED", .right), ("BY", .left),
        ])
        for node in memory.nodes {
            let sizes = Set(node.pools.map(\.sizeKB) + node.bookings.map(\.sizeKB)).sorted()
            for size in sizes {
                let pool = node.pools.first { $0.sizeKB == size }
                let holders = node.bookings.filter { $0.sizeKB == size }
                    .map { "\(Printable.name($0.service))=\($0.count)" }
                table.add([
                    StyledText("\(node.id)"), StyledText(Quantity.pageSize(kilobytes: size)),
                    StyledText(pool.map { "\($0.total)" } ?? "-"), StyledText(pool.map { "\($0.free)" } ?? "-"),
                    StyledText("\(node.booked(sizeKB: size))"),
                    StyledText(holders.isEmpty ? "-" : holders.joined(separator: " ")),
                ])
            }
        }
        return table.lines()
    }

    /// One sentence about the pool.
    static func summary(_ list: AllocationList) -> StyledText {
        if list.available == 0 { return "no isolated CPUs: no CPU can be allocated" }
        return StyledText(
            "\(Quantity.count(list.available, "isolated CPU")): \(list.allocated) held by "
                + "\(Quantity.count(list.allocations.count, "service")), \(list.remaining) free")
    }

    /// What `berth status` shows.
    ///
    /// - Parameter refusal: why the daemon refuses changes; nil where it accepts them.
    package static func status(
        socket: String, refusal: String?, list: AllocationList, memory: MemoryInfo, style: Style
    ) -> [StyledText] {
        var table = Table([("", .left), ("", .left)])
        func add(_ key: String, _ value: StyledText) { table.add([StyledText(key, .heading), value]) }
        add("daemon", StyledText("answers at \(Printable.text(socket))"))
        add("changes", refusal.map { StyledText("refused: \(Printable.text($0))", .warning) } ?? "accepted")
        add("cpus", summary(list))
        for allocation in list.allocations {
            var value = name(allocation.service, style)
            value.append(": \(allocation.cpus.list) (\(protection(allocation)))")
            add("holder", value)
        }
        for node in memory.nodes {
            for pool in node.pools where pool.total > 0 || node.booked(sizeKB: pool.sizeKB) != 0 {
                add(
                    "pages",
                    StyledText(
                        "node \(node.id), \(Quantity.pageSize(kilobytes: pool.sizeKB)): \(pool.total) total, "
                            + "\(node.booked(sizeKB: pool.sizeKB)) booked, \(pool.free) free"))
            }
        }
        return table.lines(hasHeading: false)
    }

    static func protection(_ allocation: Allocation) -> String { allocation.isExplicit ? "explicit" : "automatic" }

    /// A holder's name; cut for people whose terminal is too narrow, whole in pipes.
    static func name(_ name: String, _ style: Style) -> StyledText {
        let name = Printable.name(name)
        guard style.isTerminal else { return StyledText(name) }
        return StyledText(Printable.cut(name, to: max(style.width * 2 / 5, 16), unicode: style.usesUnicode))
    }
}
