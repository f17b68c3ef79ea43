import Kernel
import Ledger
import LedgerStore
import Machine

/// What only the writer's thread touches: the ledger, the store, and the requests that wait for the kernel.
final class Writer {
    /// What a batch came to, to be made known in this order.
    struct Step {
        /// The new ledger; nil where nothing changed.
        var ledger: Ledger?
        /// The answers to callers.
        var answers: [() -> Void] = []
        /// The decisions, for the logs.
        var reports: [Host.Report] = []
    }

    typealias Completion = @Sendable (Result<Host.Outcome, Host.Failure>) -> Void

    /// A caller who waits for the kernel.
    private struct Waiter {
        let outcome: Host.Outcome
        let completion: Completion
        /// Whether the caller waits for the end of the claim, not for its beginning.
        let isRelease: Bool
    }

    /// One decision of the batch in hand.
    struct Entry {
        var result: Result<Host.Outcome, Host.Failure>
        var record: DecisionRecord
        var completion: Completion?
        var transition: Transition?
    }

    private var ledger: Ledger
    private let store: any DecisionStore
    private let machine: HostMachine
    private let enforcer: Result<any Enforcer, Refusal>
    private let worker: EnforcementWorker?
    private let clock: @Sendable () -> Int
    /// Who waits until the kernel follows, or no longer follows, a claim.
    private var waiting: [Holder: [Waiter]] = [:]
    /// The highest id of an enforcement that was planned.
    private var lastEnforcement: Int
    /// Transitions that could not be committed yet.
    private var postponed: [Transition] = []
    /// The holders whose claims the worker is enforcing.
    private var inHand: Set<Holder> = []
    /// The holders of claims with CPUs that are offline, which are to have others.
    private var short: [Holder] = []

    /// How often the store's upkeep is done while nobody waits, in milliseconds.
    private static let upkeepInterval = 1_000

    init(
        ledger: Ledger, store: any DecisionStore, machine: HostMachine, enforcer: Result<any Enforcer, Refusal>,
        worker: EnforcementWorker?, clock: @escaping @Sendable () -> Int
    ) {
        self.ledger = ledger
        lastEnforcement = ledger.lastEnforcement
        self.store = store
        self.machine = machine
        self.enforcer = enforcer
        self.worker = worker
        self.clock = clock
    }

    /// How long to wait for requests, in milliseconds: until the next lease ends, a second at most.
    var idleTime: Int {
        guard short.isEmpty else { return 0 }
        guard postponed.isEmpty, store.corruption == nil, let next = ledger.nextExpiry else {
            return Self.upkeepInterval
        }
        return min(max(next - clock(), 0), Self.upkeepInterval)
    }

    /// Why changes are refused; nil while they are accepted.
    var refusal: String? { store.corruption?.description ?? store.failure }

    func maintain(isIdle: Bool) { store.maintain(ledger, isIdle: isIdle) }

    /// Ends orderly.
    ///
    /// - Parameter restoring: whether the steps of enforced claims are undone; the claims stay.
    func close(restoring: Bool) {
        let active = restoring ? ledger.sortedClaims.filter { $0.enforcement?.phase == .active } : []
        worker?.stop(undoing: active)
        for waiter in waiting.values.flatMap(\.self) { waiter.completion(.failure(.stopping)) }
        store.close(ledger)
    }

    // MARK: - A batch

    /// Carries out `jobs` and the ends of leases that are due: all decisions are committed together, or none.
    func carryOut(_ jobs: [Host.Job]) -> Step {
        var step = Step()
        if let corruption = store.corruption {
            for case .request(let submission, let completion) in jobs {
                let failure = Host.Failure.notCommitted(corruption)
                step.answers.append { completion(.failure(failure)) }
                step.reports.append(Host.Report(refused: submission, at: clock(), failure))
            }
            answerQuestions(jobs, &step)
            return step
        }
        let now = clock()
        var next = ledger
        var entries: [Entry] = []
        var transitions = postponed
        postponed = []
        for holder in ledger.expired(at: now) {
            if let claim = ledger[holder] { transitions.append(.leaseOver(holder, claim.lease)) }
        }
        for transition in transitions { decide(transition, &next, now, &entries) }
        for holder in short { refill(holder, &next, now, &entries) }
        short = []
        for job in jobs {
            switch job {
            case .request(let submission, let completion):
                entries.append(decide(submission, completion, &next, now))
            case .transition(let transition): decide(transition, &next, now, &entries)
            case .decisions, .reconcile: break
            }
        }
        commit(&entries, next, &step)
        answer(entries, &step)
        answerQuestions(jobs, &step)
        return step
    }

    private func decide(
        _ submission: Submission, _ completion: @escaping Completion, _ next: inout Ledger, _ now: Int
    ) -> Entry {
        func entry(_ decision: Decision, _ result: Result<Host.Outcome, Host.Failure>) -> Entry {
            Entry(
                result: result,
                record: DecisionRecord(
                    decision, time: now, caller: submission.caller, action: submission.action,
                    parameters: submission.parameters, holder: submission.request.holder),
                completion: completion)
        }
        do throws(Host.Failure) {
            try submission.check(next)
            let facts: MachineFacts
            do { facts = try machine.facts(for: submission.request) } catch { throw .facts(error) }
            do throws(Refusal) {
                let decision = try next.decide(
                    submission.request, facts: facts, caller: submission.caller, now: now, enforcer: enforcer,
                    after: lastEnforcement)
                let outcome = try Host.Outcome(decision, of: submission.request, on: &next, facts)
                lastEnforcement = max(lastEnforcement, next.lastEnforcement)
                return entry(decision, .success(outcome))
            } catch { throw .refused(error) }
        } catch {
            return entry(Decision(), .failure(error))
        }
    }

    private func decide(_ transition: Transition, _ next: inout Ledger, _ now: Int, _ entries: inout [Entry]) {
        let decision = next.decide(transition)
        // What changes nothing may still be what somebody waits for: an undo that failed once more.
        guard !decision.change.isEmpty || (!decision.events.isEmpty && waiting[transition.holder] != nil) else {
            return
        }
        // Nothing that follows from a consistent ledger breaks its rules.
        guard (try? next.apply(decision.change)) != nil else { return }
        entries.append(
            Entry(
                result: .success(
                    Host.Outcome(
                        decision: decision, statistics: next.statistics(of: CPUSet()), claim: next[transition.holder])),
                record: DecisionRecord(
                    decision, time: now, caller: nil, action: transition.action, holder: transition.holder),
                transition: transition))
    }

    /// Gives a claim other CPUs in place of those that are offline. Where too few are free, it stays as it is, and says so.
    private func refill(_ holder: Holder, _ next: inout Ledger, _ now: Int, _ entries: inout [Entry]) {
        guard let claim = next[holder], let facts = try? machine.facts(toRefill: claim) else { return }
        do throws(Refusal) {
            let decision = try next.enforceable(
                try next.refill(holder, facts: facts), enforcer: enforcer, after: lastEnforcement)
            let outcome = try Host.Outcome(decision, of: .release(holder), on: &next, facts)
            lastEnforcement = max(lastEnforcement, next.lastEnforcement)
            let record = DecisionRecord(decision, time: now, caller: nil, action: "refill", holder: holder)
            entries.append(Entry(result: .success(outcome), record: record))
        } catch {}
    }

    /// Commits what the entries change. Where that fails, none of it has happened.
    private func commit(_ entries: inout [Entry], _ next: Ledger, _ step: inout Step) {
        let changed = entries.indices.filter { !entries[$0].record.change.isEmpty }
        // After a failed write even what changes nothing is refused until a write succeeds: the caller learns of it.
        guard !changed.isEmpty || (store.failure != nil && !entries.isEmpty) else { return }
        do {
            let first = try store.commit(changed.map { entries[$0].record }, before: ledger)
            for (offset, index) in changed.enumerated() { entries[index].record.seq = first + Int64(offset) }
            guard !changed.isEmpty else { return }
            ledger = next
            step.ledger = next
        } catch {
            for index in entries.indices {
                // A refusal may rest on a change that is not durable; where there is none, it stands.
                if changed.isEmpty, case .failure = entries[index].result { continue }
                entries[index].result = .failure(.notCommitted(error))
            }
        }
    }

    // MARK: - What follows

    private func answer(_ entries: [Entry], _ step: inout Step) {
        for entry in entries {
            switch entry.result {
            case .success(let outcome):
                if let transition = entry.transition { answerWaiting(transition, outcome, &step) }
                let isHandedOver = handOver(outcome, entry)
                if let completion = entry.completion, !isHandedOver {
                    step.answers.append { completion(.success(outcome)) }
                }
                step.reports.append(
                    Host.Report(record: entry.record, events: outcome.decision.events, failure: nil))
            case .failure(let failure):
                if let transition = entry.transition { postponed.append(transition) }
                if let completion = entry.completion { step.answers.append { completion(.failure(failure)) } }
                guard entry.completion != nil else { continue }
                step.reports.append(Host.Report(record: entry.record, events: [], failure: failure))
            }
        }
    }

    /// Hands what the kernel has to do to the worker. Returns whether the caller waits for that.
    private func handOver(_ outcome: Host.Outcome, _ entry: Entry) -> Bool {
        guard let worker else { return false }
        for claim in outcome.decision.change.claims {
            switch claim.enforcement?.phase {
            case .preparing:
                inHand.insert(claim.holder)
                worker.add(.enforce(claim))
            case .releasing where !entry.isNotUndone: worker.add(.undo(claim, after: nil))
            case .active, .releasing, nil: continue
            }
        }
        guard let completion = entry.completion, let claim = outcome.claim, claim.holder == entry.record.holder,
            let phase = claim.enforcement?.phase, phase == .preparing || (phase == .releasing && outcome.decision.found)
        else { return false }
        // A release of what is stuck in releasing tries again.
        if phase == .releasing, outcome.decision.change.isEmpty, waiting[claim.holder] == nil {
            worker.add(.undo(claim, after: nil))
        }
        waiting[claim.holder, default: []].append(
            Waiter(outcome: outcome, completion: completion, isRelease: phase == .releasing))
        return true
    }

    /// Answers those who waited for the kernel.
    private func answerWaiting(_ transition: Transition, _ outcome: Host.Outcome, _ step: inout Step) {
        switch transition {
        case .leaseOver, .drifted, .seen: return
        case .enforced, .undone, .notUndone: inHand.remove(transition.holder)
        }
        for waiter in waiting.removeValue(forKey: transition.holder) ?? [] {
            let result: Result<Host.Outcome, Host.Failure>
            switch transition {
            case .leaseOver, .drifted, .seen: continue
            case .enforced: result = .success(outcome)
            // Nothing failed, and yet the claim ended: so did its lease.
            case .undone(_, _, nil):
                result = waiter.isRelease ? .success(outcome) : .failure(.refused(Refusal(.leaseOver)))
            case .undone(let holder, _, let failure?), .notUndone(let holder, _, let failure):
                result = .failure(.refused(Refusal(.notEnforceable(holder, failure))))
            }
            step.answers.append { waiter.completion(result.map { $0.following(waiter.outcome) }) }
        }
    }

    private func answerQuestions(_ jobs: [Host.Job], _ step: inout Step) {
        for case .decisions(let start, let limit, let completion) in jobs {
            let result = Result { () throws(CommitError) in
                Host.History(decisions: try store.decisions(from: start, limit: limit), oldest: store.oldest)
            }
            step.answers.append { completion(result) }
        }
    }

    /// Has every enforced claim brought to where its phase asks: what was preparing when the program ended is undone,
    /// what is active checked and repaired, what is releasing undone again.
    ///
    /// - Parameter policy: whether drift is repaired, not only reported, and other CPUs take the place of those that are
    ///   offline.
    func reconcile(_ policy: EnforcementPolicy) {
        guard let worker, store.corruption == nil else { return }
        let online = policy.refills ? machine.online() : nil
        var active: [Claim] = []
        for claim in ledger.sortedClaims where waiting[claim.holder] == nil && !inHand.contains(claim.holder) {
            switch claim.enforcement?.phase {
            case .preparing: worker.add(.undo(claim, after: "berthd ended before the claim was enforced"))
            case .active:
                // Whoever chose the CPUs of a pod gives it others.
                if let online, claim.holder.kind != .pod, !claim.missing(online: online).isEmpty {
                    short.append(claim.holder)
                }
                active.append(claim)
            case .releasing: worker.add(.undo(claim, after: nil))
            case nil: continue
            }
        }
        if !active.isEmpty { worker.add(.check(active, repairs: policy.repairs)) }
    }
}

extension Writer.Entry {
    /// Whether it is about an undo that failed: it is tried again at the next reconciliation, not at once.
    fileprivate var isNotUndone: Bool {
        if case .notUndone = transition { true } else { false }
    }
}

extension Host.Outcome {
    /// The outcome for a caller whose request was decided earlier: what was decided then, and the claim as it is now.
    fileprivate func following(_ decided: Host.Outcome) -> Host.Outcome {
        Host.Outcome(decision: decided.decision, statistics: decided.statistics, claim: claim)
    }
}

extension Transition {
    /// What it is called in the records.
    fileprivate var action: String {
        switch self {
        case .leaseOver: "expire"
        case .enforced: "enforce"
        case .seen: "containers"
        case .drifted: "verify"
        case .undone, .notUndone: "undo"
        }
    }
}

extension Host.Report {
    /// The report of a request that was refused before it was decided.
    package init(refused submission: Submission, at time: Int, _ failure: Host.Failure) {
        self.init(
            refused: submission.action, of: submission.request.holder, by: submission.caller,
            parameters: submission.parameters, at: time, failure)
    }

    /// The report of an action that a frontend refused before it was a request.
    package init(
        refused action: String, of holder: Holder, by caller: Caller, parameters: [DecisionRecord.Parameter],
        at time: Int, _ failure: Host.Failure
    ) {
        self.init(
            record: DecisionRecord(
                Decision(), time: time, caller: caller, action: action, parameters: parameters, holder: holder),
            events: [], failure: failure)
    }
}
