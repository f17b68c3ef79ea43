/// A request, before credentials.
struct APIRequest: Sendable {
    let method: TransportRequest.Method
    let target: String
    var body: [UInt8] = []
    var contentType = "application/json"

    /// How deep objects may be nested.
    static let depth = 128

    init(_ method: TransportRequest.Method, _ path: String, query: [(String, String?)] = [], body: JSONValue? = nil) {
        self.method = method
        let parts = query.compactMap { name, value in value.map { "\(name)=\(Self.encode($0))" } }
        target = parts.isEmpty ? path : "\(path)?\(parts.joined(separator: "&"))"
        if let body { self.body = body.bytes }
    }

    /// A text within a path or a query: what RFC 3986 does not call unreserved is percent-encoded.
    static func encode(_ text: String) -> String {
        var encoded: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                encoded.append(byte)
            default:
                let digits = Array("0123456789ABCDEF".utf8)
                encoded += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: encoded, as: UTF8.self)
    }
}
