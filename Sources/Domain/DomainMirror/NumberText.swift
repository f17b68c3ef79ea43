/// Numbers in the form that EDGELESS readers of Redis expect: the shortest digits that parse to the same number,
/// without an exponent (domain specification, section 5.1).
enum NumberText {
    /// Without a decimal point for integers: `5`, `1760000001.25`.
    static func plain(_ value: Double) -> String {
        guard value.isFinite else { return "0" }
        let text = expanded("\(value)")
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    /// A time in seconds since 1970.
    static func time(_ seconds: Int64, _ nanoseconds: UInt32) -> String {
        plain(Double(seconds) + Double(nanoseconds) / 1e9)
    }

    /// Always with a decimal point: `2400.0`.
    static func decimal(_ value: Float) -> String {
        guard value.isFinite else { return "0.0" }
        let text = expanded("\(value)")
        return text.utf8.contains(UInt8(ascii: ".")) ? text : text + ".0"
    }

    /// Replaces an exponent with zeros.
    private static func expanded(_ text: String) -> String {
        let parts = text.split(separator: "e")
        guard parts.count == 2, let exponent = Int(parts[1]) else { return text }
        let isNegative = parts[0].hasPrefix("-")
        let digits = parts[0].split(separator: ".").map { $0.filter { $0 != "-" } }
        let whole = String(digits.first ?? "")
        let rest = digits.count > 1 && digits[1] != "0" ? String(digits[1]) : ""
        let all = whole + rest
        let point = whole.count + exponent
        let body: String
        if point <= 0 {
            body = "0." + String(repeating: "0", count: -point) + all
        } else if point >= all.count {
            body = all + String(repeating: "0", count: point - all.count)
        } else {
            body = all.prefix(point) + "." + all.dropFirst(point)
        }
        return isNegative ? "-" + body : body
    }
}
