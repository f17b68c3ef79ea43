/// Columns aligned with spaces, below a line of their names.
package struct Table: Sendable {
    /// How the cells of a column are aligned.
    package enum Alignment: Sendable {
        /// To the left.
        case left
        /// To the right.
        case right
    }

    private let columns: [(name: String, alignment: Alignment)]
    private var rows: [[StyledText]] = []

    /// A table with these columns and no rows.
    package init(_ columns: [(String, Alignment)]) {
        self.columns = columns.map { (name: $0.0, alignment: $0.1) }
    }

    /// Adds a row; cells that are missing are empty.
    package mutating func add(_ cells: [StyledText]) { rows.append(cells) }

    /// The lines. The last column is not padded. With `wrap`, its text is broken after commas where a line would be wider
    /// than that.
    package func lines(hasHeading: Bool = true, indent: Int = 0, gap: Int = 2, wrap: Int? = nil) -> [StyledText] {
        let heading = columns.map { StyledText($0.name, .heading) }
        let all = (hasHeading ? [heading] : []) + rows
        let widths = columns.indices.map { column in
            all.reduce(0) { max($0, column < $1.count ? $1[column].width : 0) }
        }
        let lastStart = widths.dropLast().reduce(indent) { $0 + $1 + gap }
        return all.flatMap { cells in
            var line = StyledText()
            var start = indent
            for (column, cell) in zip(columns.indices, cells) {
                line.pad(to: start + (columns[column].alignment == .right ? widths[column] - cell.width : 0))
                if column == columns.count - 1, let wrap, line.width + cell.width > wrap, wrap - lastStart >= 20 {
                    return Self.wrapped(line, cell, width: wrap - lastStart)
                }
                line.append(cell)
                start += widths[column] + gap
            }
            return [line]
        }
    }

    private static func wrapped(_ line: StyledText, _ cell: StyledText, width: Int) -> [StyledText] {
        let start = line.width
        var lines = [line]
        var room = width
        for span in cell.spans {
            for part in span.text.split(separator: ",", omittingEmptySubsequences: false).enumerated() {
                let text = (part.offset == 0 ? "" : ",") + part.element
                let columns = Printable.width(text)
                if columns > room, room < width {
                    lines[lines.count - 1].append(part.offset == 0 ? "" : ",", span.paint)
                    lines.append(StyledText(String(repeating: " ", count: start)))
                    lines[lines.count - 1].append(String(part.element), span.paint)
                    room = width - columns
                } else {
                    lines[lines.count - 1].append(text, span.paint)
                    room -= columns
                }
            }
        }
        return lines
    }
}
