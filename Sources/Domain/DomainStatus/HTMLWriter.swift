/// Writes HTML and escapes all external text.
struct HTMLWriter {
    /// The text so far.
    private(set) var text = ""

    /// Adds trusted HTML verbatim.
    mutating func raw(_ html: StaticString) { text += "\(html)" }

    /// Adds an element with a text.
    mutating func element(_ name: StaticString, _ content: String, _ styleClass: StaticString? = nil) {
        text += "<\(name)\(styleClass.map { " class=\"\($0)\"" } ?? "")>\(Self.escape(content))</\(name)>"
    }

    /// Adds a table with a row for each of the first `limit` items, and a line that counts the rest.
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

    /// Escapes a text for use in elements and attributes.
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
