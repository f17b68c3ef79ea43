/// Lets so many through in a second on the average, and so many at once.
public struct TokenBucket: Equatable, Sendable {
    private let perSecond: Double
    private let burst: Double
    private var tokens: Double
    private var filled: Duration?

    /// A full bucket.
    public init(perSecond: Double, burst: Int) {
        self.perSecond = max(perSecond, 0.000_001)
        self.burst = Double(max(burst, 1))
        tokens = self.burst
    }

    /// Lets one more through.
    ///
    /// - Returns: after how long.
    public mutating func reserve(now: Duration) -> Duration {
        fill(now)
        tokens -= 1
        return tokens >= 0 ? .zero : .seconds(-tokens / perSecond)
    }

    /// Lets one more through if that can be now.
    public mutating func take(now: Duration) -> Bool {
        fill(now)
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }

    private mutating func fill(_ now: Duration) {
        let passed = max(filled.map { now - $0 } ?? .zero, .zero)
        filled = max(now, filled ?? now)
        tokens = min(burst, tokens + passed / .seconds(1) * perSecond)
    }
}
