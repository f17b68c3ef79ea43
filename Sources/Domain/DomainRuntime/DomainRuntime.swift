import Dispatch
import Domain
import Logging
import Service
import Synchronization

/// Owns a domain: orders its events, commits each step before its effects, and dispatches calls.
///
/// The domain handles an event immediately, on the thread that delivers it. A dedicated thread commits the changes;
/// everything that arrives during a commit goes into the next transaction. If a commit fails, none of its effects
/// happen: the waiting callers are refused, and the domain is rebuilt from the committed records, as after a restart.
package final class DomainRuntime: Sendable {

    /// Receives the answer to a request: a refusal, nil for success, or the failure that prevented it.
    package typealias Answer = @Sendable (Result<DomainRefusal?, Failure>) -> Void
    /// Receives the answer to a Start, or the failure that prevented it.
    typealias StartAnswer = @Sendable (Result<Result<LogicalID, DomainRefusal>, Failure>) -> Void
    /// Receives a snapshot of the domain; nil after the runtime has stopped.
    package typealias SnapshotHandler = @Sendable (DomainSnapshot?) -> Void

    /// The callers that wait for an answer.
    struct Waiters {
        var lastRequest: RequestID = 0
        var starts: [RequestID: StartAnswer] = [:]
        var answers: [RequestID: Answer] = [:]
        var isClosed = false
    }

    let waiters = Mutex(Waiters())
    let counters = Mutex(DomainCounters(began: Timestamp.current.wall))
    let owned: Mutex<OwnedDomain>
    let signal = DispatchSemaphore(value: 0)
    private let finished = DispatchSemaphore(value: 0)
    let transport: any DomainTransport
    let observer: (any DomainObserver)?
    let dispatcher: CallDispatcher
    let logger: Logger
    let now: @Sendable () -> Timestamp
    private let commits: CommitState

    /// The maximum number of waiting requests.
    private static let requestLimit = 16_384

    /// Creates a runtime for a domain with these records. Nothing happens before ``begin()``; requests wait until
    /// then.
    ///
    /// - Parameters:
    ///   - records: the content of `store`.
    ///   - observer: receives everything that is committed from now on.
    ///   - callDeadline: how long a call to a node may take.
    ///   - now: tells the time.
    package init(
        records: DomainRecords, options: DomainOptions, store: sending any DomainRecordStore,
        transport: any DomainTransport,
        observer: (any DomainObserver)? = nil, callDeadline: Duration = .seconds(10),
        now: @escaping @Sendable () -> Timestamp = { .current }, logger: Logger
    ) {
        self.now = now
        self.transport = transport
        self.observer = observer
        self.logger = logger
        var system = SystemRandomNumberGenerator()
        owned = Mutex(
            OwnedDomain(
                Domain(records: records, options: options, random: Xoshiro(from: &system), now: now())))
        commits = CommitState(records: records, store: store)
        let answers = AnswerBox()
        dispatcher = CallDispatcher(transport: transport, deadline: callDeadline) { answers.take($0, $1) }
        answers.runtime = self
    }

    /// Handles the waiting requests and resumes interrupted work. From here on nodes and the controller are called.
    ///
    /// - Throws: `SystemError` if the thread cannot be started.
    package func begin() throws(SystemError) {
        try startThread(named: "commits") { [self] in
            preferPromptness()
            runCommitLoop(commits)
            finished.signal()
        }
    }

    // MARK: - Requests

    /// Starts a function or resource.
    package func start(_ specification: Specification) async throws -> Result<LogicalID, DomainRefusal> {
        await withCheckedContinuation { continuation in
            let answer: StartAnswer = { [self] result in
                count(.start, result.map(\.refusal))
                switch result {
                case .success(let answer): continuation.resume(returning: answer)
                case .failure(let failure): continuation.resume(returning: .failure(failure.refusal))
                }
            }
            let request = waiters.withLock { waiters -> RequestID? in
                guard !waiters.isClosed, waiters.starts.count < Self.requestLimit else { return nil }
                waiters.lastRequest += 1
                waiters.starts[waiters.lastRequest] = answer
                return waiters.lastRequest
            }
            guard let request else { return answer(.failure(.overloaded)) }
            submit(.start(specification, request)) { [self] failure in
                if let failure { finish(request, .failure(failure)) }
            }
        }
    }

    /// Stops an instance; returns when the request is committed.
    package func stop(_ id: LogicalID) async throws { try await take(.stop(id), .stop) }

    /// Sets the wiring of an instance; returns when the request is committed.
    package func patch(_ origin: LogicalID, _ wiring: [String: LogicalID]) async throws {
        try await take(.patch(origin, wiring), .patch)
    }

    /// Handles a node's registration or refresh.
    ///
    /// - Returns: the reason for a refusal; nil if it is accepted.
    package func update(_ update: NodeUpdate, problem: DomainRefusal?) async throws -> DomainRefusal? {
        try await ask(.update) { .update(update, problem: problem, $0) }
    }

    /// Handles an operator's intent; returns when it is finished.
    package func intent(_ intent: Intent) async throws -> DomainRefusal? {
        try await ask(.intent) { .intent(intent, $0) }
    }

    /// Handles an operator's intent, after those submitted earlier. Calls `answer` when it is finished.
    package func intent(_ intent: Intent, answer: @escaping Answer) { ask(.intent, { .intent(intent, $0) }, answer) }

    /// Calls `handler` with a snapshot between two transactions, on the commit thread, which waits for it; the handler
    /// should be quick. Holding the records longer costs a copy at their next change.
    package func withSnapshot(_ handler: @escaping SnapshotHandler) {
        let isTaken = owned.withLock { owned in
            if !owned.isClosed { owned.snapshotHandlers.append(handler) }
            return !owned.isClosed
        }
        if isTaken { signal.signal() } else { handler(nil) }
    }

    /// Uses other options from now on. The domain's name, URL and strategy stay.
    ///
    /// - Parameters:
    ///   - callDeadline: how long a call to a node may take.
    ///   - reconnects: whether nodes are called over new connections.
    package func configure(_ options: DomainOptions, callDeadline: Duration, reconnects: Bool) {
        owned.withLock { $0.domain.configure(options) }
        dispatcher.configure(deadline: callDeadline, reconnects: reconnects)
    }

    /// Stops leases from expiring. Call this before the server stops listening for refreshes.
    package func holdLeases() { owned.withLock { $0.domain.holdLeases() } }

    /// Commits what is pending and closes the connections. Waiting and new requests are refused.
    package func stop() {
        waiters.withLock { $0.isClosed = true }
        owned.withLock { $0.isClosed = true }
        refuseWaiters(.stopping)
        signal.signal()
        finished.wait()
        finished.signal()
        dispatcher.abandonAll()
    }

    private func take(_ event: DomainEvent, _ kind: DomainCounters.Request) async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            submit(event) { [self] failure in
                count(kind, failure.map { .failure($0) } ?? .success(nil))
                if let failure { continuation.resume(throwing: failure) } else { continuation.resume() }
            }
        }
    }

    private func ask(
        _ kind: DomainCounters.Request, _ event: (RequestID) -> DomainEvent
    ) async throws -> DomainRefusal? {
        try await withCheckedThrowingContinuation { continuation in
            ask(kind, event) { continuation.resume(with: $0) }
        }
    }

    private func ask(
        _ kind: DomainCounters.Request, _ event: (RequestID) -> DomainEvent, _ completion: @escaping Answer
    ) {
        let answer: Answer = { [self] result in
            count(kind, result)
            completion(result)
        }
        let request = waiters.withLock { waiters -> RequestID? in
            guard !waiters.isClosed, waiters.answers.count < Self.requestLimit else { return nil }
            waiters.lastRequest += 1
            waiters.answers[waiters.lastRequest] = answer
            return waiters.lastRequest
        }
        guard let request else { return answer(.failure(.overloaded)) }
        submit(event(request)) { [self] failure in
            guard let failure else { return }
            self.answer(request, .failure(failure))
        }
    }

    func answer(_ request: RequestID, _ result: Result<DomainRefusal?, Failure>) {
        waiters.withLock { $0.answers.removeValue(forKey: request) }?(result)
    }

    /// Handles an event. `completion` is called when it is committed, or with the failure.
    func submit(_ event: DomainEvent, completion: @escaping @Sendable (Failure?) -> Void) {
        let isTaken = owned.withLock { owned in
            guard !owned.isClosed else { return false }
            guard owned.hasBegun else {
                owned.earlyEvents.append((event, completion))
                return true
            }
            if take(event, &owned, completion) { signal.signal() }
            return true
        }
        if !isTaken { completion(.stopping) }
    }

    fileprivate func answered(_ call: CallID, _ outcome: CallOutcome) {
        counters.withLock { $0.count(outcome) }
        submit(.answered(call, outcome)) { _ in }
    }

    private func count(_ kind: DomainCounters.Request, _ result: Result<DomainRefusal?, Failure>) {
        let outcome: DomainCounters.Outcome =
            switch result {
            case .success(nil): .accepted
            case .success: .refused
            case .failure: .failed
            }
        counters.withLock { $0.count(kind, outcome) }
    }

    /// Refuses all waiting requests.
    func refuseWaiters(_ failure: Failure) {
        let (starts, answers) = waiters.withLock { waiters in
            defer { (waiters.starts, waiters.answers) = ([:], [:]) }
            return (Array(waiters.starts.values), Array(waiters.answers.values))
        }
        for start in starts { start(.failure(failure)) }
        for answer in answers { answer(.failure(failure)) }
    }

    func finish(_ request: RequestID, _ result: Result<Result<LogicalID, DomainRefusal>, Failure>) {
        waiters.withLock { $0.starts.removeValue(forKey: request) }?(result)
    }
}

extension Result<LogicalID, DomainRefusal> {
    /// The reason for the refusal; nil if the instance was started.
    fileprivate var refusal: DomainRefusal? {
        if case .failure(let refusal) = self { refusal } else { nil }
    }
}

/// Passes outcomes to a runtime that is still being initialized when the box is created.
private final class AnswerBox: Sendable {
    private let held = Mutex<Weak>(Weak())

    private struct Weak: Sendable { weak var runtime: DomainRuntime? }

    var runtime: DomainRuntime? {
        get { held.withLock { $0.runtime } }
        set { held.withLock { $0.runtime = newValue } }
    }

    func take(_ call: CallID, _ outcome: CallOutcome) { runtime?.answered(call, outcome) }
}
