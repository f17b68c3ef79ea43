import Domain
import DomainMirror

/// What the domain's process has taken and not kept yet: while it keeps something, more comes.
struct SimulatedCommits {
    /// A step, and the event that brought it where the controller would ask again if it were lost.
    typealias Taken = (step: DomainStep, retriable: DomainEvent?)

    /// What is just being kept.
    var committing: [Taken] = []
    /// What has come since.
    var queued: [Taken] = []
    var isBusy = false

    /// What the controller would ask for again.
    var retriable: [DomainEvent] { (committing + queued).compactMap(\.retriable) }
}

extension Simulation {
    /// Lets the domain take a step. What may go ahead does; its changes are kept some time later, with all that has come until
    /// then, and its effects carried out after that.
    mutating func take(_ step: (inout Domain, Timestamp) -> DomainStep) { take(step(&domain, now), nil) }

    /// Lets the domain take what the controller wants, and would ask for again.
    mutating func take(_ retriable: DomainEvent) { take(domain.handle(retriable, at: now), retriable) }

    private mutating func take(_ step: DomainStep, _ retriable: DomainEvent?) {
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

    /// What was being kept is.
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

    /// Waits until all that was taken is kept.
    mutating func finishCommits() { while commits.isBusy { finishCommit() } }
}
