import Machine
import Terminal

/// The picture of a machine: packages, nodes, caches, cores with their siblings, who holds each CPU, huge pages.
package struct MachineMap {
    /// What is drawn for each CPU.
    package enum Detail: String, Sendable, CaseIterable {
        /// Numbers up to ``MachineMap/mostNumbered`` CPUs, marks only above that.
        case auto
        /// Each CPU's number above its mark.
        case numbered
        /// One character for each CPU.
        case dense
    }

    /// More CPUs than this are drawn without their numbers.
    package static let mostNumbered = 128

    let title: String
    let machine: Machine
    /// Who has what; nil without a daemon, and where the daemon does not serve this machine.
    let occupancy: Occupancy?
    /// Why the daemon cannot serve this machine; nil where it may.
    let doubt: String?
    let style: Style
    let layout: MachineLayout
    let holdings: Holdings
    let pools: [PagePool]
    private(set) var isDense: Bool

    /// The picture of `machine`.
    ///
    /// - Parameters:
    ///   - title: what the machine is called.
    ///   - occupancy: who has what; nil without a daemon. Of a daemon that serves another machine nothing is drawn.
    package init(
        title: String, machine: Machine, occupancy: Occupancy? = nil, style: Style, detail: Detail = .auto
    ) {
        self.title = title
        self.machine = machine
        self.style = style
        doubt = occupancy?.doubt(of: machine)
        self.occupancy = doubt == nil ? occupancy : nil
        layout = MachineLayout(machine)
        holdings = Holdings(machine, self.occupancy)
        pools = PagePool.pools(ServedMachine(machine).hugePages, self.occupancy?.memory)
        isDense =
            switch detail {
            case .auto: machine.present.count > Self.mostNumbered
            case .numbered: false
            case .dense: true
            }
        // The line below is the shell's.
        if detail == .auto, let height = style.height, lines.count > height - 1 { isDense = true }
    }

    /// The lines of the picture.
    package var lines: [StyledText] {
        var lines = heading + doubts
        let flow = CellFlow(
            cells: isDense ? .dense : .numbered(String(machine.present.last ?? 0).count), holdings: holdings,
            hasSiblings: layout.hasSiblings, usesUnicode: style.usesUnicode)
        let widest = layout.places.reduce(0) { max($0, flow.width(of: $1)) }
        if isDense, layout.places.count > 2, widest * 2 < style.width - 16 {
            lines += packed(flow, cell: widest) + undrawnNodes + pageTable
        } else {
            lines += places(flow)
        }
        return (lines + legend + notes).flatMap { $0.wrapped(to: style.width, indent: 4) }
    }

    private var heading: [StyledText] {
        var first = StyledText(Printable.text(title), .heading)
        let cores = machine.cores.count
        var parts = [
            "\(Quantity.count(machine.online.count, "CPU")) in \(Quantity.count(cores, "core"))",
            Quantity.count(machine.packages.count, "package"),
        ]
        parts.append(TopologyTree.nodeCount(machine))
        first.append(": \(parts.joined(separator: ", "))")
        return [first] + summary + kinds
    }

    /// The pools in numbers.
    private var summary: [StyledText] {
        if let (list, outsidePool) = occupancy?.list {
            return [PoolSummary(list, outsidePool: outsidePool, ServedMachine(machine)).text]
        }
        if let occupancy { return PoolSummary.lines(occupancy, holdings, machine) }
        guard !machine.isolated.isEmpty else { return ["no isolated CPUs"] }
        let offline = machine.isolated.subtracting(machine.online)
        return [
            StyledText(
                Quantity.count(machine.isolated.count, "isolated CPU")
                    + (offline.isEmpty ? "" : ", \(offline.count) offline (\(offline.list))"))
        ]
    }

    private var kinds: [StyledText] {
        machine.coreKinds.isEmpty
            ? []
            : [StyledText("Cores: " + machine.coreKinds.map { "\($0.name) \($0.cpus.list)" }.joined(separator: ", "))]
    }

    // MARK: - One place after the other

    private func places(_ flow: CellFlow) -> [StyledText] {
        var blocks: [[StyledText]] = []
        for place in layout.places {
            var block = [StyledText(heading(of: place), .heading)]
            let anchor = isDense ? String(machine.present.last ?? 0).count + 2 : 0
            for row in flow.rows(of: place, limit: style.width - 2 - anchor) {
                for line in row.lines {
                    var start = StyledText("  ")
                    if isDense { start.append("\(row.first)", .faint) }
                    start.pad(to: 2 + anchor)
                    block.append(start + line)
                }
            }
            blocks.append(block + bars(pools.filter { $0.node == place.node?.id }))
        }
        if !emptyNodes.isEmpty { blocks.append(emptyNodes) }
        let shown = Set(layout.places.compactMap { $0.node?.id })
        let others = pools.filter { !shown.contains($0.node) }
        for id in Set(others.map(\.node)).sorted() {
            blocks.append(
                [StyledText("Node \(id), which only the daemon knows", .heading)]
                    + bars(others.filter { $0.node == id }))
        }
        return Blocks.arranged(blocks, width: style.width)
    }

    /// The nodes with neither memory nor CPUs, in one line; no line where there are none.
    private var emptyNodes: [StyledText] {
        layout.emptyNodes.isEmpty ? [] : [StyledText(TopologyTree.nodes(layout.emptyNodes, "empty"), .heading)]
    }

    func heading(of place: MachineLayout.Place) -> String {
        var parts: [String] = []
        if !place.packages.isEmpty {
            parts.append(
                place.packages.count == 1
                    ? "Package \(place.packages[0])" : "Packages \(CPUSet(place.packages).list)")
        }
        if let node = place.node {
            parts.append(parts.isEmpty ? "Node \(node.id)" : "node \(node.id)")
            parts += [place.remark].compactMap(\.self)
            if let bytes = node.memoryBytes, bytes > 0 { parts.append(Quantity.bytes(bytes)) }
        } else if place.packages.isEmpty {
            parts.append("In no package")
        }
        let pool = place.cpus.intersection(holdings.pool)
        if occupancy != nil, !pool.isEmpty {
            parts.append("\(pool.intersection(holdings.free).count) of \(pool.count) free")
            let offline = pool.subtracting(machine.online).subtracting(holdings.held)
            if !offline.isEmpty { parts.append("\(offline.count) offline") }
        }
        return parts.joined(separator: ", ")
    }

    private func bars(_ pools: [PagePool]) -> [StyledText] {
        let counts = self.pools.reduce(0) { max($0, $1.counts.count) }
        let width = min(max(style.width - counts - 9, 10), 32)
        return pools.flatMap { pool in
            let size = Quantity.pageSize(kilobytes: pool.sizeKB)
            var line = StyledText(String(repeating: " ", count: max(6 - size.count, 2)) + size + " ")
            line.append(pool.bar(width: width, usesUnicode: style.usesUnicode))
            let text = StyledText("  \(pool.counts)")
            guard line.width + text.width > style.width else { return [line + text] }
            return [line] + text.wrapped(to: style.width, indent: 4)
        }
    }

    // MARK: - Many small places side by side

    /// Rows of places; each begins with its nodes (or packages) and its lowest CPU.
    private func packed(_ flow: CellFlow, cell: Int) -> [StyledText] {
        let noun = layout.places.contains { $0.node != nil } ? "node" : "package"
        let drawn = layout.places.filter { !$0.groups.isEmpty }
        let labels = drawn.map { $0.node?.id ?? $0.packages.first ?? 0 }
        let labelWidth = max((labels.max().map { String($0).count } ?? 1) * 2 + 1, noun.count)
        let numberWidth = max(String(machine.present.last ?? 0).count, 3)
        let start = labelWidth + 2 + numberWidth + 2
        let most = max((style.width - start + 2) / (cell + 2), 1)
        // A power of two, where the rows stay about as long.
        let perRow = most >= 4 ? 1 << (Int.bitWidth - 1 - most.leadingZeroBitCount) : most
        var lines: [StyledText] = [""]
        var title = StyledText(noun, .faint)
        title.pad(to: labelWidth + 2 + numberWidth - 3)
        title.append("CPU", .faint)
        lines.append(title)
        for from in stride(from: 0, to: drawn.count, by: perRow) {
            let row = drawn[from..<min(from + perRow, drawn.count)]
            let (low, high) = (labels[from], labels[row.endIndex - 1])
            var line = StyledText(low == high ? "\(low)" : "\(low)-\(high)", .faint)
            let first = String(row.first?.first ?? 0)
            line.pad(to: labelWidth + 2 + numberWidth - first.count)
            line.append(first, .faint)
            for (index, place) in row.enumerated() {
                line.pad(to: start + index * (cell + 2))
                for row in flow.rows(of: place, limit: .max >> 1) { row.lines.forEach { line.append($0) } }
            }
            lines.append(line)
        }
        return lines
    }

    /// Lines for the nodes that have no row, or not all of their CPUs in it; nodes of one remark in one line.
    private var undrawnNodes: [StyledText] {
        var remarks: [String] = []
        var nodes: [String: [Int]] = [:]
        for place in layout.places {
            guard let node = place.node, let remark = place.remark else { continue }
            if nodes[remark] == nil { remarks.append(remark) }
            nodes[remark, default: []].append(node.id)
        }
        let lines = remarks.map { StyledText(TopologyTree.nodes(nodes[$0] ?? [], $0), .heading) } + emptyNodes
        return lines.isEmpty ? [] : [""] + lines
    }

    /// The pools of all nodes, neighbours with equal ones in one row.
    private var pageTable: [StyledText] {
        var runs: [(nodes: CPUSet, pools: [PagePool])] = []
        for node in Set(pools.map(\.node)).sorted() {
            let own = pools.filter { $0.node == node }
            if let last = runs.last, last.pools.elementsEqual(own, by: { $0.isLike($1) }) {
                runs[runs.count - 1].nodes.insert(node)
            } else {
                runs.append((CPUSet(CollectionOfOne(node)), own))
            }
        }
        return runs.flatMap { run in
            let noun = run.nodes.count == 1 ? "Node" : "Nodes"
            let each = run.nodes.count == 1 ? "" : ", each"
            return ["", StyledText("\(noun) \(run.nodes.list)\(each)", .heading)] + bars(run.pools)
        }
    }
}

extension MachineLayout.Place {
    /// Why not all CPUs of the node are drawn here; nil where they are.
    fileprivate var remark: String? {
        guard node != nil, !elsewhere.isEmpty || groups.isEmpty else { return nil }
        if elsewhere.isEmpty { return "memory only" }
        let owners = owners.map(String.init).joined(separator: ",")
        return "CPUs \(elsewhere.list) shown with node\(self.owners.count == 1 ? "" : "s") \(owners)"
    }
}

extension PagePool {
    fileprivate func isLike(_ other: PagePool) -> Bool {
        sizeKB == other.sizeKB && total == other.total && used == other.used
            && reserved == other.reserved && committed == other.committed && free == other.free
    }
}
