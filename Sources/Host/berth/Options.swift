import ArgumentParser
import Glibc
import Rendering
import Terminal

/// When `berth` uses colours.
enum ColourChoice: String, ExpressibleByArgument, CaseIterable {
    case auto, always, never
}

/// The options of every subcommand.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print one JSON document on standard output.")
    var json = false
    @Option(
        help: ArgumentHelp(
            "Colours: auto (on a terminal, unless NO_COLOR is set or TERM is dumb or unset), always, never.",
            valueName: "when"))
    var color = ColourChoice.auto

    /// What standard output can show.
    var style: Style {
        let environment = processEnvironment()
        func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        let isTerminal = isatty(STDOUT_FILENO) != 0
        // Serial consoles and init systems leave TERM unset: nothing says that the terminal has colours.
        let hasColours = variable("TERM").map { $0 != "dumb" } ?? false
        let mayColour = isTerminal && variable("NO_COLOR") == nil && hasColours
        let locale = (variable("LC_ALL") ?? variable("LC_CTYPE") ?? variable("LANG") ?? "").uppercased()
        return Style(
            usesColour: color == .always || (color == .auto && mayColour),
            usesUnicode: isTerminal && (locale.contains("UTF-8") || locale.contains("UTF8")),
            width: variable("COLUMNS").flatMap(Int.init).flatMap { $0 > 0 ? min($0, 10_000) : nil }
                ?? size.flatMap { $0.ws_col > 0 ? Int($0.ws_col) : nil } ?? 80,
            height: size.flatMap { $0.ws_row > 0 ? Int($0.ws_row) : nil }, isTerminal: isTerminal)
    }

    /// The size of the terminal; nil where standard output is none.
    private var size: winsize? {
        var size = winsize()
        return ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 ? size : nil
    }

    /// Writes a JSON document, or lines for a person.
    func show(json document: @autoclosure () -> [UInt8], _ lines: (Style) -> [StyledText]) throws {
        if json { return try Output.write(json: document()) }
        let style = style
        try Output.write(lines(style).rendered(style))
    }
}

/// The environment as a dictionary.
func processEnvironment() -> [String: String] {
    var result: [String: String] = [:]
    var entry = environ
    while let text = entry.pointee {
        let pair = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        if pair.count == 2 { result[String(pair[0])] = String(pair[1]) }
        entry += 1
    }
    return result
}
