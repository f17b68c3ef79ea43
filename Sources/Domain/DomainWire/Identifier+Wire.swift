import Domain

extension Identifier {
    /// Parses the identifier in the field `field` of a message (domain specification, section 1.3, rule 1).
    package init(wire text: String, _ field: String) throws(WireError) {
        guard let identifier = Identifier(text) else {
            throw text.isEmpty
                ? WireError("\(field) is missing: expected a UUID")
                : WireError("\(field): \(text.quoted) is not a UUID such as 5a8c7d1e-0f3b-4c29-9e6d-2b1a40c8f7e3")
        }
        self = identifier
    }
}
