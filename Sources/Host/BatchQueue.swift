import Dispatch
import Synchronization

/// A queue whose one reader takes all that waits at once.
final class BatchQueue<Job: Sendable>: Sendable {
    private struct State {
        var jobs: [Job] = []
        var isClosed = false
    }

    private let state = Mutex(State())
    private let signal = DispatchSemaphore(value: 0)

    /// Adds a job. Returns false, and takes nothing, once the queue is closed.
    func add(_ job: Job) -> Bool {
        let (accepted, isFirst) = state.withLock { state in
            guard !state.isClosed else { return (false, false) }
            state.jobs.append(job)
            return (true, state.jobs.count == 1)
        }
        if isFirst { signal.signal() }
        return accepted
    }

    /// Ends the queue: what waits is still handed out, nothing more is taken.
    func close() {
        state.withLock { $0.isClosed = true }
        signal.signal()
    }

    /// All that waits, as soon as anything does; empty after `seconds` without a job; nil once the queue is closed and
    /// empty.
    func next(seconds: Int) -> [Job]? {
        let deadline = DispatchTime.now() + .seconds(seconds)
        while true {
            let (jobs, isClosed) = state.withLock { state in
                let jobs = state.jobs
                state.jobs = []
                return (jobs, state.isClosed)
            }
            if !jobs.isEmpty { return jobs }
            if isClosed { return nil }
            if signal.wait(timeout: deadline) == .timedOut { return [] }
        }
    }
}
