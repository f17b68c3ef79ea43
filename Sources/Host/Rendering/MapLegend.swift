import Machine
import Terminal

extension MachineMap {
    /// What the marks mean: the holders with what they hold, then the other CPUs.
    var legend: [StyledText] {
        var table = Table([("", .left), ("", .left), ("", .right), ("", .left), ("", .left)])
        for (position, holder) in holdings.holders.enumerated() {
            addRows(of: holder, at: position, to: &table)
        }
        for holder in holdings.pagesOnly {
            table.add([
                "", Tables.name(holder.name, style), "0", "pages only", StyledText(Self.text(holder.pages)),
            ])
        }
        func add(_ use: Holdings.Use, _ name: String, _ cpus: CPUSet) {
            guard !cpus.isEmpty else { return }
            table.add([
                mark(use), StyledText(name), StyledText("\(cpus.count)"), "", StyledText(cpus.list),
            ])
        }
        add(.sharedBySeveral, "shared", holdings.sharedBySeveral)
        add(.contested, "held by several", holdings.contested.intersection(machine.online))
        add(.differing, "differs", holdings.differing.intersection(machine.online))
        add(.free, occupancy == nil ? "isolated" : "free", holdings.free)
        let (names, others) = holdings.freeElsewhere
        add(.freeElsewhere, "free, \(Printable.text(names.joined(separator: ", ")))", others)
        add(.housekeeping, "housekeeping", holdings.housekeeping)
        add(.offline, "offline", machine.offline)
        return [""] + table.lines(hasHeading: false, indent: 1, wrap: style.width) + key
    }

    /// The rows of a holder: its CPUs by protection, its pages, what of it is not isolated any more.
    private func addRows(of holder: Occupancy.Holder, at position: Int, to table: inout Table) {
        for (index, part) in holder.parts.enumerated() {
            let isFirst = index == 0
            table.add([
                mark(part.protection == .shared ? .shared(position) : .held(position)),
                isFirst ? Tables.name(holder.name, style) : "", StyledText("\(part.cpus.count)"),
                StyledText(part.protection.rawValue), StyledText(part.cpus.list),
            ])
        }
        if !holder.pages.isEmpty { table.add(["", "", "", "", StyledText(Self.text(holder.pages))]) }
        let outside = holder.isOfIsolated ? holdings.notIsolated(holder.poolCPUs) : CPUSet()
        if !outside.isEmpty {
            table.add(["", "", "", "", StyledText("\(Tables.notIsolated): \(outside.list)", .warning)])
        }
    }

    /// Reservations in words.
    private static func text(_ pages: [Occupancy.Pages]) -> String {
        pages.map { "\($0.count) x \(Quantity.pageSize(kilobytes: $0.sizeKB)) on node \($0.node)" }
            .joined(separator: ", ")
    }

    private func mark(_ use: Holdings.Use) -> StyledText {
        let (mark, paint) = holdings.mark(use)
        return StyledText(" \(mark) ", paint)
    }

    /// Explains the lines between cores and the parts of the bars that occur.
    private var key: [StyledText] {
        var parts: [StyledText] = []
        if layout.hasSiblings { parts.append(isDense ? "siblings of a core stand together" : "[ ] siblings of a core") }
        if !isDense, !holdings.splitCores.isEmpty { parts.append("{ } siblings of different holders") }
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

    /// That nothing is drawn of the daemon, which serves another machine. It stands above the picture.
    var doubts: [StyledText] {
        guard let doubt else { return [] }
        return [
            StyledText("note: ", .warning)
                + StyledText(
                    "\(doubt): it serves another machine, so its holders are not drawn (--simulate, --machine, --sysfs-root)"
                )
        ]
    }

    /// Of more differences only the number is told.
    private static let mostDifferences = 5

    /// What is inconsistent.
    var notes: [StyledText] {
        let differences = occupancy?.differences ?? []
        var notes = differences.prefix(Self.mostDifferences).map { Printable.text($0.text) }
        if differences.count > Self.mostDifferences {
            notes.append("\(differences.count - Self.mostDifferences) more differences: berth verify")
        }
        let split = holdings.splitCores.reduce(CPUSet()) { $0.union($1) }
        if !split.isEmpty { notes.append("siblings of one core belong to different holders: CPUs \(split.list)") }
        let absent = holdings.held.subtracting(machine.present)
        if !absent.isEmpty { notes.append("held, and not on this machine: CPUs \(absent.list)") }
        let asleep = holdings.held.intersection(machine.offline)
        if !asleep.isEmpty { notes.append("held, and offline: CPUs \(asleep.list)") }
        let outside = holdings.notIsolated
        if !outside.isEmpty { notes.append("held, and \(Tables.notIsolated): CPUs \(outside.list)") }
        let missing = machine.isolated.subtracting(machine.present)
        if !missing.isEmpty { notes.append("isolated, and not on this machine: CPUs \(missing.list)") }
        notes += machine.problems.map { "cannot be used: \(Printable.text($0.description))" }
        return notes.isEmpty ? [] : [""] + notes.map { StyledText("  note: ", .warning) + StyledText($0) }
    }
}
