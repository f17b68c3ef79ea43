/// How text is shown: what the output can display.
package struct Style: Sendable, Equatable {
    /// Whether ANSI colours may be used.
    package var usesColour: Bool
    /// Whether box characters and blocks may be used; plain ASCII without.
    package var usesUnicode: Bool
    /// Columns of the terminal.
    package var width: Int
    /// Rows of the terminal; nil where the output is none.
    package var height: Int?
    /// Whether the output is a terminal: headings, summaries and cut names are for people.
    package var isTerminal: Bool

    /// A style; widths below 40 count as 40.
    package init(usesColour: Bool, usesUnicode: Bool, width: Int, height: Int? = nil, isTerminal: Bool) {
        self.usesColour = usesColour
        self.usesUnicode = usesUnicode
        self.width = max(width, 40)
        self.height = height
        self.isTerminal = isTerminal
    }

    /// For pipes and files: ASCII, no colours, 80 columns.
    package static let plain = Style(usesColour: false, usesUnicode: false, width: 80, isTerminal: false)
}

/// What a piece of text means, which decides its colour.
package enum Paint: Sendable, Equatable {
    /// Nothing in particular.
    case plain
    /// Headings and names of columns.
    case heading
    /// Of less weight than the text around it.
    case faint
    /// Something that needs attention.
    case warning
    /// The holder of this position in the legend.
    case holder(Int)
    /// A CPU or page that is free.
    case free
    /// A CPU that was never in the pool.
    case housekeeping
    /// A CPU that does not run.
    case offline
    /// Pages in use.
    case used
    /// Pages that the kernel has committed and not given yet.
    case committed
    /// Pages reserved and not in use yet.
    case reserved

    /// Backgrounds of the 256-colour palette on which black is read well, neighbours far apart.
    static let holderColours = [39, 214, 170, 114, 221, 209, 80, 141, 180, 110, 211, 149]

    /// The parameters of the ANSI sequence (ECMA-48, SGR); nil for none.
    var parameters: String? {
        switch self {
        case .plain: nil
        case .heading: "1"
        case .faint, .housekeeping: "2"
        case .warning: "1;33"
        case .holder(let position): "30;48;5;\(Self.holderColours[position % Self.holderColours.count])"
        case .free: "32"
        case .offline: "31"
        case .used: "34"
        case .committed: "36"
        case .reserved: "33"
        }
    }
}

/// Text whose pieces have a meaning.
package struct StyledText: Sendable, Equatable, ExpressibleByStringInterpolation {
    struct Span: Sendable, Equatable {
        var text: String
        var paint: Paint
    }

    private(set) var spans: [Span] = []

    /// No text.
    package init() {}

    /// Text of one meaning.
    package init(_ text: String, _ paint: Paint = .plain) { append(text, paint) }

    /// Plain text.
    package init(stringLiteral text: String) { self.init(text) }

    /// The columns it takes.
    package var width: Int { spans.reduce(0) { $0 + Printable.width($1.text) } }

    /// Whether there is no text.
    package var isEmpty: Bool { spans.isEmpty }

    /// Adds a piece.
    package mutating func append(_ text: String, _ paint: Paint = .plain) {
        guard !text.isEmpty else { return }
        if spans.last?.paint == paint {
            spans[spans.count - 1].text += text
        } else {
            spans.append(Span(text: text, paint: paint))
        }
    }

    /// Adds all pieces of another text.
    package mutating func append(_ other: StyledText) {
        for span in other.spans { append(span.text, span.paint) }
    }

    /// Adds spaces up to this column.
    package mutating func pad(to column: Int) { append(String(repeating: " ", count: max(column - width, 0))) }

    /// Both, one after the other.
    package static func + (left: StyledText, right: StyledText) -> StyledText {
        var result = left
        result.append(right)
        return result
    }

    /// The text in this style, without spaces at its end.
    package func rendered(_ style: Style) -> String {
        var spans = spans
        while let last = spans.last, last.paint.isBackgroundless {
            let trimmed = last.text.trimmedAtEnd
            if trimmed.isEmpty {
                spans.removeLast()
                continue
            }
            spans[spans.count - 1].text = trimmed
            break
        }
        return spans.reduce(into: "") { result, span in
            guard style.usesColour, let parameters = span.paint.parameters else { return result += span.text }
            result += "\u{1B}[\(parameters)m\(span.text)\u{1B}[0m"
        }
    }
}

extension Paint {
    fileprivate var isBackgroundless: Bool {
        if case .holder = self { return false }
        return true
    }
}

extension String {
    fileprivate var trimmedAtEnd: String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}

extension [StyledText] {
    /// The lines in this style, each with its line end.
    package func rendered(_ style: Style) -> String {
        reduce(into: "") { $0 += $1.rendered(style) + "\n" }
    }
}
