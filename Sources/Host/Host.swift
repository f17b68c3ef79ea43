import Dispatch
import Ledger
import LedgerStore
import Service
import Synchronization

/// The one owner of a machine's ledger: orders commands, makes them durable together, answers when they are.
///
/// A thread of its own decides all commands that wait, in the order of their arrival, keeps their changes in one
/// transaction, and only then publishes the new ledger and answers (design, rule 1). Readers see the last durable ledger
/// without waiting for anybody.
public final class Host: Sendable {
    /// What a command came to.
    public struct Outcome: Sendable {
        /// What was decided; its change is durable.
        public let decision: Decision
        /// The figures of the pool after the command.
        public let statistics: CoreStatistics
    }

    /// Why a command was not carried out.
    public enum Failure: Error, Sendable {
        /// The ledger's rules refuse it.
        case refused(Refusal)
        /// It could not be made durable.
        case notKept(KeepingError)
        /// The program ends.
        case stopping
    }

    private struct Job: Sendable {
        let command: Command
        let caller: Caller
        let policy: Policy
        let completion: @Sendable (Result<Outcome, Failure>) -> Void
    }

    private let queue = BatchQueue<Job>()
    private let published: Mutex<Ledger>
    private let finished = DispatchSemaphore(value: 0)

    /// A host that starts from `ledger`, all of which is kept already.
    ///
    /// - Throws: `SystemError` where its thread cannot be started.
    public init(ledger: Ledger, keeper: sending any LedgerKeeper) throws(SystemError) {
        published = Mutex(ledger)
        let writer = Writer(ledger: ledger, keeper: keeper)
        try startThread { [self] in
            run(writer)
            finished.signal()
        }
    }

    /// The ledger as it is stored.
    public var ledger: Ledger { published.withLock { $0 } }

    /// Asks for a change. `completion` is called once, on the host's thread, when the change is durable or refused.
    public func submit(
        _ command: Command, by caller: Caller, policy: Policy = [],
        completion: @escaping @Sendable (Result<Outcome, Failure>) -> Void
    ) {
        let job = Job(command: command, caller: caller, policy: policy, completion: completion)
        if !queue.add(job) { completion(.failure(.stopping)) }
    }

    /// Carries out what was submitted, closes the store and returns.
    public func stop() {
        queue.close()
        finished.wait()
        finished.signal()
    }

    // MARK: - The thread

    /// What only the thread touches.
    private final class Writer {
        var ledger: Ledger
        let keeper: any LedgerKeeper

        init(ledger: Ledger, keeper: any LedgerKeeper) {
            self.ledger = ledger
            self.keeper = keeper
        }
    }

    private func run(_ writer: Writer) {
        while let jobs = queue.next(seconds: 1) {
            carryOut(jobs, writer)
            writer.keeper.maintain(writer.ledger, isIdle: jobs.isEmpty)
        }
        writer.keeper.close(writer.ledger)
    }

    private func carryOut(_ jobs: [Job], _ writer: Writer) {
        var next = writer.ledger
        var changes: [LedgerChange] = []
        var results: [Result<Outcome, Failure>] = []
        for job in jobs {
            results.append(
                Result { () throws(Failure) in
                    let decision = try decide(job, &next)
                    if !decision.change.isEmpty { changes.append(decision.change) }
                    return Outcome(
                        decision: decision, statistics: next.statistics(isolated: job.command.isolated))
                })
        }
        if !changes.isEmpty {
            do {
                try writer.keeper.keep(changes, before: writer.ledger)
                writer.ledger = next
                published.withLock { $0 = next }
            } catch {
                // Refusals too may rest on a change that is not durable.
                results = results.map { _ in .failure(.notKept(error)) }
            }
        }
        for (job, result) in zip(jobs, results) { job.completion(result) }
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
