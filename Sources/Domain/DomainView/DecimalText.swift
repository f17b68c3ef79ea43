/// Numbers for people.
enum DecimalText {
    /// The shortest digits that read back as the same number; whole numbers without a point.
    static func shortest(_ value: Double) -> String {
        guard let whole = Int64(exactly: value) else { return "\(value)" }
        return "\(whole)"
    }

    /// With this many digits after the point, rounded.
    static func fixed(_ value: Double, _ places: Int) -> String {
        let scale = (0..<places).reduce(1) { scale, _ in scale * 10 }
        let scaled = (value * Double(scale)).rounded()
        // Larger numbers have no digits there anyway.
        guard abs(scaled) < 1e15, let whole = Int64(exactly: scaled) else { return "\(value)" }
        let digits = String(whole.magnitude)
        let padded = String(repeating: "0", count: max(places + 1 - digits.count, 0)) + digits
        return (whole < 0 ? "-" : "") + padded.dropLast(places) + (places > 0 ? "." : "") + padded.suffix(places)
    }
}
