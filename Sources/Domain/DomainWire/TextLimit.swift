/// Limits the text in a request that the domain stores, apart from the code of a function: it is written with each
/// change and to every snapshot.
enum TextLimit {
    /// The maximum size of all texts of a request, in bytes.
    static let bytes = 4 << 20
    /// The overhead that each text counts.
    private static let perText = 32

    /// Checks texts.
    ///
    /// - Throws: ``WireError`` that names what is too large.
    static func check(_ what: String, _ texts: [String]...) throws(WireError) {
        let total = texts.joined().reduce(0) { $0 + $1.utf8.count + perText }
        guard total <= bytes else {
            throw WireError("\(what): \(total) bytes of text; the limit for one request is \(bytes)")
        }
    }
}

extension [String: String] {
    /// Its keys and values.
    var texts: [String] { flatMap { [$0, $1] } }
}
