/// A duration as Go writes it: `15s`, `1m30s`, `1.5h`.
package enum GoDuration {
    /// A text that is none.
    package struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
        /// In Go's words.
        package let description: String
    }

    private static let units: [(name: String, seconds: Double)] = [
        ("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("μs", 1e-6), ("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600),
    ]

    /// The seconds of a text.
    package static func seconds(_ text: String) throws(Failure) -> Double {
        let invalid = Failure(description: "time: invalid duration \(text.debugDescription)")
        var rest = text[...]
        var sign = 1.0
        if let first = rest.first, first == "-" || first == "+" {
            if first == "-" { sign = -1 }
            rest.removeFirst()
        }
        if rest == "0" { return 0 }
        guard !rest.isEmpty else { throw invalid }
        var seconds = 0.0
        while !rest.isEmpty {
            let digits = rest.prefix { $0 == "." || ("0"..."9").contains($0) }
            rest.removeFirst(digits.count)
            // Go takes 1. and .5, Swift does not.
            let number = digits.first == "." ? "0\(digits)" : digits.last == "." ? "\(digits)0" : "\(digits)"
            guard digits != ".", let value = Double(number) else { throw invalid }
            let unit = rest.prefix { $0 != "." && !("0"..."9").contains($0) }
            guard !unit.isEmpty else {
                throw Failure(description: "time: missing unit in duration \(text.debugDescription)")
            }
            guard let known = units.first(where: { $0.name == unit }) else {
                throw Failure(
                    description:
                        "time: unknown unit \(String(unit).debugDescription) in duration \(text.debugDescription)")
            }
            rest.removeFirst(unit.count)
            seconds += value * known.seconds
        }
        return sign * seconds
    }
}
