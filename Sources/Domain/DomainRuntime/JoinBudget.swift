/// How many resets and peer updates may be made, so that a join of many nodes leaves the processors to Starts, Stops and Patches:
/// 10,000 updates in a second, and 1,000 while other calls are made and for a tenth of a second after them. A reset takes as
/// much as 20 updates, because a connection to the node must usually be made for it.
///
/// What counts is that there are other calls, not how many: they would be the fewer, the more the updates slow them down.
struct JoinBudget: Sendable {
    private static let alone = 10_000.0
    private static let besideCalls = 1_000.0
    /// How long another call slows resets and updates down.
    private static let pause = Duration.milliseconds(100)
    /// What is not used is lost after so many seconds.
    private static let span = 0.02
    private static let reset = 20.0

    /// In updates. A reset may overdraw it.
    private var amount = 0.0
    private var last: Duration?
    private var lastCall: Duration?

    /// Another call is made or has ended. Times are of any clock that only moves forwards.
    mutating func noteCall(at now: Duration) { lastCall = max(lastCall ?? now, now) }

    /// Whether a reset or an update may be made.
    mutating func allows(at now: Duration) -> Bool {
        let isAlone = lastCall.map { now - $0 >= Self.pause } ?? true
        let rate = isAlone ? Self.alone : Self.besideCalls
        let passed = last.map { max(0, (now - $0) / .seconds(1)) } ?? Self.span
        last = max(last ?? now, now)
        amount = min(amount + passed * rate, Self.span * rate)
        return amount >= 1
    }

    /// A reset is made.
    mutating func takeReset() { amount -= Self.reset }

    /// A peer update is made.
    mutating func takeUpdate() { amount -= 1 }
}
