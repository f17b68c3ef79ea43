/// Columns aligned by blanks, with a line of names above them.
struct Table {
    enum Alignment { case left, right }

    private let columns: [(name: String, alignment: Alignment)]
    private var rows: [[StyledText]] = []

    init(_ columns: [(String, Alignment)]) {
        self.columns = columns.map { (name: $0.0, alignment: $0.1) }
    }

    /// Adds a row; cells that are missing are empty.
    mutating func add(_ cells: [StyledText]) { rows.append(cells) }

    /// The lines. The last column is never padded.
    func lines(hasHeading: Bool = true, indent: Int = 0, gap: Int = 2) -> [StyledText] {
        let heading = columns.map { StyledText($0.name, .heading) }
        let all = (hasHeading ? [heading] : []) + rows
        let widths = columns.indices.map { column in
            all.reduce(0) { max($0, column < $1.count ? $1[column].width : 0) }
        }
        return all.map { cells in
            var line = StyledText()
            var start = indent
            for (column, cell) in zip(columns.indices, cells) {
                line.pad(to: start + (columns[column].alignment == .right ? widths[column] - cell.width : 0))
                line.append(cell)
                start += widths[column] + gap
            }
            return line
        }
    }
}
