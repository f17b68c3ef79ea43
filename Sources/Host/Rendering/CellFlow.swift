import Machine
import Terminal

/// Draws the CPUs of a place as rows of cells that fit a width.
struct CellFlow {
    /// What a cell shows.
    enum Cells {
        /// The CPU's number, padded to this many columns, above its mark.
        case numbered(Int)
        /// Only the mark.
        case dense
    }

    let cells: Cells
    let holdings: Holdings
    let hasSiblings: Bool
    let usesUnicode: Bool

    /// A core and the boundary before it, which are never broken apart.
    private struct Piece {
        let cpus: [Int]
        let boundary: MachineLayout.Boundary?
        /// The position of the core in its group, from 0.
        let position: Int
    }

    /// A row: the lowest CPU of its first core, and its lines.
    struct Row {
        let first: Int
        let lines: [StyledText]
        var width: Int { lines.reduce(0) { max($0, $1.width) } }
    }

    /// The rows of `place`. A row is wider than `limit` only where a single core is. Rows are about equally long, and break
    /// between groups where groups fit.
    func rows(of place: MachineLayout.Place, limit: Int) -> [Row] {
        var pieces: [[Piece]] = place.groups.map { group in
            group.cores.enumerated().map { Piece(cpus: $1, boundary: $0 == 0 ? group.boundary : nil, position: $0) }
        }
        guard !pieces.isEmpty else { return [] }
        let limit = brackets ? limit - 2 : limit
        if pieces.contains(where: { width(of: $0) > limit }) { pieces = pieces.flatMap { $0.map { [$0] } } }
        let count = pack(pieces, limit).count
        // As many rows, as narrow as possible.
        if count == 1 { return [row(Array(pieces.joined()))] }
        var low = pieces.reduce(1) { max($0, width(of: $1)) }
        var high = max(limit, low)
        while low < high {
            let middle = (low + high) / 2
            if pack(pieces, middle).count <= count { high = middle } else { low = middle + 1 }
        }
        return pack(pieces, high).map { row($0) }
    }

    /// The width of all of `place` in one row.
    func width(of place: MachineLayout.Place) -> Int { rows(of: place, limit: .max >> 1).first?.width ?? 0 }

    private func pack(_ units: [[Piece]], _ limit: Int) -> [[Piece]] {
        var rows: [[Piece]] = []
        var used = 0
        for unit in units {
            let width = width(of: unit)
            let gap = gap(before: unit.first).count
            if let last = rows.indices.last, used + gap + width <= limit {
                rows[last] += unit
                used += gap + width
            } else {
                rows.append(unit)
                used = width
            }
        }
        return rows
    }

    private var cellWidth: Int {
        switch cells {
        case .numbered(let width): width
        case .dense: 1
        }
    }

    private var siblingGap: Int {
        if case .numbered = cells { return 1 }
        return 0
    }

    private func width(of pieces: [Piece]) -> Int {
        pieces.enumerated().reduce(0) { sum, piece in
            let gap = piece.offset == 0 ? 0 : gap(before: piece.element).count
            let cpus = piece.element.cpus.count
            return sum + gap + cpus * cellWidth + (cpus - 1) * siblingGap
        }
    }

    /// The text between a core and the one before it in its row.
    private func gap(before piece: Piece?) -> String {
        let mark = piece?.boundary.map { Self.mark($0, usesUnicode: usesUnicode) }
        switch cells {
        case .numbered: return hasSiblings ? " \(mark ?? " ") " : mark.map { " \($0) " } ?? " "
        case .dense: return mark ?? (hasSiblings || piece?.position.isMultiple(of: 8) == true ? " " : "")
        }
    }

    /// Whether brackets surround the numbers of siblings.
    private var brackets: Bool {
        if case .numbered = cells { return hasSiblings }
        return false
    }

    /// The character at a boundary.
    static func mark(_ boundary: MachineLayout.Boundary, usesUnicode: Bool) -> String {
        switch boundary {
        case .package, .l3: usesUnicode ? "│" : "|"
        case .kind, .cluster: usesUnicode ? "┊" : ":"
        case .offline: " "
        }
    }

    private func row(_ pieces: [Piece]) -> Row {
        var numbers = StyledText()
        var marks = StyledText(brackets ? " " : "")
        for (position, piece) in pieces.enumerated() {
            let isSplit = holdings.isSplit(piece.cpus)
            if position > 0 {
                let gap = gap(before: piece)
                numbers.append(brackets ? String(gap.dropFirst().dropLast()) : gap, .faint)
                marks.append(gap, .faint)
            }
            if brackets { numbers.append(isSplit ? "{" : "[", isSplit ? .warning : .faint) }
            var before: Holdings.Use?
            for cpu in piece.cpus {
                let use = holdings.use(of: cpu)
                let (mark, paint) = holdings.mark(use)
                if let before, siblingGap > 0 {
                    numbers.append(" ", .faint)
                    // Siblings of one holder are one block of its colour.
                    marks.append(" ", before == use ? paint : .plain)
                }
                if case .numbered(let width) = cells {
                    let number = String(cpu)
                    numbers.append(String(repeating: " ", count: max(width - number.count, 0)) + number, .faint)
                    marks.append(String(repeating: " ", count: max(width - 1, 0)) + String(mark), paint)
                } else {
                    marks.append(String(mark), paint)
                }
                before = use
            }
            if brackets { numbers.append(isSplit ? "}" : "]", isSplit ? .warning : .faint) }
        }
        let first = pieces.first?.cpus.first ?? 0
        if case .dense = cells { return Row(first: first, lines: [marks]) }
        return Row(first: first, lines: [numbers, marks])
    }
}
