import Glibc

/// A point in time of a wall clock, to the microsecond.
///
/// Who decides by one decides by another machine's clock: leases and deadlines are measured with a monotonic clock instead.
public struct Timestamp: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Microseconds since 1970 UTC; from the year 0 to the year 9999.
    public let microseconds: Int

    private static let limits = -62_167_219_200_000_000...253_402_300_799_999_999

    /// A point in time; one outside the years 0 to 9999 becomes their nearest.
    public init(microseconds: Int) {
        self.microseconds = min(max(microseconds, Self.limits.lowerBound), Self.limits.upperBound)
    }

    /// The time of this machine's wall clock.
    public static var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: time.tv_sec * 1_000_000 + time.tv_nsec / 1_000)
    }

    /// Reads an RFC 3339 time: `2026-01-31T08:15:00Z`, with any number of fractional digits and any offset. Nil for anything else.
    public init?(_ text: String) {
        var reader = Reader(rest: text.utf8[...])
        guard let year = reader.digits(4), reader.take("-"), let month = reader.digits(2), reader.take("-"),
            let day = reader.digits(2), reader.take("T") || reader.take("t") || reader.take(" "),
            let hour = reader.digits(2), reader.take(":"), let minute = reader.digits(2), reader.take(":"),
            let second = reader.digits(2), (1...12).contains(month), day >= 1,
            day <= Self.daysInMonth(year: year, month: month), hour < 24, minute < 60, second <= 60
        else { return nil }
        var fraction = 0
        if reader.take(".") {
            guard let read = reader.fraction() else { return nil }
            fraction = read
        }
        var offset = 0
        if !reader.take("Z") && !reader.take("z") {
            let sign = reader.take("-") ? -1 : 1
            guard sign == -1 || reader.take("+"), let hours = reader.digits(2), reader.take(":"),
                let minutes = reader.digits(2), hours < 24, minutes < 60
            else { return nil }
            offset = sign * (hours * 3600 + minutes * 60)
        }
        guard reader.rest.isEmpty else { return nil }
        let days = Self.days(year: year, month: month, day: day)
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset
        self.init(microseconds: seconds * 1_000_000 + fraction)
    }

    /// RFC 3339 in UTC with whole seconds, as `creationTimestamp` has it.
    public var seconds: String { text(fraction: false) }

    /// RFC 3339 in UTC with six fractional digits, as leases have it.
    public var description: String { text(fraction: true) }

    /// The earlier one first.
    public static func < (one: Timestamp, other: Timestamp) -> Bool { one.microseconds < other.microseconds }

    private func text(fraction: Bool) -> String {
        let (days, inDay) = Self.divide(microseconds, by: 86_400_000_000)
        let (year, month, day) = Self.date(days: days)
        let second = inDay / 1_000_000
        func padded(_ number: Int, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let date = "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
        let time = "\(padded(second / 3600, 2)):\(padded(second / 60 % 60, 2)):\(padded(second % 60, 2))"
        return "\(date)T\(time)\(fraction ? ".\(padded(inDay % 1_000_000, 6))" : "")Z"
    }

    // MARK: - The calendar: years that begin in March, in eras of 400

    private static func divide(_ number: Int, by divisor: Int) -> (quotient: Int, remainder: Int) {
        let (quotient, remainder) = number.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    private static func daysInMonth(year: Int, month: Int) -> Int {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        return month == 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
    }

    private static func days(year: Int, month: Int, day: Int) -> Int {
        let (era, yearOfEra) = divide(month <= 2 ? year - 1 : year, by: 400)
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    private static func date(days: Int) -> (year: Int, month: Int, day: Int) {
        let (era, dayOfEra) = divide(days + 719_468, by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
    }

    private struct Reader {
        var rest: Substring.UTF8View

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard rest.first == UInt8(ascii: character) else { return false }
            rest = rest.dropFirst()
            return true
        }

        mutating func digits(_ count: Int) -> Int? {
            var number = 0
            for _ in 0..<count {
                guard let digit = digit() else { return nil }
                number = number * 10 + digit
            }
            return number
        }

        /// Microseconds; further digits are dropped.
        mutating func fraction() -> Int? {
            var (fraction, unit, count) = (0, 100_000, 0)
            while let digit = digit() {
                fraction += digit * unit
                unit /= 10
                count += 1
            }
            return count > 0 ? fraction : nil
        }

        private mutating func digit() -> Int? {
            guard let byte = rest.first, byte >= 0x30, byte <= 0x39 else { return nil }
            rest = rest.dropFirst()
            return Int(byte) - 0x30
        }
    }
}
