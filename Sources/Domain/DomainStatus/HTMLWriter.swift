/// Writes HTML in which every text from outside is escaped.
struct HTMLWriter {
    /// The text so far.
    private(set) var text = ""

    /// HTML of our own, as it is.
    mutating func raw(_ html: StaticString) { text += "\(html)" }

    /// An element that holds a text.
    mutating func element(_ name: StaticString, _ content: String, _ styleClass: StaticString? = nil) {
        text += "<\(name)\(styleClass.map { " class=\"\($0)\"" } ?? "")>\(Self.escape(content))</\(name)>"
    }

    /// A table with a row of texts for each of the first `limit` items, and a line that says how many more there are.
    mutating func table<Item>(
        _ columns: [String], _ items: [Item], limit: Int = .max, _ row: (Item) -> [String]
    ) {
        text += "<table><tr>"
        for column in columns { element("th", column) }
        text += "</tr>\n"
        for item in items.prefix(limit) {
            text += "<tr>"
            for cell in row(item) { element("td", cell) }
            text += "</tr>\n"
        }
        text += "</table>"
        if items.count > limit { element("p", "… and \(items.count - limit) more.") }
    }

    /// A text that means itself, within an element and within quotes.
    static func escape(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
