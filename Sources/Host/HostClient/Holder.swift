internal import WireJSON

/// Who holds a claim, by kind and name.
public struct Holder: Hashable, Sendable, CustomStringConvertible {
    /// The kinds of holders.
    public enum Kind: String, CaseIterable, Sendable {
        /// A service of the EPA socket.
        case service
        /// A Kubernetes pod, `NAMESPACE/NAME`.
        case pod
        /// A function of an edge domain.
        case function
        /// A program that runs under a claim.
        case run
    }

    /// The kind.
    public let kind: Kind
    /// The name within its kind.
    public let name: String

    /// The holder of this kind and name.
    public init(_ kind: Kind, _ name: String) {
        self.kind = kind
        self.name = name
    }

    /// The holder of a text `KIND:NAME`; nil where it names none.
    public init?(_ text: String) {
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")), let kind = Kind(rawValue: String(text[..<colon]))
        else { return nil }
        self.init(kind, String(text.utf8[text.utf8.index(after: colon)...]) ?? "")
    }

    /// `KIND:NAME`.
    public var description: String { "\(kind.rawValue):\(name)" }

    /// The path of its claim.
    var path: String { "/v1/claims/\(kind.rawValue)/\(name.percentEncoded)" }
}

/// A set of CPUs, as the kernel lists them: `2-5,9`.
public struct CPUList: Hashable, Sendable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// The list; empty for no CPU.
    public let description: String

    /// The CPUs of a list, which the daemon checks.
    public init(_ list: String) { description = list }

    /// The CPUs of a list.
    public init(stringLiteral list: String) { description = list }

    /// Whether there is none.
    public var isEmpty: Bool { description.isEmpty }

    /// The numbers of the CPUs, ascending where the list is.
    public var numbers: [Int] {
        description.split(separator: ",").flatMap { part in
            let ends = part.split(separator: "-").map { Int($0) ?? -1 }
            guard let first = ends.first, let last = ends.last, first >= 0, last >= first, last < 65_536 else {
                return [Int]()
            }
            return Array(first...last)
        }
    }
}
