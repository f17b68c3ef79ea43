import Domain
import DomainMirror

/// Steps of the domain that are not committed yet; more arrive during a commit.
struct SimulatedCommits {
    /// A step, and the event that brought it where the controller would ask again if it were lost.
    typealias Taken = (step: DomainStep, retriable: DomainEvent?)

    /// The steps of the commit in progress.
    var committing: [Taken] = []
    /// The steps that arrived since.
    var queued: [Taken] = []
    var isBusy = false

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
        for call in step.callsBeforeCommit { carryOut(.call(call)) }
        commits.queued.append((step, retriable))
        if !commits.isBusy { beginCommit() }
    }

    private mutating func beginCommit() {
        commits.isBusy = true
        commits.committing = commits.queued
        commits.queued = []
        domain.beginCommit()
        eventQueue.add(.stored(run: run), at: time + chance(isHealed ? 3 : 30))
    }

    /// Completes the commit in progress.
    mutating func finishCommit() {
        guard commits.isBusy else { return }
        let steps = commits.committing.map(\.step)
        commits.committing = []
        for step in steps {
            for change in step.changes { stored.apply(change) }
            if !step.changes.isEmpty { inbox.append(.changes(step.changes)) }
        }
        domain.finishCommit()
        for step in steps { for effect in step.effects { carryOut(effect) } }
        commits.isBusy = false
        if !commits.queued.isEmpty { beginCommit() }
    }

    /// Completes all commits.
    mutating func finishCommits() { while commits.isBusy { finishCommit() } }
}
