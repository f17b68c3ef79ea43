import Ledger

/// The names of claims' cgroups.
enum CgroupName {
    /// The longest name, in bytes. The kernel takes 255.
    static let limit = 200

    /// `<kind>-<name>`, the same for the same holder: bytes that are unusual in a path are written like `\x2f`, as systemd
    /// does. A longer name is cut, and ends in a hash of the whole.
    static func name(of holder: Holder) -> String {
        var name = "\(holder.kind.rawValue)-"
        for byte in holder.name.utf8 { name += escaped(byte) }
        guard name.utf8.count > limit else { return name }
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        var digits = String(hash, radix: 16)
        while digits.utf8.count < 16 { digits = "0" + digits }
        var prefix = "\(holder.kind.rawValue)-"
        for byte in holder.name.utf8 {
            let next = escaped(byte)
            guard prefix.utf8.count + next.utf8.count + 17 <= limit else { break }
            prefix += next
        }
        return "\(prefix)-\(digits)"
    }

    private static func escaped(_ byte: UInt8) -> String {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: ":"), UInt8(ascii: "_"), UInt8(ascii: "."),
            UInt8(ascii: "-"):
            return String(UnicodeScalar(byte))
        default: return "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
    }
}
