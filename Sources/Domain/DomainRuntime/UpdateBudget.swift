/// How many peer updates may be made: 10,000 in a second, and 1,000 while other calls are made and for a tenth of a second
/// after them, so that a join of many nodes leaves the processors to Starts, Stops and Patches.
///
/// What counts is that there are other calls, not how many: they would be the fewer, the more the updates slow them down.
struct UpdateBudget: Sendable {
    private static let alone = 10_000.0
    private static let besideCalls = 1_000.0
    /// How long another call slows updates down.
    private static let pause = Duration.milliseconds(100)
    /// What is not used is lost after so many seconds.
    private static let span = 0.02

    private var updates = 0.0
    private var last: Duration?
    private var lastCall: Duration?

    /// Another call is made or has ended. Times are of any clock that only moves forwards.
    mutating func noteCall(at now: Duration) { lastCall = max(lastCall ?? now, now) }

    /// Whether a peer update may be made.
    mutating func allowsUpdate(at now: Duration) -> Bool {
        let isAlone = lastCall.map { now - $0 >= Self.pause } ?? true
        let rate = isAlone ? Self.alone : Self.besideCalls
        let passed = last.map { max(0, (now - $0) / .seconds(1)) } ?? Self.span
        last = max(last ?? now, now)
        updates = min(updates + passed * rate, Self.span * rate)
        return updates >= 1
    }

    /// A peer update is made.
    mutating func takeUpdate() { updates -= 1 }
}
