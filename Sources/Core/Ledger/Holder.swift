import Glibc

/// Who holds a claim: a service, a pod, a function or a run, by kind and name.
///
/// Names are compared, ordered and hashed by their Unicode code points (their UTF-8 bytes), as every other program on the
/// wire does; Swift's own string comparison would take two spellings of `é` for one name.
package struct Holder: Hashable, Comparable, Sendable {
    /// The kinds of holders; the raw value is the prefix of the full name.
    package enum Kind: String, CaseIterable, Sendable {
        /// A service of the EPA socket.
        case service
        /// A Kubernetes pod.
        case pod
        /// A function of an edge domain.
        case function
        /// A program that runs under a claim; no frontend makes such claims yet.
        case run
    }

    /// The kind.
    package let kind: Kind
    /// The name within its kind: any text, not trimmed.
    package let name: String
    /// The UTF-8 of the display name: what is compared, ordered and hashed.
    private let key: [UInt8]

    /// The holder of this kind and name.
    package init(kind: Kind, name: String) {
        self.kind = kind
        self.name = name
        key = Array((kind == .service ? name : "\(kind.rawValue):\(name)").utf8)
    }

    /// The holder of a full name, `kind:name`; nil where the text names none.
    package init?(fullName: String) {
        let bytes = fullName.utf8
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")), let kind = Kind(rawValue: String(fullName[..<colon]))
        else { return nil }
        self.init(kind: kind, name: String(Substring(bytes[bytes.index(after: colon)...])))
    }

    /// The service of this name.
    package static func service(_ name: String) -> Holder { Holder(kind: .service, name: name) }

    /// `kind:name`, unique over all kinds.
    package var fullName: String { "\(kind.rawValue):\(name)" }

    /// The name on the EPA socket: bare for a service, `kind:name` for the others.
    package var displayName: String { kind == .service ? name : fullName }

    /// Whether kind and name are the same.
    package static func == (left: Holder, right: Holder) -> Bool {
        left.kind == right.kind && left.key == right.key
    }

    /// Hashes the kind and the name.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(kind)
        key.withUnsafeBytes { hasher.combine(bytes: $0) }
    }

    /// By display name in code points, then by kind.
    package static func < (left: Holder, right: Holder) -> Bool {
        let order = left.key.withUnsafeBytes { left in
            right.key.withUnsafeBytes { right in
                guard let one = left.baseAddress, let two = right.baseAddress else { return Int32(0) }
                return memcmp(one, two, min(left.count, right.count))
            }
        }
        if order != 0 { return order < 0 }
        if left.key.count != right.key.count { return left.key.count < right.key.count }
        return left.kind.rawValue < right.kind.rawValue
    }
}
