import ArgumentParser
import Terminal

/// The words of the command line, made ready for the parser: what people write and the parser does not understand.
enum CommandWords {
    /// The options that every command that asks the daemon has, and whether they take a value.
    private static let global = [
        "--json": false, "--color": true, "--socket": true, "--api-socket": true, "--timeout": true,
    ]

    /// Global options that stand in front of the command are put behind it, where the parser expects them.
    ///
    /// - Throws: `ValidationError` where the first word is no command, with the command that it may have meant.
    static func ordered(_ words: [String], root: any ParsableCommand.Type) throws -> [String] {
        var rest = words[...]
        var front: [String] = []
        while let word = rest.first, let takesValue = global[String(word.prefix { $0 != "=" })] {
            front.append(rest.removeFirst())
            if takesValue, !word.contains("="), let value = rest.popFirst() { front.append(value) }
        }
        var path: [String] = []
        var command = root
        while let word = rest.first,
            let next = command.configuration.subcommands.first(where: { $0._commandName == word })
        {
            path.append(rest.removeFirst())
            command = next
        }
        if path.isEmpty, let word = rest.first, !word.hasPrefix("-"), word != "help" {
            throw ValidationError(complaint(word, root.configuration.subcommands.map { $0._commandName }))
        }
        return path + front + rest
    }

    private static func complaint(_ word: String, _ commands: [String]) -> String {
        let complaint = "there is no command '\(Printable.text(word))'"
        let nearest = commands.map { (name: $0, edits: edits(from: word, to: $0)) }.min { $0.edits < $1.edits }
        // As many edits as letters make any word of any other.
        guard let nearest, nearest.edits <= 2, nearest.edits < min(word.count, nearest.name.count) else {
            return complaint
        }
        return "\(complaint); did you mean '\(nearest.name)'?"
    }

    /// How many letters must be added, removed, replaced or swapped with a neighbour (optimal string alignment).
    static func edits(from one: String, to other: String) -> Int {
        let (one, other) = (Array(one), Array(other))
        var rows = [Array(0...other.count)]
        for (i, letter) in one.enumerated() {
            var row = [i + 1]
            for (j, wanted) in other.enumerated() {
                var least = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (letter == wanted ? 0 : 1))
                if i > 0, j > 0, letter == other[j - 1], one[i - 1] == wanted {
                    least = min(least, rows[i - 1][j - 1] + 1)
                }
                row.append(least)
            }
            rows.append(row)
        }
        return rows[one.count][other.count]
    }
}
