import Dispatch
import Ledger
import LedgerStore
import Service
import Synchronization

/// The one owner of a machine's ledger: orders commands, makes them durable together, answers when they are.
///
/// At any time at most one thread is the *writer*: it decides all commands that wait, in the order of their arrival, keeps
/// their changes in one transaction, and only then publishes the new ledger and answers (design, rule 1). A command that
/// finds nobody at work is carried out by the thread that submits it, which saves two changes of thread; what has come
/// meanwhile goes on a thread of the host's own. Readers see the last durable ledger without waiting for anybody.
package final class Host: Sendable {
    /// What a command came to.
    package struct Outcome: Sendable {
        /// What was decided; its change is durable.
        package let decision: Decision
        /// The figures of the pool after the command.
        package let statistics: CoreStatistics
    }

    /// Why a command was not carried out.
    package enum Failure: Error, Sendable {
        /// The ledger's rules refuse it.
        case refused(Refusal)
        /// It could not be made durable.
        case notKept(KeepingError)
        /// The program ends.
        case stopping
    }

    /// A ledger as it is stored, and how many times it has changed since the start.
    package struct Published: Sendable {
        /// The ledger.
        package let ledger: Ledger
        /// The number of its version; equal numbers mean equal ledgers.
        package let version: Int
    }

    private struct Job: Sendable {
        let command: Command
        let caller: Caller
        let policy: Policy
        let completion: @Sendable (Result<Outcome, Failure>) -> Void
    }

    private struct Queue {
        var jobs: [Job] = []
        /// Whether some thread is the writer.
        var isTaken = false
        /// Whether the writer has left its part to the host's thread.
        var isHandedOver = false
        var isClosed = false
    }

    private let queue = Mutex(Queue())
    private let signal = DispatchSemaphore(value: 0)
    private let published: Mutex<Published>
    private let writer: Writer
    private let finished = DispatchSemaphore(value: 0)

    /// A host that starts from `ledger`, all of which is kept already.
    ///
    /// - Throws: `SystemError` where its thread cannot be started.
    package init(ledger: Ledger, keeper: sending any LedgerKeeper) throws(SystemError) {
        published = Mutex(Published(ledger: ledger, version: 0))
        writer = Writer(ledger: ledger, keeper: keeper)
        try startThread(named: "host") { [self] in
            run()
            finished.signal()
        }
    }

    /// The ledger as it is stored.
    package var current: Published { published.withLock { $0 } }

    /// The ledger as it is stored.
    package var ledger: Ledger { current.ledger }

    /// Asks for a change. `completion` is called once, when the change is durable or refused: on this thread before the
    /// call returns, or on another one.
    package func submit(
        _ command: Command, by caller: Caller, policy: Policy = [],
        completion: @escaping @Sendable (Result<Outcome, Failure>) -> Void
    ) {
        let job = Job(command: command, caller: caller, policy: policy, completion: completion)
        let (isAccepted, isWriter) = queue.withLock { queue in
            guard !queue.isClosed else { return (false, false) }
            queue.jobs.append(job)
            defer { queue.isTaken = true }
            return (true, !queue.isTaken)
        }
        guard isAccepted else { return completion(.failure(.stopping)) }
        guard isWriter else { return }
        carryOut(takeJobs())
        // One batch, so that this thread gets back to its other work; the host's thread goes on with what has come.
        let isMore = queue.withLock { queue in
            queue.isTaken = !queue.jobs.isEmpty
            queue.isHandedOver = queue.isTaken
            return queue.isTaken
        }
        if isMore { signal.signal() }
    }

    /// Carries out what was submitted, closes the store and returns.
    package func stop() {
        queue.withLock { $0.isClosed = true }
        signal.signal()
        finished.wait()
        finished.signal()
    }

    // MARK: - The host's thread

    private func run() {
        while true {
            let isSignal = signal.wait(timeout: .now() + .seconds(1)) == .success
            // The part is its own if it was handed over, or if nobody has it.
            let (isWriter, isClosed) = queue.withLock { queue in
                let mayTake = queue.isHandedOver || !queue.isTaken
                queue.isHandedOver = false
                queue.isTaken = true
                return (mayTake, queue.isClosed)
            }
            guard isWriter else {
                // Only at the end is there a reason to come back soon.
                if isClosed { signal.signal() }
                continue
            }
            repeat { carryOut(takeJobs()) } while !giveUp(unlessClosed: isClosed)
            if isClosed {
                writer.keeper.close(writer.ledger)
                return
            }
            if !isSignal { maintain() }
        }
    }

    /// Ends being the writer if nothing waits; at the end the part is kept for good.
    private func giveUp(unlessClosed isClosed: Bool) -> Bool {
        queue.withLock { queue in
            guard queue.jobs.isEmpty else { return false }
            queue.isTaken = isClosed
            return true
        }
    }

    private func maintain() {
        let isWriter = queue.withLock { queue in
            defer { queue.isTaken = true }
            return !queue.isTaken
        }
        guard isWriter else { return }
        // A second without a signal may still have been a busy one: lone commands need none.
        writer.keeper.maintain(writer.ledger, isIdle: writer.batches == writer.batchesSeen)
        writer.batchesSeen = writer.batches
        while !giveUp(unlessClosed: false) { carryOut(takeJobs()) }
    }

    private func takeJobs() -> [Job] {
        queue.withLock { queue in
            defer { queue.jobs = [] }
            return queue.jobs
        }
    }

    // MARK: - The writer's part

    /// What only the writer touches: `Queue.isTaken` passes from thread to thread under a lock, and this with it.
    private final class Writer: @unchecked Sendable {
        var ledger: Ledger
        let keeper: any LedgerKeeper
        /// How many times commands were carried out, and how many times until the last upkeep.
        var batches = 0
        var batchesSeen = 0

        init(ledger: Ledger, keeper: any LedgerKeeper) {
            self.ledger = ledger
            self.keeper = keeper
        }
    }

    private func carryOut(_ jobs: [Job]) {
        guard !jobs.isEmpty else { return }
        if let untrusted = writer.keeper.untrusted {
            for job in jobs { job.completion(.failure(.notKept(untrusted))) }
            return
        }
        writer.batches += 1
        var next = writer.ledger
        var changes: [LedgerChange] = []
        var results: [Result<Outcome, Failure>] = []
        for job in jobs {
            results.append(
                Result { () throws(Failure) in
                    let decision = try decide(job, &next)
                    if !decision.change.isEmpty { changes.append(decision.change) }
                    return Outcome(decision: decision, statistics: next.statistics(isolated: job.command.isolated))
                })
        }
        // After a failure not even what changes nothing is granted before writing works again: who asks learns of it.
        if !changes.isEmpty || writer.keeper.failure != nil {
            do {
                try writer.keeper.keep(changes, before: writer.ledger)
                if !changes.isEmpty {
                    writer.ledger = next
                    published.withLock { $0 = Published(ledger: next, version: $0.version + 1) }
                }
            } catch {
                results = results.map { result in
                    // Refusals too may rest on a change that is not durable; where there is none, they stand.
                    if changes.isEmpty, case .failure = result { return result }
                    return .failure(.notKept(error))
                }
            }
        }
        for (job, result) in zip(jobs, results) { job.completion(result) }
        writer.keeper.maintain(writer.ledger, isIdle: false)
    }

    private func decide(_ job: Job, _ ledger: inout Ledger) throws(Failure) -> Decision {
        let decision: Decision
        do { decision = try ledger.decide(job.command, by: job.caller, policy: job.policy) } catch {
            throw .refused(error)
        }
        do { try ledger.apply(decision.change) } catch { throw .refused(Refusal(.conflict(error))) }
        return decision
    }
}
