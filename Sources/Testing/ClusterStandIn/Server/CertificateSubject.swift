/// Whom a client certificate names: its common name is the user, its organizations are the groups (RFC 5280).
struct CertificateSubject: Equatable, Sendable {
    private(set) var commonName: String?
    private(set) var organizations: [String] = []

    /// Reads a certificate; nil where the bytes are none.
    init?(der bytes: [UInt8]) {
        var certificate = DERReader(bytes[...])
        guard var outer = certificate.enter(0x30), var body = outer.enter(0x30) else { return nil }
        if body.isAt(0xA0) { _ = body.next() }
        // The serial number, the algorithm, the issuer, the validity.
        for _ in 0..<4 { guard body.next() != nil else { return nil } }
        guard var subject = body.enter(0x30) else { return nil }
        while var names = subject.enter(0x31) {
            while var pair = names.enter(0x30) {
                guard let type = pair.next(), type.tag == 0x06, let value = pair.next() else { return nil }
                let text = String(decoding: value.content, as: UTF8.self)
                switch Array(type.content) {
                case [0x55, 0x04, 0x03]: commonName = text
                case [0x55, 0x04, 0x0A]: organizations.append(text)
                default: break
                }
            }
        }
    }
}

/// Takes values of the Distinguished Encoding Rules one after another.
private struct DERReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    func isAt(_ tag: UInt8) -> Bool { rest.first == tag }

    mutating func next() -> (tag: UInt8, content: ArraySlice<UInt8>)? {
        guard let tag = rest.popFirst(), let first = rest.popFirst() else { return nil }
        var length = Int(first)
        if first >= 0x80 {
            let count = Int(first & 0x7F)
            guard (1...4).contains(count), rest.count >= count else { return nil }
            length = rest.prefix(count).reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(count)
        }
        guard length <= rest.count else { return nil }
        let content = rest.prefix(length)
        rest = rest.dropFirst(length)
        return (tag, content)
    }

    /// The inside of the next value, where it has this tag.
    mutating func enter(_ tag: UInt8) -> DERReader? {
        guard isAt(tag), let value = next() else { return nil }
        return DERReader(value.content)
    }
}
