import Glibc
import WireJSON

/// The audit log: one JSON object a line and decision, pure ASCII, so that no name can forge a line or look like another.
///
/// Fields: `time` (UTC, milliseconds), `decision`, `action`, `holder`, `uid`, `gid`, `pid`, `label` where the kernel has
/// one, then what `details` writes.
package struct AuditLog: Sendable {
    private let sink: LineSink
    private let now: @Sendable () -> Int

    /// An audit log in `sink`; `now` gives milliseconds since 1970 UTC.
    package init(sink: LineSink, now: @escaping @Sendable () -> Int = wallClock) {
        self.sink = sink
        self.now = now
    }

    /// Writes one decision.
    ///
    /// - Parameter time: when it was taken, in milliseconds since 1970 UTC; nil for now.
    package func record(
        _ decision: String, action: String, holder: String?, peer: PeerCredentials?, time: Int? = nil,
        details: (inout JSONWriter) -> Void = { _ in }
    ) {
        var writer = JSONWriter(escapesNonASCII: true)
        writer.object { line in
            line.member("time", timestamp(time ?? now()))
            line.member("decision", decision)
            line.member("action", action)
            if let holder { line.member("holder", holder) }
            if let peer {
                line.member("uid", Int(peer.uid))
                line.member("gid", Int(peer.gid))
                line.member("pid", Int(peer.pid))
                if let label = peer.label { line.member("label", label) }
            }
            details(&line)
        }
        sink.write(writer.bytes)
    }
}

/// The wall clock in milliseconds since 1970 UTC.
@Sendable package func wallClock() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

/// A time in milliseconds since 1970 UTC as `2026-11-20T23:53:51.691Z` (RFC 3339).
package func timestamp(_ milliseconds: Int) -> String {
    let (days, ofDay) = milliseconds.quotientAndFloorRemainder(86_400_000)
    // Civil date from the day number, counted in eras of 400 years from 1 March of year 0.
    let (era, dayOfEra) = (days + 719_468).quotientAndFloorRemainder(146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
    let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
    let year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)

    func padded(_ value: Int, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(width - digits.utf8.count, 0)) + digits
    }
    let seconds = ofDay / 1000
    return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T"
        + "\(padded(seconds / 3600, 2)):\(padded(seconds / 60 % 60, 2)):\(padded(seconds % 60, 2)).\(padded(ofDay % 1000, 3))Z"
}

extension Int {
    fileprivate func quotientAndFloorRemainder(_ divisor: Int) -> (Int, Int) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}
