import Synchronization
import TestSupport
import Testing

@testable import KubernetesClient

@Suite struct WorkQueueTests {
    @Test(
        "no key is worked on twice at a time, none is lost, none comes that is not due", arguments: 0..<200
    )
    func histories(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var core = WorkQueueCore<Int>()
        var bucket = TokenBucket(perSecond: 10, burst: 100)
        var now = Duration.zero
        var working: Set<Int> = []
        /// The keys that are to come, at once and later.
        var owed: Set<Int> = []
        var owedLater: [Int: Duration] = [:]
        func owe(_ key: Int, at time: Duration) {
            if time <= now { owed.insert(key) } else { owedLater[key] = min(time, owedLater[key] ?? time) }
        }
        /// Asks the core; returns when something comes by itself.
        func begin() -> Duration? {
            for (key, time) in owedLater where time <= now {
                owed.insert(key)
                owedLater[key] = nil
            }
            switch core.next(now: now) {
            case .work(let key):
                #expect(working.insert(key).inserted, "worked on twice")
                #expect(owed.remove(key) != nil, "not added")
                return nil
            case .wait(let until):
                #expect(owed.isSubset(of: working), "waits although there is something to do")
                #expect(until == owedLater.values.min())
                return until
            case .ended:
                Issue.record("ended")
                return nil
            }
        }
        for _ in 0..<300 {
            let key = Int.random(in: 0..<6, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0...2:
                core.add(key)
                owed.insert(key)
            case 3:
                let time = now + .milliseconds(Int.random(in: -5...500, using: &random))
                core.add(key, at: time, now: now)
                owe(key, at: time)
            case 4:
                let delay = max(Duration.milliseconds(5 << min(core.failures(of: key), 20)), bucket.reserve(now: now))
                core.addRateLimited(key, now: now)
                owe(key, at: now + min(delay, .seconds(300)))
            case 5: core.forget(key)
            case 6...7: _ = begin()
            case 8:
                guard let key = working.randomElement(using: &random) else { continue }
                working.remove(key)
                core.done(key)
            default: now += .milliseconds(Int.random(in: 0...200, using: &random))
            }
            #expect(core.workingCount == working.count)
        }
        // In the end everything that was added is worked on.
        for _ in 0..<1000 {
            if let until = begin() { now = until }
            for key in working { core.done(key) }
            working = []
        }
        #expect(owed.isEmpty && owedLater.isEmpty && core.count == 0 && core.delayedCount == 0)
    }

    @Test("a key that is added while it is worked on comes once more afterwards")
    func again() {
        var core = WorkQueueCore<String>()
        core.add("a")
        core.add("a")
        #expect(core.next(now: .zero) == .work("a"))
        core.add("a")
        core.add("a")
        #expect(core.next(now: .zero) == .wait(until: nil))
        core.done("a")
        #expect(core.next(now: .zero) == .work("a"))
        core.done("a")
        #expect(core.next(now: .zero) == .wait(until: nil))
    }

    @Test("keys come in the order in which they were added or became due")
    func order() {
        var core = WorkQueueCore<String>()
        core.add("late", at: .seconds(2), now: .zero)
        core.add("early", at: .seconds(1), now: .zero)
        core.add("now")
        core.add("late", at: .milliseconds(500), now: .zero)
        core.add("early", at: .seconds(9), now: .zero)
        #expect(core.next(now: .zero) == .work("now"))
        #expect(core.next(now: .zero) == .wait(until: .milliseconds(500)))
        #expect(core.next(now: .seconds(1)) == .work("late"))
        #expect(core.next(now: .seconds(1)) == .work("early"))
        #expect(core.next(now: .seconds(10)) == .wait(until: nil) && core.delayedCount == 0)
    }

    @Test("a key that fails comes later each time until it is forgotten, and all together not faster than the limit")
    func rates() {
        var core = WorkQueueCore<Int>()
        func delay(_ key: Int, _ now: Duration) -> Duration {
            core.addRateLimited(key, now: now)
            guard case .wait(let until?) = core.next(now: now) else { return .zero }
            guard case .work = core.next(now: until) else { return .zero }
            core.done(key)
            return until - now
        }
        for expected in [5, 10, 20, 40] { #expect(delay(1, .zero) == .milliseconds(expected)) }
        core.forget(1)
        #expect(core.failures(of: 1) == 0 && delay(1, .zero) == .milliseconds(5))
        for _ in 0..<100 { _ = delay(1, .seconds(1000)) }
        #expect(delay(1, .seconds(2000)) == .seconds(300))
        var limited = WorkQueueCore<Int>()
        for key in 0..<150 { limited.addRateLimited(key, now: .zero) }
        var due = 0
        while case .work = limited.next(now: .milliseconds(5)) { due += 1 }
        #expect(due == 100)
        while case .work = limited.next(now: .seconds(1)) { due += 1 }
        #expect(due == 110)
    }

    @Test("after the end nothing is added; what waits is worked on where it is wished")
    func end() {
        for drains in [true, false] {
            var core = WorkQueueCore<Int>()
            core.add(1)
            core.add(2)
            #expect(core.next(now: .zero) == .work(1))
            core.add(3, at: .seconds(1), now: .zero)
            core.shutDown(drains: drains)
            core.add(4)
            core.add(1)
            core.done(1)
            if drains { #expect(core.next(now: .seconds(9)) == .work(2)) }
            #expect(core.next(now: .seconds(9)) == .ended)
        }
    }

    private final class Log: Sendable {
        private struct State {
            var working: Set<Int> = []
            var counts: [Int: Int] = [:]
            var most = 0
        }

        private let state = Mutex(State())
        var counts: [Int: Int] { state.withLock { $0.counts } }
        var most: Int { state.withLock { $0.most } }

        func begin(_ key: Int) {
            state.withLock { state in
                #expect(state.working.insert(key).inserted)
                state.counts[key, default: 0] += 1
                state.most = max(state.most, state.working.count)
            }
        }

        func end(_ key: Int) { state.withLock { _ = $0.working.remove(key) } }
    }

    private struct Failure: Error {}

    @Test("workers share the keys; what fails comes again, what asks for it comes later")
    func workers() async throws {
        let queue = WorkQueue<Int>()
        let log = Log()
        let running = Task {
            await queue.run(workers: 4) { key in
                log.begin(key)
                defer { log.end(key) }
                try await Task.sleep(for: .milliseconds(2))
                let count = log.counts[key] ?? 0
                if key < 5, count < 3 { throw Failure() }
                return key == 9 && count < 3 ? .milliseconds(5) : nil
            }
        }
        for _ in 0..<3 { for key in 0..<10 { queue.add(key) } }
        queue.add(10, after: .milliseconds(20))
        let isDone = try await eventually {
            (0..<5).allSatisfy { log.counts[$0] ?? 0 >= 3 } && log.counts[9] ?? 0 >= 3 && log.counts[10] == 1
                && queue.count == 0
        }
        #expect(isDone, "\(log.counts)")
        #expect(queue.failures(of: 0) == 0 && log.most > 1 && log.most <= 4)
        queue.shutDown()
        await running.value
        #expect(await queue.next() == nil)
    }

    @Test("cancelled workers end after the key that they work on, and wait for none")
    func cancelled() async throws {
        let queue = WorkQueue<Int>()
        let begun = Gate()
        let ended = Gate()
        let running = Task {
            await queue.run(workers: 3) { _ in
                begun.open()
                try? await Task.sleep(for: .seconds(3600))
                ended.open()
                return nil
            }
        }
        queue.add(1)
        #expect(await begun.wait())
        running.cancel()
        await running.value
        #expect(ended.isOpen)
    }
}
