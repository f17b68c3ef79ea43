import Dispatch
import Ledger
import LedgerStore
import Service
import Synchronization

/// The one owner of a machine's ledger: orders requests, makes their decisions durable together, answers when they are.
///
/// One thread is the writer. It takes all requests that wait, in the order of their arrival, decides each on the result of
/// the one before, commits them in one transaction, publishes the new ledger and then answers. Nobody else
/// waits for it: ``submit(_:completion:)`` returns at once, and ``current`` is the last durable ledger.
package final class Host: Sendable {
    /// What waits for the writer.
    enum Job: Sendable {
        case request(Submission, @Sendable (Result<Outcome, Failure>) -> Void)
        case transition(Transition)
        case decisions(after: Int64, limit: Int, @Sendable (Result<[DecisionRecord], CommitError>) -> Void)
        case reconcile
    }

    /// The most requests that wait for the disk; each connection that asked may be gone by then.
    private static let queueLimit = 16_384

    private let queue: WorkQueue<Job>
    private let published: Mutex<Published>
    private let finished = DispatchSemaphore(value: 0)
    /// Why changes were refused when the writer last looked.
    private let refused: Mutex<String?>
    /// The machine.
    package let machine: HostMachine

    /// A host that starts from `ledger`, all of which is stored already.
    ///
    /// - Parameters:
    ///   - enforcer: what makes the kernel follow claims; nil where nothing does.
    ///   - clock: the time in milliseconds since 1970 UTC.
    ///   - onDecisions: gets every decision after its caller was answered, in order, on the writer's thread.
    /// - Throws: `SystemError` where its threads cannot be started.
    package init(
        ledger: Ledger, store: sending any DecisionStore, machine: HostMachine, enforcer: (any Enforcer)? = nil,
        clock: @escaping @Sendable () -> Int = wallClock,
        onDecisions: @escaping @Sendable ([Report]) -> Void = { _ in }
    ) throws(SystemError) {
        let queue = WorkQueue<Job>(limit: Self.queueLimit)
        self.queue = queue
        self.machine = machine
        published = Mutex(Published(ledger: ledger, version: 0))
        refused = Mutex((store.corruption?.description) ?? store.failure)
        var worker: EnforcementWorker?
        if let enforcer { worker = try EnforcementWorker(enforcer) { queue.add(.transition($0)) } }
        let writer = Writer(
            ledger: ledger, store: store, machine: machine, enforcer: enforcer, worker: worker, clock: clock)
        let box = SendableBox(writer)
        try startThread(named: "writer") { [self] in
            preferPromptness()
            run(box.value, onDecisions)
            finished.signal()
        }
    }

    /// The ledger as it is stored, with the number of its version.
    package var current: Published { published.withLock { $0 } }

    /// The ledger as it is stored.
    package var ledger: Ledger { current.ledger }

    /// Why changes are refused at present, for people; nil while they are accepted.
    package var refusal: String? { refused.withLock { $0 } }

    /// Asks for a change. Never waits. `completion` is called once, on another thread: when the decision is durable (and
    /// enforced, where that was asked for) or refused.
    package func submit(
        _ submission: Submission, completion: @escaping @Sendable (Result<Outcome, Failure>) -> Void
    ) {
        switch queue.add(.request(submission, completion)) {
        case .yes: break
        case .full: completion(.failure(.overloaded))
        case .closed: completion(.failure(.stopping))
        }
    }

    /// Reports that a lease is over: the process has ended, or the cgroup is empty. A lease that the claim does not have
    /// any more is ignored.
    package func endLease(_ lease: Lease, of holder: Holder) { queue.add(.transition(.leaseOver(holder, lease))) }

    /// The committed decisions after `seq`, oldest first, from the store: `completion` is called on the writer's thread.
    package func decisions(
        after seq: Int64, limit: Int, completion: @escaping @Sendable (Result<[DecisionRecord], CommitError>) -> Void
    ) {
        switch queue.add(.decisions(after: seq, limit: limit, completion)) {
        case .yes: break
        case .full, .closed: completion(.failure(.failed("the writer takes no more questions")))
        }
    }

    /// Has every enforced claim checked against the kernel, and repaired or undone as its phase asks. Also done at start.
    package func reconcile() { queue.add(.reconcile) }

    /// Looks at the clock now: for tests, whose clock does not run by itself.
    package func checkLeases() { queue.wake() }

    /// Carries out what was submitted, closes the store and returns: after `seconds` at the latest, also where the disk
    /// hangs. Returns whether all was done by then.
    @discardableResult
    package func stop(within seconds: Int = 3_600) -> Bool {
        queue.close()
        guard finished.wait(timeout: .now() + .seconds(seconds)) == .success else { return false }
        finished.signal()
        return true
    }

    // MARK: - The writer's thread

    private func run(_ writer: Writer, _ onDecisions: ([Report]) -> Void) {
        writer.reconcile()
        while true {
            let (jobs, isClosed) = queue.takeAll(within: writer.idleTime)
            let step = writer.carryOut(jobs)
            if let ledger = step.ledger {
                published.withLock { $0 = Published(ledger: ledger, version: $0.version + 1) }
            }
            let refusal = writer.refusal
            refused.withLock { $0 = refusal }
            for answer in step.answers { answer() }
            if !step.reports.isEmpty { onDecisions(step.reports) }
            if isClosed, jobs.isEmpty { break }
            writer.maintain(isIdle: jobs.isEmpty)
        }
        writer.close()
    }
}

/// Carries a value to the one thread that uses it.
private struct SendableBox<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) { self.value = value }
}
