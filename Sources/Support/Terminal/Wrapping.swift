extension StyledText {
    /// The text on lines of at most `width` columns, broken after spaces and commas; lines after the first begin with `indent`
    /// spaces. A word that is longer stays whole.
    package func wrapped(to width: Int, indent: Int = 2) -> [StyledText] {
        guard self.width > width else { return [self] }
        var lines: [StyledText] = []
        var line = StyledText()
        var isFresh = true
        for (word, paint) in words {
            let columns = Printable.width(word) - (word.last == " " ? 1 : 0)
            if !isFresh, line.width + columns > width {
                lines.append(line)
                line = StyledText(String(repeating: " ", count: indent))
            }
            line.append(word, paint)
            isFresh = false
        }
        return lines + [line]
    }

    /// The text cut to `width` columns.
    package func cut(to width: Int) -> StyledText {
        guard self.width > width else { return self }
        var result = StyledText()
        var room = width
        for span in spans {
            var text = ""
            for character in span.text {
                room -= Printable.width(String(character))
                if room < 0 { break }
                text.append(character)
            }
            result.append(text, span.paint)
            if room <= 0 { break }
        }
        return result
    }

    /// The pieces between which a line may be broken.
    private var words: [(String, Paint)] {
        spans.flatMap { span in
            var words: [(String, Paint)] = []
            var word = ""
            for character in span.text {
                word.append(character)
                guard character == " " || character == "," else { continue }
                words.append((word, span.paint))
                word = ""
            }
            return word.isEmpty ? words : words + [(word, span.paint)]
        }
    }
}
