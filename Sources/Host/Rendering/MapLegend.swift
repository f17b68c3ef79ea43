import EPAClient
import Machine
import Terminal

extension MachineMap {
    /// What the marks mean: the holders with what they hold, then the other CPUs.
    var legend: [StyledText] {
        var table = Table([("", .left), ("", .left), ("", .right), ("", .left), ("", .left)])
        let pages = pagesByHolder
        func addHolder(_ mark: StyledText, _ service: String, _ protection: String, _ cpus: CPUSet) {
            table.add([
                mark, Tables.name(service, style), StyledText("\(cpus.count)"), StyledText(protection),
                StyledText(cpus.isEmpty ? pages[service] ?? "" : cpus.list),
            ])
            if !cpus.isEmpty, let pages = pages[service] { table.add(["", "", "", "", StyledText(pages)]) }
            let outside = doubts.isEmpty ? holdings.notIsolated(cpus) : CPUSet()
            if !outside.isEmpty {
                table.add(["", "", "", "", StyledText("\(Tables.notIsolated): \(outside.list)", .warning)])
            }
        }
        for (position, allocation) in holdings.allocations.enumerated() {
            addHolder(
                mark(.held(position)), allocation.service, Tables.protection(allocation), allocation.cpus)
        }
        let known = Set(holdings.allocations.map(\.service))
        for service in pages.keys.sorted() where !known.contains(service) {
            addHolder("", service, "pages only", CPUSet())
        }
        func add(_ use: Holdings.Use, _ name: String, _ cpus: CPUSet) {
            guard !cpus.isEmpty else { return }
            table.add([
                mark(use), StyledText(name), StyledText("\(cpus.count)"), "", StyledText(cpus.list),
            ])
        }
        add(.contested, "held by several", holdings.contested.intersection(machine.online))
        add(.free, list == nil ? "isolated" : "free", holdings.free)
        add(.housekeeping, "housekeeping", holdings.housekeeping)
        add(.offline, "offline", machine.offline)
        return [""] + table.lines(hasHeading: false, indent: 1, wrap: style.isTerminal ? style.width : nil) + key
    }

    private func mark(_ use: Holdings.Use) -> StyledText {
        let (mark, paint) = Holdings.mark(use)
        return StyledText(" \(mark) ", paint)
    }

    /// The reservations of each holder, in words.
    private var pagesByHolder: [String: String] {
        var result: [String: [String]] = [:]
        for node in memory?.nodes ?? [] {
            for reservation in node.reservations {
                result[reservation.service, default: []].append(
                    "\(reservation.count) x \(Quantity.pageSize(kilobytes: reservation.sizeKB)) on node \(node.id)")
            }
        }
        return result.mapValues { $0.joined(separator: ", ") }
    }

    /// Explains the lines between cores and the parts of the bars that occur.
    private var key: [StyledText] {
        var parts: [StyledText] = []
        if layout.hasSiblings { parts.append(isDense ? "siblings of a core stand together" : "[ ] siblings of a core") }
        let boundaries = Set(layout.places.flatMap { $0.groups.compactMap(\.boundary) })
        for (names, members) in [
            ([("L3 cache", MachineLayout.Boundary.l3), ("package", .package)]),
            ([("cluster", .cluster), ("kind of core", .kind)]),
        ].map({ names in (names.filter { boundaries.contains($0.1) }, names) }) where !names.isEmpty {
            let mark = CellFlow.mark(members[0].1, usesUnicode: style.usesUnicode)
            parts.append(StyledText("\(mark) next \(names.map(\.0).joined(separator: " or "))"))
        }
        if !pools.isEmpty {
            var pages = StyledText("pages: ")
            let names = ["in use", "reserved by the kernel", "reserved, not in use yet", "free"]
            let hasCommitted = pools.contains { $0.committed > 0 }
            for (index, (name, (mark, paint))) in zip(
                names, PagePool.marks(usesUnicode: style.usesUnicode)
            ).enumerated() where index != 1 || hasCommitted {
                if index > 0 { pages.append("  ") }
                pages.append(String(mark), paint)
                pages.append(" \(name)")
            }
            parts.append(pages)
        }
        guard !parts.isEmpty else { return [] }
        var lines: [StyledText] = [""]
        var line = StyledText("  ")
        for (index, part) in parts.enumerated() {
            if index > 0, line.width + 3 + part.width > style.width {
                lines.append(line)
                line = StyledText("  ")
            } else if index > 0 {
                line.append("   ")
            }
            line.append(part)
        }
        return lines + [line]
    }

    /// A warning that the daemon may serve another machine. It stands above the picture, which is wrong then.
    var doubts: [StyledText] {
        guard let list, list.available != machine.isolated.count else { return [] }
        return [
            StyledText("note: ", .warning)
                + StyledText(
                    "the daemon counts \(Quantity.count(list.available, "isolated CPU")), this machine has "
                        + "\(machine.isolated.count): does it serve another machine? (--simulate, --machine, --sysfs-root)"
                )
        ]
    }

    /// What is inconsistent.
    var notes: [StyledText] {
        var notes: [String] = []
        let absent = holdings.held.subtracting(machine.present)
        if doubts.isEmpty, !absent.isEmpty {
            notes.append("held, and not on this machine: CPUs \(absent.list)")
        }
        let asleep = holdings.held.intersection(machine.offline)
        if !asleep.isEmpty { notes.append("held, and offline: CPUs \(asleep.list)") }
        let outside = holdings.notIsolated(holdings.held)
        if !outside.isEmpty { notes.append("held, and \(Tables.notIsolated): CPUs \(outside.list)") }
        let missing = machine.isolated.subtracting(machine.present)
        if !missing.isEmpty { notes.append("isolated, and not on this machine: CPUs \(missing.list)") }
        notes += machine.problems.map { "cannot be used: \(Printable.text($0.description))" }
        return notes.isEmpty ? [] : [""] + notes.map { StyledText("  note: ", .warning) + StyledText($0) }
    }
}
