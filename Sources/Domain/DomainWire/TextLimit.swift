/// How much text one request may have that a domain is to keep, beside the code of a function: what is kept is written to the
/// store with each change, and to every snapshot.
enum TextLimit {
    /// The most bytes, all texts of a request together.
    static let bytes = 4 << 20
    /// What each text counts beside its own bytes.
    private static let perText = 32

    /// Checks texts.
    ///
    /// - Throws: ``WireError`` that says what is too large.
    static func check(_ what: String, _ texts: [String]...) throws(WireError) {
        let total = texts.joined().reduce(0) { $0 + $1.utf8.count + perText }
        guard total <= bytes else {
            throw WireError("\(what): \(total) bytes of text; a domain keeps \(bytes) of one request at most")
        }
    }
}

extension [String: String] {
    /// Its keys and its values.
    var texts: [String] { flatMap { [$0, $1] } }
}
