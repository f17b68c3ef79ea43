/// A 128-bit identifier (UUID), typed by what it identifies.
///
/// Parses every form that EDGELESS accepts (domain specification, section 1.3, rule 1): hyphenated, 32 digits,
/// `{braced}` and `urn:uuid:`, in any case. Its text is lower-case and hyphenated.
package struct Identifier<Kind>: Hashable, Comparable, Sendable, CustomStringConvertible, LosslessStringConvertible {
    /// The first 64 bits.
    package let high: UInt64
    /// The last 64 bits.
    package let low: UInt64

    /// Creates an identifier from its bits.
    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Creates a random UUID (version 4).
    package init(random: inout some RandomNumberGenerator) {
        high = random.next() & 0xFFFF_FFFF_FFFF_0FFF | 0x4000
        low = random.next() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    }

    /// Parses a text; nil if it has none of the four forms.
    package init?(_ text: String) {
        var bytes = Array(text.utf8)
        let urn = Array("urn:uuid:".utf8)
        if bytes.count == 45, bytes.starts(with: urn) {
            bytes.removeFirst(urn.count)
        } else if bytes.count == 38, bytes.first == UInt8(ascii: "{"), bytes.last == UInt8(ascii: "}") {
            bytes = Array(bytes.dropFirst().dropLast())
        }
        let hyphens = [8, 13, 18, 23]
        if bytes.count == 36 {
            guard hyphens.allSatisfy({ bytes[$0] == UInt8(ascii: "-") }) else { return nil }
            for index in hyphens.reversed() { bytes.remove(at: index) }
        }
        guard bytes.count == 32 else { return nil }
        var words: [UInt64] = [0, 0]
        for (index, byte) in bytes.enumerated() {
            guard let digit = byte.hexadecimalDigit else { return nil }
            words[index / 16] = words[index / 16] << 4 | UInt64(digit)
        }
        (high, low) = (words[0], words[1])
    }

    /// The lower-case, hyphenated text.
    package var description: String {
        var text: [UInt8] = []
        text.reserveCapacity(36)
        for index in 0..<32 {
            if index == 8 || index == 12 || index == 16 || index == 20 { text.append(UInt8(ascii: "-")) }
            let word = index < 16 ? high : low
            let digit = UInt8(truncatingIfNeeded: word >> UInt64(60 - index % 16 * 4) & 0xF)
            text.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The order of the texts.
    package static func < (left: Identifier, right: Identifier) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}

extension UInt8 {
    /// The value of a hexadecimal digit; nil for any other byte.
    fileprivate var hexadecimalDigit: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

/// The kinds of ``Identifier``.
package enum IdentifierKind {
    /// A node of the domain.
    package enum Node {}
    /// A function or resource at the controller.
    package enum Logical {}
    /// A running function or resource at its node.
    package enum Component {}
    /// State that a function keeps.
    package enum State {}
}

/// A node.
package typealias NodeID = Identifier<IdentifierKind.Node>
/// A function or resource of a workflow, wherever it runs. The domain creates logical ids; the controller sees no
/// others.
package typealias LogicalID = Identifier<IdentifierKind.Logical>
/// A function or resource on one node. The node creates component ids.
package typealias ComponentID = Identifier<IdentifierKind.Component>
/// The state of a function.
package typealias StateID = Identifier<IdentifierKind.State>

/// Where a function or resource runs.
package struct PhysicalID: Hashable, Comparable, Sendable {
    /// The node that runs it.
    package let node: NodeID
    /// Its id on that node.
    package let component: ComponentID

    /// The component of this id on this node.
    package init(node: NodeID, component: ComponentID) {
        self.node = node
        self.component = component
    }

    /// The EDGELESS sentinel for "nowhere". Berth never sends it; it only shows it to Redis readers.
    package static let none = PhysicalID(
        node: NodeID(high: 0, low: 0x0000_fffe_0000_0000), component: ComponentID(high: 0, low: 0x0000_fffd_0000_0000))

    /// By node, then by component.
    package static func < (left: PhysicalID, right: PhysicalID) -> Bool {
        (left.node, left.component) < (right.node, right.component)
    }
}
