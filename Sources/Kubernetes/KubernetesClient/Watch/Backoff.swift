/// How long to wait after one failure more: longer each time, up to a bound, never quite the same.
public struct Backoff: Equatable, Sendable {
    /// The first delay.
    public var first: Duration
    /// The longest delay.
    public var longest: Duration
    /// Which part of a delay is left to chance, from 0 to 1, so that many clients do not come back at once.
    public var jitter: Double
    /// How many failures there were since ``reset()``.
    public private(set) var failures = 0

    /// Delays that double.
    public init(first: Duration = .milliseconds(200), longest: Duration = .seconds(30), jitter: Double = 0.5) {
        self.first = first
        self.longest = longest
        self.jitter = min(max(jitter, 0), 1)
    }

    /// The delay after one failure more.
    public mutating func next(_ random: inout some RandomNumberGenerator) -> Duration {
        var delay = first
        for _ in 0..<failures where delay < longest { delay = delay * 2 }
        failures = min(failures + 1, 64)
        return min(delay, longest) * (1 - jitter * Double.random(in: 0...1, using: &random))
    }

    /// Begins with the first delay again.
    public mutating func reset() { failures = 0 }
}
