import Domain
import DomainMirror
import DomainRuntime

/// Steps of the domain that are not committed yet; more arrive during a commit.
struct SimulatedCommits {
    /// A step, and the event that brought it where the controller would ask again if it were lost.
    typealias Taken = (step: DomainStep, retriable: DomainEvent?)

    /// The steps of the commit in progress.
    var committing: [Taken] = []
    /// The steps that arrived since.
    var queued: [Taken] = []
    /// Steps whose changes could not be committed yet; their effects wait.
    var uncommitted: [DomainStep] = []
    var isBusy = false
    /// Whether a tick has come, at which a failed commit is tried again.
    var isDue = false
    /// Whether a tick waits for the commit in progress.
    var isTickWaiting = false
    /// Until when commits fail.
    var failsUntil = 0

    /// The requests that the controller would repeat.
    var retriable: [DomainEvent] { (committing + queued).compactMap(\.retriable) }
}

extension Simulation {
    /// Lets the domain take a step. Calls before the commit are made immediately; the changes are committed later,
    /// together with all that arrived until then, and the effects carried out afterwards.
    mutating func take(_ step: (inout Domain, Timestamp) -> DomainStep) { take(step(&domain, now), nil) }

    /// Lets the domain handle a controller's request that the controller would repeat if it were lost.
    mutating func take(_ retriable: DomainEvent) { take(domain.handle(retriable, at: now), retriable) }

    private mutating func take(_ step: DomainStep, _ retriable: DomainEvent?) {
        checkDepartures(step)
        for call in step.callsBeforeCommit { send(call) }
        if step.needsNoCommit, commits.queued.isEmpty, !commits.isBusy {
            for effect in step.effects { carryOut(effect) }
            return
        }
        commits.queued.append((step, retriable))
        if !commits.isBusy { beginCommit() }
    }

    /// A tick of the thread that commits: during a commit it waits.
    mutating func tick() {
        guard !commits.isBusy else { return commits.isTickWaiting = true }
        eventQueue.add(.tick(run: run), at: time + 500)
        commits.isDue = true
        isTickLate = !isTickLate && time - lastTick > 1_500
        lastTick = time
        expireStaleStarts()
        take { $0.handle(.tick, at: $1) }
        if !commits.isBusy, !commits.uncommitted.isEmpty { beginCommit() }
        commits.isDue = false
    }

    private mutating func beginCommit() {
        let isDue = commits.isDue
        commits.isDue = false
        commits.committing = commits.queued
        commits.queued = []
        domain.beginCommit()
        guard commits.uncommitted.isEmpty || isDue || commits.committing.contains(where: { !$0.step.changes.isEmpty })
        else { return postpone() }
        commits.isBusy = true
        let isSlow = !isHealed && isLucky(1)
        eventQueue.add(.stored(run: run), at: time + (isSlow ? 1_000 + chance(6_000) : chance(isHealed ? 3 : 30)))
    }

    /// Completes the commit in progress, or undoes its steps if it fails.
    mutating func finishCommit() {
        guard commits.isBusy else { return }
        let taken = commits.committing
        let steps = commits.uncommitted + taken.map(\.step)
        commits.committing = []
        if time < commits.failsUntil, steps.contains(where: { !$0.changes.isEmpty }) {
            if taken.contains(where: { !$0.step.changes.isEmpty }) {
                rollBack(taken)
            } else {
                commits.committing = taken
                postpone()
            }
        } else {
            for step in steps { for change in step.changes { stored.apply(change) } }
            commits.uncommitted = []
            domain.finishCommit()
            for step in steps {
                if !step.changes.isEmpty { inbox.append(.changes(step.changes)) }
                for effect in step.effects { carryOut(effect) }
            }
        }
        commits.isBusy = false
        if commits.isTickWaiting {
            commits.isTickWaiting = false
            tick()
        }
        if !commits.isBusy, !commits.queued.isEmpty { beginCommit() }
    }

    /// Carries out steps that need no commit. The others, which change nothing, wait for the failed commit.
    private mutating func postpone() {
        let taken = commits.committing
        commits.committing = []
        for (step, _) in taken {
            if step.needsNoCommit {
                for effect in step.effects { carryOut(effect) }
            } else {
                commits.uncommitted.append(step)
            }
        }
    }

    /// Undoes the steps of a failed commit and those since, as the serving domain does. The controller repeats its
    /// requests.
    private mutating func rollBack(_ taken: [SimulatedCommits.Taken]) {
        let gone = taken + commits.queued
        commits.queued = []
        let steps = commits.uncommitted + gone.map(\.step)
        domain = domain.restarted(
            from: stored, without: steps.flatMap(\.changes),
            neverMade: calls.removeAll().union(steps.flatMap(\.callsAfterCommit)), options: chosen, at: now)
        for (step, isTrue) in zip(gone.map(\.step), stored.bearsOut(gone.map(\.step))) where isTrue {
            for effect in step.effects { carryOut(effect) }
        }
        pending = []
        // Of a node that is not stored, nothing is remembered.
        replaced = replaced.filter { stored.nodes[$0.key] != nil }
        for name in intents.refuseAll() { inbox.append(.outcome(name, declined: "not stored")) }
        commits.uncommitted = [domain.begin(at: now)]
        failedCommits += 1
        for request in gone.compactMap(\.retriable) { take(request) }
    }

    /// Completes all commits.
    mutating func finishCommits() { while commits.isBusy { finishCommit() } }
}
