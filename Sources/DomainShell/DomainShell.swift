import Dispatch
import Domain
import Glibc
import Logging
import Service
import Synchronization

/// The one owner of a domain: orders what happens to it, has each step kept before anything of it is done, carries the calls.
///
/// Events that wait are taken together and kept in one transaction. Where that fails nothing of them is done: who waits for one
/// of them is refused, and the domain goes on from what is kept, as after a restart.
public final class DomainShell: Sendable {
    /// What waits to be taken.
    private struct Job: Sendable {
        let event: DomainEvent
        /// Is told once the event has been taken and kept, or why not.
        let completion: @Sendable (Failure?) -> Void
    }

    /// Takes the answer to a request: a refusal, nil where all is well, or why it was not taken at all.
    public typealias Answer = @Sendable (Result<DomainRefusal?, Failure>) -> Void
    /// Takes the answer to a Start, or why it was not taken at all.
    private typealias StartAnswer = @Sendable (Result<Result<LogicalID, DomainRefusal>, Failure>) -> Void
    /// Looks at the domain; nil where there is none any more.
    public typealias Look = @Sendable (DomainSnapshot?) -> Void

    private struct Queue {
        var jobs: [Job] = []
        var looks: [Look] = []
        var lastRequest: RequestID = 0
        var starts: [RequestID: StartAnswer] = [:]
        var answers: [RequestID: Answer] = [:]
        var isClosed = false
    }

    private let queue = Mutex(Queue())
    private let counters = Mutex(DomainCounters())
    private let signal = DispatchSemaphore(value: 0)
    private let finished = DispatchSemaphore(value: 0)
    private let outside: any DomainOutside
    private let follower: (any DomainFollower)?
    private let dispatcher: CallDispatcher
    private let logger: Logger
    private let owner: Owner

    /// How many requests may wait.
    private static let requestLimit = 16_384
    /// How long others are waited for, in microseconds.
    private static let moment: UInt32 = 200
    /// How often a domain is told that time has passed.
    private static let tick = DispatchTimeInterval.milliseconds(500)

    /// Prepares to run a domain that goes on from `records`; nothing is done before ``begin()``, and what is asked waits.
    ///
    /// - Parameters:
    ///   - records: all that `keeper` keeps.
    ///   - follower: who is told of all that is kept from now on.
    ///   - callDeadline: how long a call to a node may take.
    public init(
        records: DomainRecords, options: DomainOptions, keeper: sending any DomainKeeper, outside: any DomainOutside,
        follower: (any DomainFollower)? = nil, callDeadline: Duration = .seconds(10), logger: Logger
    ) {
        self.outside = outside
        self.follower = follower
        self.logger = logger
        var system = SystemRandomNumberGenerator()
        owner = Owner(
            domain: Domain(records: records, options: options, random: Xoshiro(from: &system), now: .current),
            records: records, options: options, keeper: keeper)
        let answers = AnswerBox()
        dispatcher = CallDispatcher(outside: outside, deadline: callDeadline) { answers.take($0, $1) }
        answers.shell = self
    }

    /// Takes what waits, and goes on with what a restart has left undone. From here on nodes and the controller are called.
    ///
    /// - Throws: `SystemError` where its thread cannot be started.
    public func begin() throws(SystemError) {
        try startThread { [self] in
            preferPromptness()
            run()
            finished.signal()
        }
    }

    // MARK: - Requests

    /// Starts a function or resource.
    public func start(_ specification: Specification) async throws -> Result<LogicalID, DomainRefusal> {
        await withCheckedContinuation { continuation in
            let answer: StartAnswer = { [self] result in
                count(.start, result.map(\.refusal))
                switch result {
                case .success(let answer): continuation.resume(returning: answer)
                case .failure(let failure): continuation.resume(returning: .failure(failure.refusal))
                }
            }
            let request = queue.withLock { queue -> RequestID? in
                guard !queue.isClosed, queue.starts.count < Self.requestLimit else { return nil }
                queue.lastRequest += 1
                queue.starts[queue.lastRequest] = answer
                return queue.lastRequest
            }
            guard let request else { return answer(.failure(.overloaded)) }
            submit(.start(specification, request)) { [self] failure in
                if let failure { finish(request, .failure(failure)) }
            }
        }
    }

    /// Stops an instance; returns when the wish is kept.
    public func stop(_ id: LogicalID) async throws { try await take(.stop(id), .stop) }

    /// Leads the outputs of an instance elsewhere; returns when the wish is kept.
    public func patch(_ origin: LogicalID, _ row: [String: LogicalID]) async throws {
        try await take(.patch(origin, row), .patch)
    }

    /// Takes what a node says of itself.
    ///
    /// - Returns: why it is refused; nil where it is accepted.
    public func update(_ update: NodeUpdate, problem: DomainRefusal?) async throws -> DomainRefusal? {
        try await ask(.update) { .update(update, problem: problem, $0) }
    }

    /// Takes what an operator wants, and returns when that has come to an end.
    public func intent(_ intent: Intent) async throws -> DomainRefusal? {
        try await ask(.intent) { .intent(intent, $0) }
    }

    /// Takes what an operator wants, after what was taken before; `answer` is called when that has come to an end.
    public func intent(_ intent: Intent, answer: @escaping Answer) { ask(.intent, { .intent(intent, $0) }, answer) }

    /// Has the domain looked at between two steps, on its own thread, which waits for `look`: so it had better be quick. What
    /// it keeps of the records beyond its end costs the domain a copy of them when they next change.
    public func look(_ look: @escaping Look) {
        let isTaken = queue.withLock { queue in
            if !queue.isClosed { queue.looks.append(look) }
            return !queue.isClosed
        }
        if isTaken { signal.signal() } else { look(nil) }
    }

    /// Takes nothing more, keeps what is known and ends the connections; what waits is refused.
    public func stop() {
        queue.withLock { $0.isClosed = true }
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
        let request = queue.withLock { queue -> RequestID? in
            guard !queue.isClosed, queue.answers.count < Self.requestLimit else { return nil }
            queue.lastRequest += 1
            queue.answers[queue.lastRequest] = answer
            return queue.lastRequest
        }
        guard let request else { return answer(.failure(.overloaded)) }
        submit(event(request)) { [self] failure in
            guard let failure else { return }
            self.answer(request, .failure(failure))
        }
    }

    private func answer(_ request: RequestID, _ result: Result<DomainRefusal?, Failure>) {
        queue.withLock { $0.answers.removeValue(forKey: request) }?(result)
    }

    private func submit(_ event: DomainEvent, completion: @escaping @Sendable (Failure?) -> Void) {
        let isTaken = queue.withLock { queue in
            guard !queue.isClosed else { return false }
            queue.jobs.append(Job(event: event, completion: completion))
            return true
        }
        if isTaken { signal.signal() } else { completion(.stopping) }
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
    private func refuseWaiters(_ failure: Failure) {
        let (starts, answers) = queue.withLock { queue in
            defer { (queue.starts, queue.answers) = ([:], [:]) }
            return (Array(queue.starts.values), Array(queue.answers.values))
        }
        for start in starts { start(.failure(failure)) }
        for answer in answers { answer(.failure(failure)) }
    }

    private func finish(_ request: RequestID, _ result: Result<Result<LogicalID, DomainRefusal>, Failure>) {
        queue.withLock { $0.starts.removeValue(forKey: request) }?(result)
    }

    // MARK: - The owner's thread

    /// What only the thread touches.
    private final class Owner: @unchecked Sendable {
        var domain: Domain
        /// All that is kept.
        var records: DomainRecords
        let options: DomainOptions
        let keeper: any DomainKeeper
        var toldFailure: String?
        /// A step whose changes could not be kept yet; nothing of it is done before.
        var unkept: [DomainStep] = []

        init(domain: Domain, records: DomainRecords, options: DomainOptions, keeper: any DomainKeeper) {
            self.domain = domain
            self.records = records
            self.options = options
            self.keeper = keeper
        }
    }

    private func run() {
        perform([owner.domain.begin(at: .current)], [], isDue: true)
        var nextTick = DispatchTime.now() + Self.tick
        while true {
            _ = signal.wait(timeout: nextTick)
            // What has come by now is taken before any lease is judged.
            let now = Moment.current
            var (jobs, looks, isClosed) = takeWaiting()
            var steps = jobs.map { take($0.event, at: now) }
            if isWorthWaiting(steps) && !isClosed {
                usleep(Self.moment)
                let more = takeWaiting()
                steps += more.jobs.map { take($0.event, at: now) }
                (jobs, looks, isClosed) = (jobs + more.jobs, looks + more.looks, more.isClosed)
            }
            let isDue = DispatchTime.now() >= nextTick
            if isDue {
                steps.append(take(.tick, at: now))
                nextTick = .now() + Self.tick
            }
            if isClosed { steps.append(owner.domain.end(at: now)) }
            perform(steps, jobs, isDue: isDue)
            if isDue || !jobs.isEmpty { owner.keeper.maintain(owner.records, isIdle: jobs.isEmpty) }
            for look in looks { look(view) }
            if isClosed {
                owner.keeper.close(owner.records)
                return
            }
        }
    }

    private func takeWaiting() -> (jobs: [Job], looks: [Look], isClosed: Bool) {
        queue.withLock { queue in
            defer { (queue.jobs, queue.looks) = ([], []) }
            return (queue.jobs, queue.looks, queue.isClosed)
        }
    }

    /// Has the domain take an event, and sends what need not wait until that is kept.
    private func take(_ event: DomainEvent, at now: Moment) -> DomainStep {
        let step = owner.domain.handle(event, at: now)
        for call in step.ahead { dispatcher.send(call) }
        return step
    }

    private var view: DomainSnapshot {
        DomainSnapshot(
            records: owner.records, counters: counters.withLock { $0 }, failure: owner.keeper.failure)
    }

    /// Whether others that are on their way had better be kept together with these: where there are few of these, a sync for
    /// each alone costs all of them more.
    private func isWorthWaiting(_ steps: [DomainStep]) -> Bool {
        let toKeep = steps.count { !$0.changes.isEmpty }
        return toKeep > 0 && toKeep * 2 < queue.withLock { $0.starts.count }
    }

    /// Has the changes of steps kept, then carries their effects out.
    ///
    /// - Parameter isDue: whether what could not be kept before is to be tried again.
    private func perform(_ taken: [DomainStep], _ jobs: [Job], isDue: Bool) {
        let isNew = taken.contains { !$0.changes.isEmpty }
        guard owner.unkept.isEmpty || isNew || isDue else { return postpone(taken, jobs) }
        let steps = owner.unkept + taken
        let changes = steps.flatMap(\.changes)
        if !changes.isEmpty {
            do { try owner.keeper.keep(changes, before: owner.records) } catch {
                tellFailure("\(error)")
                return isNew ? goBack(because: "\(error)", taken, jobs) : postpone(taken, jobs)
            }
            counters.withLock { $0.countCommit(isKept: true) }
            for change in changes { owner.records.apply(change) }
            owner.toldFailure = nil
        }
        owner.unkept = []
        owner.domain.noteKept()
        for job in jobs { job.completion(nil) }
        for step in steps {
            if !step.changes.isEmpty { follower?.follow(step.changes) }
            for effect in step.effects { carryOut(effect) }
        }
    }

    /// Answers what needs nothing kept; the rest of these steps, which change nothing, waits for what could not be kept.
    private func postpone(_ steps: [DomainStep], _ jobs: [Job]) {
        for job in jobs { job.completion(nil) }
        for step in steps {
            if step.isDoneAnyway { step.effects.forEach(carryOut) } else { owner.unkept.append(step) }
        }
    }

    /// What was to happen could not be kept: nothing of it has happened, and the domain begins anew from what is kept. What
    /// nodes have started meanwhile is stopped; Starts that they have not answered yet stay in doubt.
    private func goBack(because reason: String, _ taken: [DomainStep], _ jobs: [Job]) {
        dispatcher.abandonAll()
        let lost = (owner.unkept + taken).flatMap(\.changes)
        owner.domain = owner.domain.restarted(
            from: owner.records, without: lost, options: owner.options, at: .current)
        for (place, step) in taken.enumerated() {
            if step.isDoneAnyway { step.effects.forEach(carryOut) }
            guard place < jobs.count else { continue }
            jobs[place].completion(step.isDoneAnyway ? nil : .notKept(reason))
        }
        refuseWaiters(.notKept(reason))
        owner.unkept = [owner.domain.begin(at: .current)]
    }

    private func tellFailure(_ reason: String) {
        counters.withLock { $0.countCommit(isKept: false) }
        guard owner.toldFailure != reason else { return }
        owner.toldFailure = reason
        logger.error("the state cannot be stored: nothing is changed until it can", metadata: ["reason": "\(reason)"])
    }

    private func carryOut(_ effect: DomainEffect) {
        switch effect {
        case .call(let call): dispatcher.send(call)
        case .abandon(let node): dispatcher.abandon(node)
        case .started(let request, let result): finish(request, .success(result))
        case .updated(let request, let refusal), .settled(let request, let refusal):
            answer(request, .success(refusal))
        case .reported(let update): follower?.follow(update)
        case .updateController(let number, let update):
            Task { [self] in
                let outcome = await outside.update(update)
                counters.withLock { $0.count(outcome) }
                submit(.controllerAnswered(number, outcome)) { _ in }
            }
        case .note(let note):
            logger.log(
                level: note.level == .info ? .info : .warning, "\(note.text)",
                metadata: note.fields.mapValues { .string($0) })
        }
    }
}

extension DomainStep {
    /// Whether it can be done although nothing can be kept: it changes nothing, and asks no node for anything.
    fileprivate var isDoneAnyway: Bool {
        changes.isEmpty
            && effects.allSatisfy { effect in
                if case .call = effect { false } else { true }
            }
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

    private struct Weak: Sendable { weak var shell: DomainShell? }

    var shell: DomainShell? {
        get { held.withLock { $0.shell } }
        set { held.withLock { $0.shell = newValue } }
    }

    func take(_ call: CallID, _ outcome: CallOutcome) { shell?.answered(call, outcome) }
}
