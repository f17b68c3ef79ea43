/// Calendar times in UTC.
enum UTCTime {
    /// `2026-02-23T12:34:56.789Z` for seconds since 1970, with up to six decimal places.
    static func text(_ seconds: Double) -> String {
        // Beyond some thousand years a time is not plausible, and would overflow.
        guard abs(seconds) < 100_000_000_000 else { return DecimalText.shortest(seconds) }
        let micros = Int64((seconds * 1_000_000).rounded())
        let (second, micro) = divided(micros, by: 1_000_000)
        let (day, rest) = divided(second, by: 86_400)
        let (year, month, date) = calendar(day)
        var text = "\(pad(year, 4))-\(pad(month, 2))-\(pad(date, 2))"
        text += "T\(pad(rest / 3600, 2)):\(pad(rest / 60 % 60, 2)):\(pad(rest % 60, 2))"
        if micro != 0 { text += micro % 1000 == 0 ? ".\(pad(micro / 1000, 3))" : ".\(pad(micro, 6))" }
        return text + "Z"
    }

    /// The Gregorian date of a day since 1970. Years are counted from March, so that the leap day is the last day.
    private static func calendar(_ day: Int64) -> (year: Int64, month: Int64, date: Int64) {
        let (era, dayOfEra) = divided(day + 719_468, by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    private static func divided(_ value: Int64, by divisor: Int64) -> (Int64, Int64) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    private static func pad(_ value: Int64, _ width: Int) -> String {
        let digits = String(value.magnitude)
        return (value < 0 ? "-" : "") + String(repeating: "0", count: max(width - digits.count, 0)) + digits
    }
}
