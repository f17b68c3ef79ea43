/// How long a node counts as present after a refresh. Times are in milliseconds.
///
/// A lease counts from the arrival of a refresh on the domain's serving time, which stands still while the orchestrator
/// does not run. No clock of a node is compared with a clock of the orchestrator, except for a node whose interval is
/// not known yet, and then only to lengthen its lease.
struct NodeLease: Hashable, Sendable {
    /// The serving time at which it ends.
    private(set) var end: Int
    /// Whether the node has announced that it leaves.
    private(set) var isLeaving = false
    private var length: Int
    private var last: Refresh?
    /// The serving time between the node's last refreshes.
    private var gaps: [Int] = []
    /// Its refresh interval; nil until it was seen to be regular.
    private(set) var interval: Int?
    /// The longest lead of a refresh. Those of refreshes that had to wait are shorter.
    private var longestLead = 0
    /// The deadline of the last refresh before a time in which none arrived: others may have waited, and arrive now.
    private var beforeBacklog: Int?

    private struct Refresh: Hashable, Sendable {
        /// On the monotonic clock.
        var arrival: Int
        /// The serving time of the arrival.
        var served: Int
        /// The announced deadline, by the node's clock.
        var deadline: Int
        /// The announced deadline minus the orchestrator's wall clock on arrival.
        var lead: Int
        /// Whether it arrived just after a pause, and so had perhaps waited.
        var isAfterPause: Bool
    }

    /// The limits of a lease.
    struct Limits: Hashable, Sendable {
        var minimum: Int
        var maximum: Int
    }

    /// The lease of a node whose interval is not known is at least this long, so that a node whose clock is behind
    /// can show its interval.
    static let firstLease = 10_000
    /// The lease of a node that has not shown anything of its interval is at most this long: its clock may be ahead.
    static let longestFirstLease = 600_000
    /// A lease is at least this many intervals, so that a node may lose refreshes.
    static let intervals = 3
    /// A deadline further ahead than this many intervals is cut: the node's clock may be ahead.
    static let longestIntervals = 5
    /// So many similar gaps make an interval.
    private static let gapsOfAnInterval = 3
    /// The longest of so many gaps stands for the interval of a node that refreshes irregularly.
    private static let rememberedGaps = 8
    /// Refreshes in a shorter time were queued somewhere and say nothing about the interval.
    private static let shortestGap = 250
    /// Deadlines are whole seconds.
    private static let precision = 1_000
    /// How far in the past the deadline of a node that leaves may be. A larger step backwards is a step of the node's
    /// clock.
    private static let leavingWindow = 60_000
    /// Deadlines before this time (2001) say that the node leaves, unless its clock always said so.
    private static let oldest = 1_000_000_000_000

    /// Creates the lease of a node that has not refreshed yet.
    init(end: Int, length: Int) {
        self.end = end
        self.length = length
    }

    /// Renews the lease.
    ///
    /// - Parameters:
    ///   - deadline: the announced deadline, in seconds since 1970 by the node's clock.
    ///   - now: the arrival.
    ///   - served: the serving time of the arrival.
    ///   - isAfterPause: whether the orchestrator has just gone on after a pause.
    mutating func renew(
        until deadline: UInt64, at now: Timestamp, served: Int, isAfterPause: Bool, _ limits: Limits
    ) {
        let (milliseconds, overflow) = deadline.multipliedReportingOverflow(by: 1000)
        let announced = overflow ? Int.max / 4 : min(Int(clamping: milliseconds), .max / 4)
        let refresh = Refresh(
            arrival: now.monotonic, served: served, deadline: announced, lead: announced - now.wall,
            isAfterPause: isAfterPause)
        if let last {
            noteBacklog(before: refresh, after: last)
            guard !isOvertaken(refresh, by: last) else {
                // It shows that the node was there, and nothing of its clock.
                return end = isLeaving ? end : max(end, served + length)
            }
            isLeaving = leaves(refresh, after: last)
            guard !isLeaving else { return end = served }
        }
        longestLead = max(longestLead, refresh.lead)
        learnInterval(refresh)
        var lease = min(max(refresh.lead, 0), limits.maximum)
        if let interval {
            lease = max(min(lease, Self.longestIntervals * interval), Self.intervals * interval)
        } else {
            lease = max(min(lease, longestUnknownLease), Self.firstLease)
        }
        length = min(max(lease, limits.minimum), limits.maximum)
        end = served + length
    }

    /// Whether the node should have refreshed already.
    func isOverdue(at served: Int) -> Bool {
        let silence = length - (end - served)
        return 2 * silence > min(interval.map { 3 * $0 } ?? .max, length)
    }

    /// The longest lease of a node whose interval is not known.
    private var longestUnknownLease: Int {
        gaps.count < Self.gapsOfAnInterval ? Self.longestFirstLease : Self.longestIntervals * (gaps.max() ?? 0)
    }

    /// The lead that the node gives itself: two intervals, or what it is by the orchestrator's clock if they agree.
    private var lead: Int? { interval.map { 2 * $0 } ?? (longestLead > 0 ? longestLead : nil) }

    /// Whether more time has passed by the node's own clock since the last refresh than since its arrival.
    private func hasWaited(_ refresh: Refresh, after last: Refresh, _ gap: Int) -> Bool {
        refresh.deadline - last.deadline > gap + Self.precision
    }

    /// Takes note of whether refreshes should have arrived since the last one.
    private mutating func noteBacklog(before refresh: Refresh, after last: Refresh) {
        guard let lead else { return beforeBacklog = nil }
        guard refresh.deadline > last.deadline else { return }
        let gap = refresh.arrival - last.arrival
        if 4 * gap >= 3 * lead {
            beforeBacklog = last.deadline
        } else if hasWaited(refresh, after: last, gap) {
            beforeBacklog = beforeBacklog ?? last.deadline
        } else if gap >= max(Self.shortestGap, 3 * lead / 8) {
            beforeBacklog = nil
        }
    }

    /// Whether a refresh was sent before the last one: those that wait over several connections arrive in any order.
    private func isOvertaken(_ refresh: Refresh, by last: Refresh) -> Bool {
        guard refresh.deadline <= last.deadline else { return false }
        if let beforeBacklog, refresh.deadline > beforeBacklog { return true }
        return refresh.isAfterPause && refresh.deadline >= Self.oldest
    }

    /// Whether a node announces a deadline that its own clock has passed. That clock is not known, but it has
    /// advanced since the last refresh, whose deadline was ahead by two intervals, or by `lead` if the clocks agree.
    private func leaves(_ refresh: Refresh, after last: Refresh) -> Bool {
        guard refresh.deadline < last.deadline else { return false }
        if refresh.deadline < Self.oldest { return last.deadline >= Self.oldest }
        // A lead that is known only from a refresh that had perhaps waited may be too short.
        guard let lead, interval != nil || !last.isAfterPause else { return false }
        let clock = last.deadline + (refresh.arrival - last.arrival) - lead
        return (-999...Self.leavingWindow).contains(clock - refresh.deadline)
    }

    private mutating func learnInterval(_ refresh: Refresh) {
        guard let last else { return self.last = refresh }
        let gap = refresh.served - last.served
        guard gap >= Self.shortestGap else {
            self.last?.deadline = refresh.deadline
            self.last?.lead = refresh.lead
            return
        }
        self.last = refresh
        guard !refresh.isAfterPause, !last.isAfterPause else { return }
        guard !hasWaited(refresh, after: last, gap) else { return }
        gaps = Array(gaps.suffix(Self.rememberedGaps - 1)) + [gap]
        let latest = gaps.suffix(Self.gapsOfAnInterval)
        guard latest.count == Self.gapsOfAnInterval, let shortest = latest.min(), let longest = latest.max(),
            longest <= 2 * shortest
        else { return }
        interval = longest
    }
}
