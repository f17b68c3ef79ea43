/// Which failures are tried again by the client itself, and when.
///
/// A request that may have been carried out is tried again only where it reads.
struct RetryPolicy: Equatable, Sendable {
    /// How often a request is sent at most.
    var attempts = 4
    /// The first delay; each next one is twice as long.
    var first = Duration.milliseconds(100)
    /// The longest delay that the client chooses; a server may ask for more.
    var longest = Duration.seconds(5)

    /// How long to wait before the next try; nil where there is none.
    ///
    /// - Parameters:
    ///   - attempt: how often the request was sent, from 1.
    ///   - reads: whether the request changes nothing.
    func delay(
        after error: KubernetesError, attempt: Int, reads: Bool, random: inout some RandomNumberGenerator
    ) -> Duration? {
        guard attempt < attempts else { return nil }
        let isSafe: Bool
        switch error {
        case .unreachable: isSafe = true
        case .interrupted, .timedOut: isSafe = reads
        case .status(let status):
            switch status.code {
            case 429: isSafe = true
            case 500, 502, 503, 504: isSafe = reads
            default: isSafe = false
            }
        case .malformed, .tooLong, .credentials, .invalidRequest, .cancelled: isSafe = false
        }
        guard isSafe else { return nil }
        var delay = first
        for _ in 1..<attempt where delay < longest { delay = delay * 2 }
        delay = min(delay, longest) * Double.random(in: 0.5...1, using: &random)
        return max(delay, error.status?.retryAfter ?? .zero)
    }
}
