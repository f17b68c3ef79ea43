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
    /// The time between the node's last refreshes.
    private var gaps: [Int] = []
    /// Its refresh interval; nil until it was seen to be regular.
    private(set) var interval: Int?

    private struct Refresh: Hashable, Sendable {
        /// On the monotonic clock.
        var arrival: Int
        /// The announced deadline, by the node's clock.
        var deadline: Int
        /// The announced deadline minus the orchestrator's wall clock on arrival.
        var lead: Int
    }

    /// The limits of a lease.
    struct Limits: Hashable, Sendable {
        var minimum: Int
        var maximum: Int
    }

    /// The lease of a node whose interval is not known is at least this long, so that a node whose clock is behind
    /// can show its interval.
    static let firstLease = 10_000
    /// A lease is at least this many intervals, so that a node may lose refreshes.
    static let intervals = 3
    /// A deadline further ahead than this many intervals is cut: the node's clock may be ahead.
    static let longestIntervals = 5
    /// So many similar gaps make an interval.
    private static let gapsOfAnInterval = 3
    /// Refreshes in a shorter time were queued somewhere and say nothing about the interval.
    private static let shortestGap = 250
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
    mutating func renew(until deadline: UInt64, at now: Timestamp, served: Int, _ limits: Limits) {
        let (milliseconds, overflow) = deadline.multipliedReportingOverflow(by: 1000)
        let announced = overflow ? Int.max / 4 : min(Int(clamping: milliseconds), .max / 4)
        let refresh = Refresh(arrival: now.monotonic, deadline: announced, lead: announced - now.wall)
        isLeaving = last.map { leaves(refresh, after: $0) } ?? false
        guard !isLeaving else { return end = served }
        learnInterval(refresh)
        var lease = min(max(refresh.lead, 0), limits.maximum)
        if let interval {
            lease = max(min(lease, Self.longestIntervals * interval), Self.intervals * interval)
        } else {
            lease = max(lease, Self.firstLease)
        }
        length = min(max(lease, limits.minimum), limits.maximum)
        end = served + length
    }

    /// Whether the node should have refreshed already.
    func isOverdue(at served: Int) -> Bool { end - served < min(interval ?? .max, length / 3) }

    /// Whether a node announces a deadline that its own clock has passed. That clock is not known, but it has
    /// advanced since the last refresh, whose deadline was ahead by two intervals, or by `lead` if the clocks agree.
    private func leaves(_ refresh: Refresh, after last: Refresh) -> Bool {
        guard refresh.deadline < last.deadline else { return false }
        if refresh.deadline < Self.oldest { return last.deadline >= Self.oldest }
        guard let lead = interval.map({ 2 * $0 }) ?? (last.lead > 0 ? last.lead : nil) else { return false }
        let clock = last.deadline + (refresh.arrival - last.arrival) - lead
        return (-999...Self.leavingWindow).contains(clock - refresh.deadline)
    }

    private mutating func learnInterval(_ refresh: Refresh) {
        guard let last else { return self.last = refresh }
        let gap = refresh.arrival - last.arrival
        guard gap >= Self.shortestGap else {
            self.last?.deadline = refresh.deadline
            self.last?.lead = refresh.lead
            return
        }
        self.last = refresh
        gaps = Array(gaps.suffix(Self.gapsOfAnInterval - 1)) + [gap]
        guard gaps.count == Self.gapsOfAnInterval, let shortest = gaps.min(), let longest = gaps.max(),
            longest <= 2 * shortest
        else { return }
        interval = longest
    }
}
