/// Arguments as Go's `flag` takes them, in the form that this program's parser takes.
package enum GoFlags {
    /// Turns `-name` into `--name` for the options that there are, and `--flag=true` into `--flag`; `--flag=false` goes.
    ///
    /// - Parameters:
    ///   - options: The names of the options that have a value.
    ///   - flags: The names of those that have none, or `true` and `false`.
    package static func normalized(_ words: [String], options: Set<String>, flags: Set<String>) -> [String] {
        words.compactMap { word in
            let dashes = word.prefix { $0 == "-" }.count
            guard dashes == 1 || dashes == 2 else { return word }
            let parts = word.dropFirst(dashes).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = parts.first.map(String.init), options.contains(name) || flags.contains(name) else {
                return word
            }
            guard flags.contains(name), parts.count == 2 else { return "--\(word.dropFirst(dashes))" }
            switch parts[1] {
            case "1", "t", "T", "true", "TRUE", "True": return "--\(name)"
            case "0", "f", "F", "false", "FALSE", "False": return nil
            default: return "--\(word.dropFirst(dashes))"
            }
        }
    }
}
