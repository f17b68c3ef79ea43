import Dispatch
import Domain
import Logging
import Synchronization

/// A domain, and its uncommitted steps.
struct OwnedDomain: Sendable {
    /// A step, and a handler to call when it is committed or has failed.
    struct PendingStep: Sendable {
        let step: DomainStep
        var completion: @Sendable (DomainRuntime.Failure?) -> Void = { _ in }
    }

    var domain: Domain
    /// Whether the domain has taken its first step.
    var hasBegun = false
    /// Events that arrived before the first step.
    var earlyEvents: [(event: DomainEvent, completion: @Sendable (DomainRuntime.Failure?) -> Void)] = []
    /// Steps in order, none of whose effects have been carried out.
    var steps: [PendingStep] = []
    /// Whether earlier steps are being committed or carried out.
    var isBusy = false
    var snapshotHandlers: [DomainRuntime.SnapshotHandler] = []
    var isClosed = false

    init(_ domain: Domain) { self.domain = domain }
}

/// State of the commit thread; no other thread uses it.
final class CommitState: @unchecked Sendable {
    /// The committed records.
    var records: DomainRecords
    let store: any DomainRecordStore
    var reportedFailure: String?
    /// Steps whose changes could not be committed yet; their effects wait.
    var uncommitted: [DomainStep] = []

    init(records: DomainRecords, store: any DomainRecordStore) {
        self.records = records
        self.store = store
    }
}

extension DomainRuntime {
    /// The interval of ticks.
    private static let tick = DispatchTimeInterval.milliseconds(500)

    // MARK: - Events, on any thread

    /// Lets the domain handle an event, and carries out what needs no commit.
    ///
    /// - Returns: whether to wake the commit thread.
    func take(
        _ event: DomainEvent, _ owned: inout OwnedDomain,
        _ completion: @escaping @Sendable (Failure?) -> Void = { _ in }
    ) -> Bool {
        let step = owned.domain.handle(event, at: now())
        for call in step.callsBeforeCommit { dispatcher.send(call) }
        // A step without changes is carried out immediately unless an earlier step is waiting.
        if step.needsNoCommit, owned.steps.isEmpty, !owned.isBusy {
            completion(nil)
            step.effects.forEach(carryOut)
            return false
        }
        owned.steps.append(.init(step: step, completion: completion))
        return owned.steps.count == 1
    }

    // MARK: - Commits, on a dedicated thread

    /// Commits steps until the runtime is closed.
    func runCommitLoop(_ commits: CommitState) {
        owned.withLock { owned in
            owned.steps.append(.init(step: owned.domain.begin(at: now())))
            owned.hasBegun = true
            for (event, completion) in owned.earlyEvents { _ = take(event, &owned, completion) }
            owned.earlyEvents = []
        }
        var nextTick = DispatchTime.now()
        while true {
            let isDue = DispatchTime.now() >= nextTick
            if isDue { nextTick = .now() + Self.tick }
            let (taken, snapshotHandlers, isClosed) = owned.withLock { owned in
                if isDue { _ = take(.tick, &owned) }
                if owned.isClosed { owned.steps.append(.init(step: owned.domain.end(at: now()))) }
                owned.isBusy = true
                owned.domain.beginCommit()
                if !owned.snapshotHandlers.isEmpty {
                    counters.withLock { $0.nodesSuspect = owned.domain.suspectCount }
                }
                defer { (owned.steps, owned.snapshotHandlers) = ([], []) }
                return (owned.steps, owned.snapshotHandlers, owned.isClosed)
            }
            if isDue { dispatcher.expireStaleStarts() }
            perform(taken, commits, isDue: isDue)
            // Under load, maintenance waits for the next tick.
            if isDue || !taken.isEmpty { commits.store.maintain(commits.records, isIdle: isDue && isIdle) }
            if commits.reportedFailure != nil, commits.store.failure == nil, commits.uncommitted.isEmpty {
                commits.reportedFailure = nil
                logger.notice("the state can be stored again")
            }
            if !snapshotHandlers.isEmpty {
                let snapshot = DomainSnapshot(
                    records: commits.records, counters: counters.withLock { $0 }, failure: commits.store.failure)
                for handler in snapshotHandlers { handler(snapshot) }
            }
            if isClosed { return commits.store.close(commits.records) }
            let isIdle = owned.withLock { owned in
                owned.isBusy = !owned.steps.isEmpty || owned.isClosed || !owned.snapshotHandlers.isEmpty
                return !owned.isBusy
            }
            if isIdle { _ = signal.wait(timeout: nextTick) }
        }
    }

    private var isIdle: Bool { owned.withLock { $0.steps.isEmpty } }

    /// Commits the changes of steps, then carries out their effects.
    ///
    /// - Parameter isDue: whether to retry a failed commit.
    private func perform(_ taken: [OwnedDomain.PendingStep], _ commits: CommitState, isDue: Bool) {
        let isNew = taken.contains { !$0.step.changes.isEmpty }
        guard commits.uncommitted.isEmpty || isNew || isDue else { return postpone(taken, commits) }
        let steps = commits.uncommitted + taken.map(\.step)
        let changes = steps.flatMap(\.changes)
        if !changes.isEmpty {
            do { try commits.store.commit(changes, before: commits.records) } catch {
                reportFailure("\(error)", commits)
                return isNew ? rollBack(because: "\(error)", taken, commits) : postpone(taken, commits)
            }
            counters.withLock { $0.countCommit(succeeded: true) }
            for change in changes { commits.records.apply(change) }
        }
        commits.uncommitted = []
        owned.withLock { $0.domain.finishCommit() }
        for one in taken { one.completion(nil) }
        for step in steps {
            if !step.changes.isEmpty { observer?.observe(step.changes) }
            step.effects.forEach(carryOut)
        }
    }

    /// Carries out steps that need no commit. The others, which change nothing, wait for the failed commit.
    private func postpone(_ taken: [OwnedDomain.PendingStep], _ commits: CommitState) {
        for one in taken {
            one.completion(nil)
            if one.step.needsNoCommit {
                one.step.effects.forEach(carryOut)
            } else {
                commits.uncommitted.append(one.step)
            }
        }
    }

    /// Undoes uncommitted steps after a failed commit: the domain is rebuilt from the committed records, waiting
    /// callers are refused, and components that nodes have started meanwhile, or start yet, are stopped. Refused with
    /// the lost changes is also what changed nothing but may rest on them.
    private func rollBack(because reason: String, _ taken: [OwnedDomain.PendingStep], _ commits: CommitState) {
        owned.withLock { owned in
            let gone = taken + owned.steps
            let steps = commits.uncommitted + gone.map(\.step)
            let lost = steps.flatMap(\.changes)
            let neverMade = dispatcher.dropQueued().union(steps.flatMap(\.callsAfterCommit))
            owned.domain = owned.domain.restarted(
                from: commits.records, without: lost, neverMade: neverMade, options: owned.domain.options, at: now())
            for (one, isTrue) in zip(gone, commits.records.bearsOut(gone.map(\.step))) {
                if isTrue { one.step.effects.forEach(carryOut) }
                one.completion(isTrue ? nil : .notStored(reason))
            }
            refuseWaiters(.notStored(reason))
            owned.steps = []
            commits.uncommitted = [owned.domain.begin(at: now())]
        }
    }

    private func reportFailure(_ reason: String, _ commits: CommitState) {
        counters.withLock { $0.countCommit(succeeded: false) }
        guard commits.reportedFailure != reason else { return }
        commits.reportedFailure = reason
        logger.error("the state cannot be stored; changes are refused until it can", metadata: ["reason": "\(reason)"])
    }

    private func carryOut(_ effect: DomainEffect) {
        switch effect {
        case .call(let call): dispatcher.send(call)
        case .drop(let call, let node): dispatcher.drop(call, of: node)
        case .abandon(let node):
            counters.withLock { $0.countNodeLeft() }
            dispatcher.abandon(node)
        case .started(let request, let result): finish(request, .success(result))
        case .updated(let request, let refusal), .intentFinished(let request, let refusal):
            answer(request, .success(refusal))
        case .evictionsDelayed(let count): counters.withLock { $0.evictionsDelayed = count }
        case .reported(let update): observer?.observe(update)
        case .updateController(let number, let update):
            Task { [self] in
                let outcome = await transport.update(update)
                counters.withLock { $0.count(outcome) }
                deliver(outcome, number)
            }
        case .log(let message):
            logger.log(
                level: message.level.logLevel, "\(message.text)",
                metadata: message.fields.mapValues { .string($0) })
        }
    }
}

extension DomainRuntime {
    /// Lets the domain handle the controller's answer. The controller says Reset only once, so a Reset that cannot be
    /// committed is retried.
    private func deliver(_ outcome: DomainUpdateOutcome, _ number: UInt64) {
        submit(.controllerAnswered(number, outcome)) { [self] failure in
            guard case .notStored = failure, outcome == .reset else { return }
            Task {
                try? await Task.sleep(for: .seconds(1))
                deliver(outcome, number)
            }
        }
    }
}

extension LogMessage.Level {
    fileprivate var logLevel: Logger.Level {
        switch self {
        case .info: .info
        case .notice: .notice
        case .warning: .warning
        }
    }
}
