/// What is wrong with a YAML text, and where.
package struct YAMLError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The line, from 1; 0 where no line is to blame.
    package let line: Int
    /// What is wrong.
    package let reason: String

    /// One sentence for people.
    package var description: String { line > 0 ? "line \(line): \(reason)" : reason }
}
