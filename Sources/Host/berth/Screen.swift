import ArgumentParser
import Glibc
import Rendering
import Terminal

/// A terminal on which a picture is drawn again and again, without flicker: over the last one, in one write, and only where it
/// differs.
struct Screen {
    private let output: OutputOptions

    /// - Throws: `ValidationError` where standard output is no terminal that can be drawn on.
    init(_ output: OutputOptions) throws {
        let term = processEnvironment()["TERM"] ?? ""
        guard output.style.isTerminal, !term.isEmpty, term != "dumb" else {
            throw ValidationError("--watch: expected standard output to be a terminal (TERM says which)")
        }
        self.output = output
    }

    /// Draws for ever. Once there was a picture, a daemon that is away is named above it.
    func show(_ picture: (Style) async throws -> [StyledText]) async throws -> Never {
        var last: [StyledText]?
        var shown = ""
        while true {
            let style = output.style
            var lines: [StyledText]
            do {
                lines = try await picture(style)
                last = lines
            } catch let failure as Failure {
                guard let last, failure.status == Failure.unreachable || failure.status == Failure.timeout else {
                    throw failure
                }
                lines = StyledText("note: \(failure.message)", .warning).wrapped(to: style.width) + last
            }
            let frame = Self.frame(lines, style)
            if frame != shown { try Output.write((shown.isEmpty ? "\u{1B}[2J" : "") + frame) }
            shown = frame
            try await Task.sleep(for: .seconds(1))
        }
    }

    /// Begins at the top left; each line and the rest of the screen are cleared behind what is written. What does not fit the
    /// terminal is left out, as it would move the rest.
    private static func frame(_ lines: [StyledText], _ style: Style) -> String {
        var lines = lines.map { $0.cut(to: style.width) }
        if let height = style.height, lines.count > height - 1 {
            lines = lines.prefix(max(height - 2, 1)) + ["(the terminal is too low for the rest)"]
        }
        return "\u{1B}[H" + lines.map { $0.rendered(style) + "\u{1B}[K\n" }.joined() + "\u{1B}[J"
    }
}
