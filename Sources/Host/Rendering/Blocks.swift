import Terminal

/// Puts blocks of lines side by side where they are narrow enough.
enum Blocks {
    private static let gap = 3

    /// The lines of all blocks with an empty line between them. Neighbours that take at most half the width stand in
    /// columns of equal width.
    static func arranged(_ blocks: [[StyledText]], width: Int) -> [StyledText] {
        var lines: [StyledText] = []
        var small: [[StyledText]] = []
        func flush() {
            lines += grid(small, width: width)
            small = []
        }
        for block in blocks {
            if columns(of: block) * 2 + gap <= width {
                small.append(block)
            } else {
                flush()
                lines += [""] + block
            }
        }
        flush()
        return lines
    }

    private static func columns(of block: [StyledText]) -> Int { block.reduce(0) { max($0, $1.width) } }

    private static func grid(_ blocks: [[StyledText]], width: Int) -> [StyledText] {
        guard !blocks.isEmpty else { return [] }
        let column = blocks.reduce(0) { max($0, columns(of: $1)) } + gap
        let fitting = max((width + gap) / column, 1)
        let rows = (blocks.count + fitting - 1) / fitting
        let perRow = (blocks.count + rows - 1) / rows
        var lines: [StyledText] = []
        for from in stride(from: 0, to: blocks.count, by: perRow) {
            let row = blocks[from..<min(from + perRow, blocks.count)]
            lines.append("")
            for index in 0..<(row.map(\.count).max() ?? 0) {
                var line = StyledText()
                for (position, block) in row.enumerated() where index < block.count {
                    line.pad(to: position * column)
                    line.append(block[index])
                }
                lines.append(line)
            }
        }
        return lines
    }
}
