import Glibc

/// A moment, in microseconds since 1970 UTC.
package struct StandInTime: Hashable, Comparable, Sendable {
    /// Microseconds since 1970 UTC.
    package var microseconds: Int64

    /// Nothing is further from 1970 than this, some 28,000 years.
    private static let limit: Int64 = 900_000_000_000_000_000

    /// A moment; one that is too far away becomes the furthest.
    package init(microseconds: Int64) { self.microseconds = min(max(microseconds, -Self.limit), Self.limit) }

    /// A moment in whole seconds since 1970 UTC.
    package init(seconds: Int64) {
        self.init(microseconds: min(max(seconds, -Self.limit / 1_000_000), Self.limit / 1_000_000) * 1_000_000)
    }

    /// The time of this machine.
    package static func now() -> StandInTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return StandInTime(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000)
    }

    package static func < (left: StandInTime, right: StandInTime) -> Bool { left.microseconds < right.microseconds }

    /// The moment so many seconds later; the same where that is no number.
    package func advanced(seconds: Double) -> StandInTime {
        guard !seconds.isNaN else { return self }
        return StandInTime(microseconds: microseconds &+ Int64(max(min(seconds * 1e6, 9e17), -9e17)))
    }

    var seconds: Int64 { microseconds >= 0 ? microseconds / 1_000_000 : (microseconds - 999_999) / 1_000_000 }

    /// `2026-01-31T09:08:07Z`.
    package var text: String { date + "Z" }

    /// `2026-01-31T09:08:07.123456Z`.
    package var microText: String {
        let fraction = String(microseconds - seconds * 1_000_000)
        return date + "." + String(repeating: "0", count: max(6 - fraction.utf8.count, 0)) + fraction + "Z"
    }

    private var date: String {
        let days = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
        let rest = seconds - days * 86_400
        // From days to a date of the Gregorian calendar, in years that begin in March.
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * month + 2) / 5 + 1
        let number = month < 10 ? month + 3 : month - 9
        let year = yearOfEra + era * 400 + (number <= 2 ? 1 : 0)
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let digits = String(year)
        let padded = String(repeating: "0", count: max(4 - digits.utf8.count, 0)) + digits
        return
            "\(padded)-\(two(number))-\(two(day))T\(two(rest / 3_600)):\(two(rest / 60 % 60)):\(two(rest % 60))"
    }

    /// Reads RFC 3339: a date, a time with or without a fraction, `Z` or an offset.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, bytes.count <= 40 else { return nil }
        func number(_ range: Range<Int>) -> Int64? {
            var value: Int64 = 0
            for byte in bytes[range] {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - UInt8(ascii: "0"))
            }
            return value
        }
        guard bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"), bytes[10] | 0x20 == UInt8(ascii: "t"),
            bytes[13] == UInt8(ascii: ":"), bytes[16] == UInt8(ascii: ":"), let year = number(0..<4),
            let month = number(5..<7), let day = number(8..<10), let hour = number(11..<13),
            let minute = number(14..<16), let second = number(17..<19), (1...12).contains(month),
            (1...31).contains(day), hour < 24, minute < 60, second < 61
        else { return nil }
        var end = 19
        var micros: Int64 = 0
        if bytes[end] == UInt8(ascii: ".") {
            end += 1
            let start = end
            while end < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[end]) { end += 1 }
            guard end > start, end - start <= 9 else { return nil }
            let digits = min(end - start, 6)
            micros = number(start..<(start + digits)) ?? 0
            for _ in digits..<6 { micros *= 10 }
        }
        guard end < bytes.count else { return nil }
        var offset: Int64 = 0
        if bytes[end] | 0x20 == UInt8(ascii: "z") {
            guard end + 1 == bytes.count else { return nil }
        } else {
            guard end + 6 == bytes.count, bytes[end] == UInt8(ascii: "+") || bytes[end] == UInt8(ascii: "-"),
                bytes[end + 3] == UInt8(ascii: ":"), let hours = number((end + 1)..<(end + 3)),
                let minutes = number((end + 4)..<(end + 6)), hours < 24, minutes < 60
            else { return nil }
            offset = (hours * 60 + minutes) * 60 * (bytes[end] == UInt8(ascii: "-") ? -1 : 1)
        }
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        microseconds = (days * 86_400 + hour * 3_600 + minute * 60 + second - offset) * 1_000_000 + micros
    }
}
