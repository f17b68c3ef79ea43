import Dispatch
import Domain
import Logging
import Service
import Synchronization

/// The one owner of a domain: orders what happens to it, has each step kept before anything of it is done, carries the calls.
///
/// The domain takes an event at once, on the thread that brings it; what has to be kept is kept by a thread of its own, and all
/// that has come while it kept something goes into one transaction. Where that fails nothing of it is done: who waits for it is
/// refused, and the domain goes on from what is kept, as after a restart.
package final class DomainRuntime: Sendable {

    /// Takes the answer to a request: a refusal, nil where all is well, or why it was not taken at all.
    package typealias Answer = @Sendable (Result<DomainRefusal?, Failure>) -> Void
    /// Takes the answer to a Start, or why it was not taken at all.
    typealias StartAnswer = @Sendable (Result<Result<LogicalID, DomainRefusal>, Failure>) -> Void
    /// Looks at the domain; nil where there is none any more.
    package typealias Look = @Sendable (DomainSnapshot?) -> Void

    /// Who waits for an answer.
    struct Waiters {
        var lastRequest: RequestID = 0
        var starts: [RequestID: StartAnswer] = [:]
        var answers: [RequestID: Answer] = [:]
        var isClosed = false
    }

    let waiters = Mutex(Waiters())
    let counters = Mutex(DomainCounters(began: Moment.current.wall))
    let owned: Mutex<OwnedDomain>
    let signal = DispatchSemaphore(value: 0)
    private let finished = DispatchSemaphore(value: 0)
    let outside: any DomainOutside
    let follower: (any DomainFollower)?
    let dispatcher: CallDispatcher
    let logger: Logger
    private let keeping: Keeping

    /// How many requests may wait.
    private static let requestLimit = 16_384

    /// Prepares to run a domain that goes on from `records`; nothing is done before ``begin()``, and what is asked waits.
    ///
    /// - Parameters:
    ///   - records: all that `keeper` keeps.
    ///   - follower: who is told of all that is kept from now on.
    ///   - callDeadline: how long a call to a node may take.
    package init(
        records: DomainRecords, options: DomainOptions, keeper: sending any DomainKeeper, outside: any DomainOutside,
        follower: (any DomainFollower)? = nil, callDeadline: Duration = .seconds(10), logger: Logger
    ) {
        self.outside = outside
        self.follower = follower
        self.logger = logger
        var system = SystemRandomNumberGenerator()
        owned = Mutex(
            OwnedDomain(
                Domain(records: records, options: options, random: Xoshiro(from: &system), now: .current)))
        keeping = Keeping(records: records, options: options, keeper: keeper)
        let answers = AnswerBox()
        dispatcher = CallDispatcher(outside: outside, deadline: callDeadline) { answers.take($0, $1) }
        answers.shell = self
    }

    /// Takes what waits, and goes on with what a restart has left undone. From here on nodes and the controller are called.
    ///
    /// - Throws: `SystemError` where its thread cannot be started.
    package func begin() throws(SystemError) {
        try startThread(named: "keeping") { [self] in
            preferPromptness()
            keepOn(keeping)
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

    /// Stops an instance; returns when the wish is kept.
    package func stop(_ id: LogicalID) async throws { try await take(.stop(id), .stop) }

    /// Leads the outputs of an instance elsewhere; returns when the wish is kept.
    package func patch(_ origin: LogicalID, _ row: [String: LogicalID]) async throws {
        try await take(.patch(origin, row), .patch)
    }

    /// Takes what a node says of itself.
    ///
    /// - Returns: why it is refused; nil where it is accepted.
    package func update(_ update: NodeUpdate, problem: DomainRefusal?) async throws -> DomainRefusal? {
        try await ask(.update) { .update(update, problem: problem, $0) }
    }

    /// Takes what an operator wants, and returns when that has come to an end.
    package func intent(_ intent: Intent) async throws -> DomainRefusal? {
        try await ask(.intent) { .intent(intent, $0) }
    }

    /// Takes what an operator wants, after what was taken before; `answer` is called when that has come to an end.
    package func intent(_ intent: Intent, answer: @escaping Answer) { ask(.intent, { .intent(intent, $0) }, answer) }

    /// Has what is kept looked at between two transactions, on the thread that keeps, which waits for `look`: so it had better be
    /// quick. What it keeps of the records beyond its end costs a copy of them when they next change.
    package func look(_ look: @escaping Look) {
        let isTaken = owned.withLock { owned in
            if !owned.isClosed { owned.looks.append(look) }
            return !owned.isClosed
        }
        if isTaken { signal.signal() } else { look(nil) }
    }

    /// To be called before nobody listens to the nodes any more: their leases do not end from now on.
    package func holdLeases() { owned.withLock { $0.domain.holdLeases() } }

    /// Takes nothing more, keeps what is known and ends the connections; what waits is refused.
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

    private func ask(_ kind: DomainCounters.Request, _ event: (RequestID) -> DomainEvent, _ told: @escaping Answer) {
        let answer: Answer = { [self] result in
            count(kind, result)
            told(result)
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

    /// Has the domain take an event; `completion` is told once that is kept, or why not.
    func submit(_ event: DomainEvent, completion: @escaping @Sendable (Failure?) -> Void) {
        let isTaken = owned.withLock { owned in
            guard !owned.isClosed else { return false }
            guard owned.hasBegun else {
                owned.early.append((event, completion))
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

    /// Tells all who wait for an answer why there will be none.
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
    /// Why there is no instance; nil where there is one.
    fileprivate var refusal: DomainRefusal? {
        if case .failure(let refusal) = self { refusal } else { nil }
    }
}

/// Hands answers to a shell that is still being made when the box is.
private final class AnswerBox: Sendable {
    private let held = Mutex<Weak>(Weak())

    private struct Weak: Sendable { weak var shell: DomainRuntime? }

    var shell: DomainRuntime? {
        get { held.withLock { $0.shell } }
        set { held.withLock { $0.shell = newValue } }
    }

    func take(_ call: CallID, _ outcome: CallOutcome) { shell?.answered(call, outcome) }
}
