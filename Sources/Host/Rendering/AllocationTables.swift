import EPAClient
import Machine
import Terminal

/// Tables of what the daemon replies.
package enum Tables {
    /// Who holds which CPUs.
    ///
    /// - Parameters:
    ///   - outsidePool: claims to CPUs that are not isolated any more.
    ///   - machine: the machine that the daemon serves; nil where it is not known.
    package static func allocations(
        _ list: AllocationList, outsidePool: [Allocation] = [], machine: ServedMachine? = nil, style: Style
    ) -> [StyledText] {
        var columns = [("SERVICE", Table.Alignment.left), ("COUNT", .right), ("PROTECTION", .left), ("CPUS", .left)]
        // Only where it has content.
        if !outsidePool.isEmpty { columns.append(("NOTE", .left)) }
        var table = Table(columns)
        for (allocation, isOutside) in rows(list, outsidePool) {
            table.add([
                name(allocation.service, style), StyledText("\(allocation.cpus.count)"),
                StyledText(protection(allocation)), StyledText(allocation.cpus.isEmpty ? "-" : allocation.cpus.list),
                isOutside ? StyledText(notIsolated, .warning) : "",
            ])
        }
        let summary = PoolSummary(list, outsidePool: outsidePool, machine).text
        return table.lines() + (style.isTerminal ? ["", summary] : [])
    }

    /// Marks CPUs that left the pool while they were held.
    static let notIsolated = "not isolated any more"

    /// Each claim within the pool, then each claim outside of it.
    private static func rows(_ list: AllocationList, _ outsidePool: [Allocation]) -> [(Allocation, isOutside: Bool)] {
        let within = list.allocations.compactMap { allocation -> (Allocation, isOutside: Bool)? in
            let outside = outsidePool.filter { $0.service.utf8.elementsEqual(allocation.service.utf8) }
            let cpus = outside.reduce(allocation.cpus) { $0.subtracting($1.cpus) }
            if cpus.isEmpty, !outside.isEmpty { return nil }
            return (Allocation(service: allocation.service, cpus: cpus, isExplicit: allocation.isExplicit), false)
        }
        return within + outsidePool.map { ($0, true) }
    }

    /// Pools and reservations of huge pages, in figures that add up: in use, reserved and not in use yet, free.
    ///
    /// - Parameter machine: the machine that the daemon serves; nil where it is not known, which pages are in use then is
    ///   not known either.
    package static func memory(_ memory: MemoryInfo, machine: ServedMachine? = nil, style: Style) -> [StyledText] {
        var table = Table([
            ("NODE", .right), ("SIZE", .right), ("TOTAL", .right), ("IN USE", .right), ("RESERVED", .right),
            ("FREE", .right), ("CLAIMED BY", .left),
        ])
        for pool in PagePool.pools(machine?.hugePages ?? [:], memory, includesEmpty: true) {
            let node = memory.nodes.first { $0.id == pool.node }
            let isThere = node?.pools.contains { $0.sizeKB == pool.sizeKB } ?? true
            let holders = (node?.reservations ?? []).filter { $0.sizeKB == pool.sizeKB }
                .map { "\(Printable.name($0.service))=\($0.count)" }
            func figure(_ number: Int) -> StyledText { StyledText(isThere ? "\(number)" : "-") }
            table.add([
                StyledText("\(pool.node)"), StyledText(Quantity.pageSize(kilobytes: pool.sizeKB)), figure(pool.total),
                figure(pool.used), StyledText("\(isThere ? pool.committed + pool.waiting : pool.reserved)"),
                figure(pool.free), StyledText(holders.isEmpty ? "-" : holders.joined(separator: " ")),
            ])
        }
        return table.lines()
    }

    /// What `berth status` shows.
    ///
    /// - Parameters:
    ///   - status: what the daemon says about itself; nil where it does not support the request.
    ///   - machine: the machine that the daemon serves; nil where it is not known.
    package static func status(
        socket: String, status: DaemonStatus?, list: AllocationList, memory: MemoryInfo, machine: ServedMachine?,
        style: Style
    ) -> [StyledText] {
        var table = Table([("", .left), ("", .left)])
        func add(_ key: String, _ value: StyledText) { table.add([StyledText(key, .heading), value]) }
        let program = status.map { "berthd \(Printable.text($0.version)) " } ?? ""
        add("daemon", StyledText("\(program)answers at \(Printable.text(socket))"))
        if let status, status.machine != "real" {
            add("machine", StyledText(Printable.text(status.machine), .warning))
        }
        switch (status, status?.refusal) {
        case (nil, _):
            add("changes", "unknown: this daemon does not say whether it accepts changes")
        case (_, let refusal?): add("changes", StyledText("refused: \(Printable.text(refusal))", .warning))
        case (_, nil): add("changes", "accepted")
        }
        if let isolation = status?.enforcement {
            let limit = status?.enforcementLimit.map { ": \(Printable.text($0))" } ?? ""
            let text = isolation == "none" ? "none" : "up to the isolation \(Printable.text(isolation))"
            add("enforcement", StyledText(text + limit, isolation == "partition" ? .plain : .warning))
        }
        let outsidePool = status?.outsidePool ?? []
        add("cpus", PoolSummary(list, outsidePool: outsidePool, machine).text)
        for (allocation, isOutside) in rows(list, outsidePool) {
            var value = name(allocation.service, style)
            value.append(": \(allocation.cpus.list) (\(protection(allocation)))")
            if isOutside { value.append(", \(notIsolated)", .warning) }
            add("holder", value)
        }
        let pages = machine.flatMap { $0.fits(list) ? $0.hugePages : nil } ?? [:]
        for pool in PagePool.pools(pages, memory) {
            add("pages", StyledText("node \(pool.node), \(Quantity.pageSize(kilobytes: pool.sizeKB)): \(pool.counts)"))
        }
        return table.lines(hasHeading: false)
    }

    static func protection(_ allocation: Allocation) -> String { allocation.isExplicit ? "explicit" : "automatic" }

    /// A holder's name. On a narrow terminal long names are cut.
    package static func name(_ name: String, _ style: Style) -> StyledText {
        let name = Printable.name(name)
        guard style.isTerminal else { return StyledText(name) }
        return StyledText(Printable.cut(name, to: max(style.width * 2 / 5, 16), unicode: style.usesUnicode))
    }
}
