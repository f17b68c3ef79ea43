/// An amount of a resource as Kubernetes spells it: `500m`, `2`, `1.5Gi`, `1e3`.
public struct Quantity: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Thousandths of the unit, rounded up; an amount beyond 64 bits is the largest that fits.
    public let milli: Int

    /// So many thousandths.
    public init(milli: Int) { self.milli = milli }

    /// So many.
    public init(_ value: Int) {
        let (milli, overflows) = value.multipliedReportingOverflow(by: 1000)
        self.milli = overflows ? (value < 0 ? .min : .max) : milli
    }

    /// Whole units, rounded up.
    public var value: Int {
        let (quotient, remainder) = milli.quotientAndRemainder(dividingBy: 1000)
        return remainder > 0 ? quotient + 1 : quotient
    }

    /// Reads a quantity: a decimal number and a suffix (`n`, `u`, `m`, `k`, `M`, `G`, `T`, `P`, `E`, `Ki` … `Ei`, or a decimal
    /// exponent). Nil for anything else.
    public init?(_ text: String) {
        var rest = text.utf8[...]
        let isNegative = rest.first == UInt8(ascii: "-")
        if isNegative || rest.first == UInt8(ascii: "+") { rest = rest.dropFirst() }
        var (significand, scale, digits, isPastPoint, isCut) = (0, 0, 0, false, false)
        while let byte = rest.first {
            if byte == UInt8(ascii: "."), !isPastPoint {
                isPastPoint = true
            } else if byte >= 0x30, byte <= 0x39 {
                digits += 1
                if significand < 100_000_000_000_000_000 {
                    significand = significand * 10 + Int(byte - 0x30)
                    if isPastPoint { scale -= 1 }
                } else {
                    // Beyond 17 digits only the size counts.
                    if byte != 0x30 { isCut = true }
                    if !isPastPoint { scale += 1 }
                }
            } else {
                break
            }
            rest = rest.dropFirst()
        }
        guard digits > 0, let factor = Self.factor(String(Substring(rest))) else { return nil }
        let size = Self.scale(significand, isCut: isCut, by: factor.multiplier, exponent: scale + factor.exponent + 3)
        milli = isNegative ? -size : size
    }

    private static func factor(_ suffix: String) -> (multiplier: Int, exponent: Int)? {
        switch suffix {
        case "": return (1, 0)
        case "n": return (1, -9)
        case "u": return (1, -6)
        case "m": return (1, -3)
        case "k": return (1, 3)
        case "M": return (1, 6)
        case "G": return (1, 9)
        case "T": return (1, 12)
        case "P": return (1, 15)
        case "E": return (1, 18)
        case "Ki": return (1 << 10, 0)
        case "Mi": return (1 << 20, 0)
        case "Gi": return (1 << 30, 0)
        case "Ti": return (1 << 40, 0)
        case "Pi": return (1 << 50, 0)
        case "Ei": return (1 << 60, 0)
        default:
            guard let letter = suffix.first, letter == "e" || letter == "E", let exponent = Int(suffix.dropFirst())
            else { return nil }
            // What is beyond has overflowed, or vanished, long before.
            return (1, min(max(exponent, -100), 100))
        }
    }

    /// `significand` × `multiplier` × 10^`exponent`, rounded up, at most what fits.
    private static func scale(_ significand: Int, isCut: Bool, by multiplier: Int, exponent: Int) -> Int {
        guard significand > 0 || isCut else { return 0 }
        var value = UInt128(significand) * UInt128(multiplier)
        var isRounded = isCut
        if exponent >= 0 {
            for _ in 0..<exponent {
                value *= 10
                if value > UInt128(Int.max) { return .max }
            }
        } else {
            for _ in 0..<(-exponent) where value > 0 {
                isRounded = isRounded || value % 10 != 0
                value /= 10
            }
        }
        if isRounded { value += 1 }
        return value > UInt128(Int.max) ? .max : Int(value)
    }

    /// The smaller one first.
    public static func < (one: Quantity, other: Quantity) -> Bool { one.milli < other.milli }

    /// Whole units, else thousandths: `2`, `1500m`.
    public var description: String { milli % 1000 == 0 ? "\(milli / 1000)" : "\(milli)m" }
}
