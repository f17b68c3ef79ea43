import Dispatch
import Domain
import Logging
import Synchronization

/// A domain, and what of its steps waits to be kept.
struct OwnedDomain: Sendable {
    /// A step, and who is told once it is kept, or why not.
    struct Taken: Sendable {
        let step: DomainStep
        var completion: @Sendable (DomainRuntime.Failure?) -> Void = { _ in }
    }

    var domain: Domain
    /// Whether the domain has taken its first step.
    var hasBegun = false
    /// What has come before that.
    var early: [(event: DomainEvent, completion: @Sendable (DomainRuntime.Failure?) -> Void)] = []
    /// Steps in their order, of which nothing is done yet.
    var pending: [Taken] = []
    /// Whether steps before those are just being kept or carried out.
    var isBusy = false
    var looks: [DomainRuntime.Look] = []
    var isClosed = false

    init(_ domain: Domain) { self.domain = domain }
}

/// What only the thread that keeps touches.
final class Keeping: @unchecked Sendable {
    /// All that is kept.
    var records: DomainRecords
    let options: DomainOptions
    let keeper: any DomainKeeper
    var toldFailure: String?
    /// Steps whose changes could not be kept yet; nothing of them is done before.
    var unkept: [DomainStep] = []

    init(records: DomainRecords, options: DomainOptions, keeper: any DomainKeeper) {
        self.records = records
        self.options = options
        self.keeper = keeper
    }
}

extension DomainRuntime {
    /// How often a domain is told that time has passed.
    private static let tick = DispatchTimeInterval.milliseconds(500)

    // MARK: - Taking events, on whatever thread brings them

    /// Has the domain take an event, and does what need not wait until that is kept.
    ///
    /// - Returns: whether the thread that keeps is to be woken.
    func take(
        _ event: DomainEvent, _ owned: inout OwnedDomain,
        _ completion: @escaping @Sendable (Failure?) -> Void = { _ in }
    ) -> Bool {
        let step = owned.domain.handle(event, at: .current)
        for call in step.ahead { dispatcher.send(call) }
        // What only answers need not wait for anybody, unless something before it does.
        if step.isDoneAnyway, owned.pending.isEmpty, !owned.isBusy {
            completion(nil)
            step.effects.forEach(carryOut)
            return false
        }
        owned.pending.append(.init(step: step, completion: completion))
        return owned.pending.count == 1
    }

    // MARK: - Keeping, on a thread of its own

    /// Keeps what comes until the shell is closed.
    func keepOn(_ keeping: Keeping) {
        owned.withLock { owned in
            owned.pending.append(.init(step: owned.domain.begin(at: .current)))
            owned.hasBegun = true
            for (event, completion) in owned.early { _ = take(event, &owned, completion) }
            owned.early = []
        }
        var nextTick = DispatchTime.now()
        while true {
            let isDue = DispatchTime.now() >= nextTick
            if isDue { nextTick = .now() + Self.tick }
            let (taken, looks, isClosed) = owned.withLock { owned in
                if isDue { _ = take(.tick, &owned) }
                if owned.isClosed { owned.pending.append(.init(step: owned.domain.end(at: .current))) }
                owned.isBusy = true
                owned.domain.beginKeeping()
                defer { (owned.pending, owned.looks) = ([], []) }
                return (owned.pending, owned.looks, owned.isClosed)
            }
            if isDue { dispatcher.giveUpStale() }
            perform(taken, keeping, isDue: isDue)
            // Between two transactions of many nothing is idle: what can wait then waits for the next tick.
            if isDue || !taken.isEmpty { keeping.keeper.maintain(keeping.records, isIdle: isDue && isIdle) }
            if keeping.toldFailure != nil, keeping.keeper.failure == nil, keeping.unkept.isEmpty {
                keeping.toldFailure = nil
                logger.notice("the state can be stored again")
            }
            if !looks.isEmpty {
                let view = DomainSnapshot(
                    records: keeping.records, counters: counters.withLock { $0 }, failure: keeping.keeper.failure)
                for look in looks { look(view) }
            }
            if isClosed { return keeping.keeper.close(keeping.records) }
            let isIdle = owned.withLock { owned in
                owned.isBusy = !owned.pending.isEmpty || owned.isClosed || !owned.looks.isEmpty
                return !owned.isBusy
            }
            if isIdle { _ = signal.wait(timeout: nextTick) }
        }
    }

    private var isIdle: Bool { owned.withLock { $0.pending.isEmpty } }

    /// Has the changes of steps kept, then carries their effects out.
    ///
    /// - Parameter isDue: whether what could not be kept before is to be tried again.
    private func perform(_ taken: [OwnedDomain.Taken], _ keeping: Keeping, isDue: Bool) {
        let isNew = taken.contains { !$0.step.changes.isEmpty }
        guard keeping.unkept.isEmpty || isNew || isDue else { return postpone(taken, keeping) }
        let steps = keeping.unkept + taken.map(\.step)
        let changes = steps.flatMap(\.changes)
        if !changes.isEmpty {
            do { try keeping.keeper.keep(changes, before: keeping.records) } catch {
                tellFailure("\(error)", keeping)
                return isNew ? goBack(because: "\(error)", taken, keeping) : postpone(taken, keeping)
            }
            counters.withLock { $0.countCommit(isKept: true) }
            for change in changes { keeping.records.apply(change) }
        }
        keeping.unkept = []
        owned.withLock { $0.domain.noteKept() }
        for one in taken { one.completion(nil) }
        for step in steps {
            if !step.changes.isEmpty { follower?.follow(step.changes) }
            step.effects.forEach(carryOut)
        }
    }

    /// Answers what needs nothing kept; the rest of these steps, which change nothing, waits for what could not be kept.
    private func postpone(_ taken: [OwnedDomain.Taken], _ keeping: Keeping) {
        for one in taken {
            one.completion(nil)
            if one.step.isDoneAnyway { one.step.effects.forEach(carryOut) } else { keeping.unkept.append(one.step) }
        }
    }

    /// What was to happen could not be kept: nothing of it has happened, nor of what has come since, and the domain begins anew
    /// from what is kept. What nodes have started meanwhile, or start yet, is stopped.
    private func goBack(because reason: String, _ taken: [OwnedDomain.Taken], _ keeping: Keeping) {
        owned.withLock { owned in
            let neverMade = dispatcher.dropWaiting()
            let gone = taken + owned.pending
            let lost = (keeping.unkept + gone.map(\.step)).flatMap(\.changes)
            owned.domain = owned.domain.restarted(
                from: keeping.records, without: lost, neverMade: neverMade, options: keeping.options, at: .current)
            for one in gone {
                if one.step.isDoneAnyway { one.step.effects.forEach(carryOut) }
                one.completion(one.step.isDoneAnyway ? nil : .notKept(reason))
            }
            refuseWaiters(.notKept(reason))
            owned.pending = []
            keeping.unkept = [owned.domain.begin(at: .current)]
        }
    }

    private func tellFailure(_ reason: String, _ keeping: Keeping) {
        counters.withLock { $0.countCommit(isKept: false) }
        guard keeping.toldFailure != reason else { return }
        keeping.toldFailure = reason
        logger.error("the state cannot be stored: nothing is changed until it can", metadata: ["reason": "\(reason)"])
    }

    private func carryOut(_ effect: DomainEffect) {
        switch effect {
        case .call(let call): dispatcher.send(call)
        case .abandon(let node):
            counters.withLock { $0.countNodeLeft() }
            dispatcher.abandon(node)
        case .started(let request, let result): finish(request, .success(result))
        case .updated(let request, let refusal), .settled(let request, let refusal):
            answer(request, .success(refusal))
        case .reported(let update): follower?.follow(update)
        case .updateController(let number, let update):
            Task { [self] in
                let outcome = await outside.update(update)
                counters.withLock { $0.count(outcome) }
                deliver(outcome, number)
            }
        case .note(let note):
            logger.log(
                level: note.level.logLevel, "\(note.text)",
                metadata: note.fields.mapValues { .string($0) })
        }
    }
}

extension DomainRuntime {
    /// Has the domain take the controller's answer. A reset that cannot be kept is not said again: it is tried until it is.
    private func deliver(_ outcome: DomainUpdateOutcome, _ number: UInt64) {
        submit(.controllerAnswered(number, outcome)) { [self] failure in
            guard case .notKept = failure, outcome == .reset else { return }
            Task {
                try? await Task.sleep(for: .seconds(1))
                deliver(outcome, number)
            }
        }
    }
}

extension DomainNote.Level {
    fileprivate var logLevel: Logger.Level {
        switch self {
        case .info: .info
        case .notice: .notice
        case .warning: .warning
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
