import Dispatch
import Kernel
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
        case decisions(from: HistoryStart, limit: Int, @Sendable (Result<History, CommitError>) -> Void)
        case reconcile
    }

    /// The most requests that wait for the disk; each connection that asked may be gone by then.
    private static let queueLimit = 16_384

    /// After how long a commit that is under way shows as a disk that hangs.
    private static let patience = Duration.seconds(2)

    private let queue: WorkQueue<Job>
    private let published: Mutex<Published>
    private let finished = DispatchSemaphore(value: 0)
    /// Why changes were refused when the writer last looked.
    private let refused: Mutex<String?>
    /// Since when the writer has been busy with what it does; nil while it waits.
    private let busySince = Mutex<ContinuousClock.Instant?>(nil)
    /// What was done.
    private let done = Mutex(HostFigures())
    /// Who gets committed decisions.
    private let followers = Mutex(Followers())
    private let clock: @Sendable () -> Int
    /// What makes the kernel follow claims, or the refusal of those that are to be enforced.
    private let enforcer: Result<any Enforcer, Refusal>
    /// Whether claims that were enforced end with the start.
    private let endsEnforced: Bool
    private let enforcement: Mutex<EnforcementPolicy>
    private let watcher: (any LeaseWatcher)?
    /// The machine.
    package let machine: HostMachine
    /// Why nothing makes the kernel follow claims, where nothing does and that is known.
    package let unenforced: String?

    /// A host that starts from `ledger`, all of which is stored already.
    ///
    /// - Parameters:
    ///   - enforcer: what makes the kernel follow claims; nil where nothing does.
    ///   - unenforced: why nothing does, and what would help, for people. The enforcer, where there is one, then only undoes:
    ///     claims that were enforced end.
    ///   - watcher: what watches the processes and cgroups that claims live by; nil where nothing does.
    ///   - enforcement: how the kernel is held to the claims.
    ///   - clock: the time in milliseconds since 1970 UTC.
    ///   - onDecisions: gets every decision, in order, on the writer's thread: after its caller was answered, unless that one
    ///     waits for the kernel.
    /// - Throws: `SystemError` where its threads cannot be started.
    package init(
        ledger: Ledger, store: sending any DecisionStore, machine: HostMachine, enforcer: (any Enforcer)? = nil,
        unenforced: String? = nil, watcher: (any LeaseWatcher)? = nil,
        enforcement: EnforcementPolicy = EnforcementPolicy(),
        clock: @escaping @Sendable () -> Int = wallClock,
        onDecisions: @escaping @Sendable ([Report]) -> Void = { _ in }
    ) throws(SystemError) {
        let queue = WorkQueue<Job>(limit: Self.queueLimit)
        self.queue = queue
        self.machine = machine
        published = Mutex(Published(ledger: ledger, version: 0))
        refused = Mutex((store.corruption?.description) ?? store.failure)
        var worker: EnforcementWorker?
        // What happens to claims is bounded by their number, and must not be lost while the disk hangs.
        if let enforcer {
            worker = try EnforcementWorker(
                enforcer, report: { queue.add(.transition($0), isLimited: false) },
                checked: { claims in
                    // Not before: the cgroup that a claim lives by may have to be made again after a start.
                    for claim in claims where claim.lease.isWatched { watcher?.watch(claim.lease, of: claim.holder) }
                })
        }
        watcher?.start { holder, lease in queue.add(.transition(.leaseOver(holder, lease)), isLimited: false) }
        let kernel: Result<any Enforcer, Refusal> =
            if let enforcer, unenforced == nil { .success(enforcer) } else {
                .failure(Refusal(.noEnforcement(unenforced)))
            }
        self.enforcer = kernel
        endsEnforced = enforcer != nil && unenforced != nil
        self.unenforced = unenforced
        self.watcher = watcher
        self.enforcement = Mutex(enforcement)
        self.clock = clock
        let writer = Writer(
            ledger: ledger, store: store, machine: machine, enforcer: kernel, worker: worker, clock: clock)
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

    /// Why changes are refused at present, or wait, for people; nil while they are accepted.
    package var refusal: String? {
        if let reason = refused.withLock({ $0 }) { return reason }
        guard let busy = busyTime, busy >= Self.patience else { return nil }
        return "The disk has not answered for \(busy.components.seconds) s; changes wait for it"
    }

    /// How long the writer has been busy with the changes in hand: more than a moment where the disk hangs. Nil while it
    /// waits for changes.
    package var busyTime: Duration? { busySince.withLock { $0 }.map { .now - $0 } }

    /// What was done since the start.
    package var figures: HostFigures { done.withLock { $0 } }

    /// What the request would come to, without changing anything. Reads the kernel, on the caller's thread.
    ///
    /// - Throws: ``Failure``, the same that ``submit(_:completion:)`` would give.
    package func plan(_ submission: Submission) throws(Failure) -> Outcome {
        let facts: MachineFacts
        do { facts = try machine.facts(for: submission.request) } catch { throw .facts(error) }
        var next = ledger
        try submission.check(next)
        do throws(Refusal) {
            let decision = try next.decide(
                submission.request, facts: facts, caller: submission.caller, now: clock(), enforcer: enforcer)
            return try Outcome(decision, of: submission.request, on: &next, facts)
        } catch { throw .refused(error) }
    }

    /// Asks for a change. Never waits. `completion` is called once: when the decision is durable (and enforced, where that
    /// was asked for) or refused, on another thread, which it must not hold up; or before this returns, where too much
    /// waits already.
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
    package func endLease(_ lease: Lease, of holder: Holder) {
        queue.add(.transition(.leaseOver(holder, lease)), isLimited: false)
    }

    /// The committed decisions from `start` on, oldest first, from the store: `completion` is called on the writer's thread.
    package func decisions(
        from start: HistoryStart, limit: Int, completion: @escaping @Sendable (Result<History, CommitError>) -> Void
    ) {
        switch queue.add(.decisions(from: start, limit: limit, completion)) {
        case .yes: break
        case .full, .closed: completion(.failure(.failed("the writer takes no more questions")))
        }
    }

    /// Calls `body` with every decision that is committed from now on, in order, on the writer's thread, which it must not
    /// hold up. With none where ``machineChanged()`` says that the machine is another one.
    ///
    /// - Returns: what ``unfollow(_:)`` takes.
    package func follow(_ body: @escaping @Sendable ([DecisionRecord]) -> Void) -> Int {
        followers.withLock { followers in
            followers.last += 1
            followers.bodies[followers.last] = body
            return followers.last
        }
    }

    /// Ends what ``follow(_:)`` began. A call that is under way may still come.
    package func unfollow(_ id: Int) { followers.withLock { _ = $0.bodies.removeValue(forKey: id) } }

    /// How the kernel is held to the claims from now on.
    package func configure(_ policy: EnforcementPolicy) { enforcement.withLock { $0 = policy } }

    /// Has every enforced claim checked against the kernel, and repaired or undone as its phase asks. Also done at start,
    /// and at the interval of the policy.
    package func reconcile() { queue.add(.reconcile, isLimited: false) }

    /// Tells who follows that CPUs went offline or came back.
    package func machineChanged() { tell([]) }

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
        for claim in ledger.sortedClaims where claim.enforcement == nil || (try? enforcer.get()) == nil { watch(claim) }
        var reconciled = ContinuousClock.now
        var first = enforcement.withLock { $0 }
        first.repairs = (first.repairs || first.restoresOnStop) && !endsEnforced
        if endsEnforced {
            for claim in ledger.sortedClaims where claim.enforcement != nil { endLease(claim.lease, of: claim.holder) }
        }
        writer.reconcile(first)
        while true {
            let (jobs, isClosed) = queue.takeAll(within: writer.idleTime)
            busySince.withLock { $0 = .now }
            let step = writer.carryOut(jobs)
            let policy = enforcement.withLock { $0 }
            if jobs.contains(where: \.isReconciliation) || reconciled.duration(to: .now) >= policy.interval {
                reconciled = .now
                writer.reconcile(policy)
            }
            if let ledger = step.ledger {
                published.withLock { $0 = Published(ledger: ledger, version: $0.version + 1) }
            }
            let refusal = writer.refusal
            refused.withLock { $0 = refusal }
            for answer in step.answers { answer() }
            if !step.reports.isEmpty { onDecisions(step.reports) }
            report(step.reports)
            if isClosed, jobs.isEmpty { break }
            writer.maintain(isIdle: jobs.isEmpty)
            let began = busySince.withLock { since in
                defer { since = nil }
                return since
            }
            done.withLock { figures in
                figures.count(step.reports)
                if let began, !jobs.isEmpty { figures.busy += .now - began }
            }
        }
        writer.close(restoring: enforcement.withLock { $0.restoresOnStop })
    }

    /// Tells the followers, and the watcher, of what was committed.
    private func report(_ reports: [Report]) {
        let records = reports.map(\.record).filter { $0.seq > 0 }
        guard !records.isEmpty else { return }
        for record in records {
            for claim in record.change.claims { watch(claim) }
            for holder in record.change.removed { watcher?.unwatch(holder) }
        }
        tell(records)
    }

    private func tell(_ records: [DecisionRecord]) {
        let bodies = followers.withLock { $0.bodies.values.map(\.self) }
        for body in bodies { body(records) }
    }

    private func watch(_ claim: Claim) {
        guard let watcher else { return }
        // While it is prepared, its process may not be in the cgroup yet.
        guard claim.lease.isWatched, claim.enforcement?.phase == .active || claim.enforcement == nil else {
            return watcher.unwatch(claim.holder)
        }
        watcher.watch(claim.lease, of: claim.holder)
    }
}

extension Host.Job {
    fileprivate var isReconciliation: Bool { if case .reconcile = self { true } else { false } }
}

/// How the kernel is held to the claims.
package struct EnforcementPolicy: Equatable, Sendable {
    /// Whether drift is repaired, not only reported.
    package var repairs: Bool
    /// Whether other CPUs take the place of those that go offline.
    package var refills: Bool
    /// Whether the kernel is as it was before once the host has stopped; the claims stay, and are enforced again at the next
    /// start.
    package var restoresOnStop: Bool
    /// How often every enforced claim is checked.
    package var interval: Duration

    /// A policy; repairing without other CPUs, every 30 s, and keeping enforcement over a stop unless told otherwise.
    package init(
        repairs: Bool = true, refills: Bool = false, restoresOnStop: Bool = false, interval: Duration = .seconds(30)
    ) {
        self.repairs = repairs
        self.refills = refills
        self.restoresOnStop = restoresOnStop
        self.interval = interval
    }
}

/// Who gets committed decisions.
private struct Followers {
    var last = 0
    var bodies: [Int: @Sendable ([DecisionRecord]) -> Void] = [:]
}

/// Carries a value to the one thread that uses it.
private struct SendableBox<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) { self.value = value }
}
