import TestSupport
import Testing

@testable import KubernetesClient

@Suite struct RetryTests {
    @Test("tries are few, later each time, and never sooner than the server asks")
    func delays() throws {
        var random = SeededRandom(seed: 1)
        let policy = RetryPolicy()
        func delay(_ error: KubernetesError, _ attempt: Int, reads: Bool = true) -> Duration? {
            policy.delay(after: error, attempt: attempt, reads: reads, random: &random)
        }
        for attempt in 1...3 {
            let longest = Duration.milliseconds(50 << attempt)
            for _ in 0..<100 {
                let delay = try #require(delay(.interrupted(""), attempt))
                #expect(delay >= longest / 2 && delay <= longest)
            }
        }
        #expect(delay(.interrupted(""), 4) == nil)
        let busy = KubernetesError.status(Status(code: 429, body: [], retryAfter: "30"))
        #expect(delay(busy, 1, reads: false) == .seconds(30))
        for error in [
            KubernetesError.timedOut, .interrupted(""), .status(Status(code: 500, body: [], retryAfter: "1")),
        ] {
            #expect(delay(error, 1, reads: false) == nil && delay(error, 1) != nil)
        }
        for error in [KubernetesError.cancelled, .malformed(""), .status(Status(code: 404, body: [], retryAfter: "1"))]
        {
            #expect(delay(error, 1) == nil)
        }
    }
}
