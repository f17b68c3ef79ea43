/// The time by which all steps of one exchange must be done.
struct Deadline {
    private let end: ContinuousClock.Instant

    /// A deadline in `seconds` from now; at most about 24 days, which is what `poll` can wait.
    init(seconds: Double) {
        let bounded = seconds.isFinite ? min(max(seconds, 0), 2_000_000) : 2_000_000
        end = .now + .milliseconds(Int64(bounded * 1000))
    }

    /// Whole milliseconds left, rounded up; 0 after the deadline.
    var milliseconds: Int32 {
        let left = ContinuousClock.now.duration(to: end).components
        guard left.seconds >= 0, left.attoseconds >= 0 else { return 0 }
        let milliseconds = left.seconds * 1000 + (left.attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        return Int32(clamping: milliseconds)
    }
}
