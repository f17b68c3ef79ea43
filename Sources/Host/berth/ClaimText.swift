import Glibc
import HostClient
import Rendering

extension HostClient.HugePages {
    /// `64 x 2M on node 1`.
    var text: String { "\(count) x \(Quantity.pageSize(kilobytes: sizeKB)) on node \(node)" }
}

extension HostClient.Lease {
    /// How long a claim lives, for people.
    var text: String {
        switch self {
        case .forever: "for ever"
        case .until(let end): "until \(Timestamp.utc(end))"
        case .process(let id): "with process \(id)"
        case .cgroup(let path): "with the processes in \(path)"
        case .unknown: "as a newer version of berthd says"
        }
    }
}

/// Times for people.
enum Timestamp {
    /// `2026-11-29T08:56:45.942Z`, of milliseconds since 1970 UTC.
    static func utc(_ milliseconds: Int) -> String {
        var seconds = milliseconds / 1000
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func padded(_ number: Int, _ width: Int = 2) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(width - digits.count, 0)) + digits
        }
        let date = [Int(parts.tm_mon) + 1, Int(parts.tm_mday)].map { padded($0) }.joined(separator: "-")
        let time = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { padded(Int($0)) }.joined(separator: ":")
        return "\(padded(Int(parts.tm_year) + 1900, 4))-\(date)T\(time).\(padded(milliseconds % 1000, 3))Z"
    }

    /// Now, in milliseconds since 1970 UTC.
    static var now: Int {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int(time.tv_sec) * 1000 + Int(time.tv_nsec) / 1_000_000
    }
}
