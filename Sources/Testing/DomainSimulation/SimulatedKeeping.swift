import Domain
import DomainMirror

/// What the domain's process has taken and not kept yet: while it keeps something, more comes.
struct SimulatedKeeping {
    /// A step, and the event that brought it where the controller would ask again if it were lost.
    typealias Taken = (step: DomainStep, wish: DomainEvent?)

    /// What is just being kept.
    var underWay: [Taken] = []
    /// What has come since.
    var coming: [Taken] = []
    var isBusy = false

    /// What the controller would ask for again.
    var wishes: [DomainEvent] { (underWay + coming).compactMap(\.wish) }
}

extension Simulation {
    /// Lets the domain take a step. What may go ahead does; its changes are kept some time later, with all that has come until
    /// then, and its effects carried out after that.
    mutating func take(_ step: (inout Domain, Moment) -> DomainStep) { take(step(&domain, now), nil) }

    /// Lets the domain take what the controller wants, and would ask for again.
    mutating func take(_ wish: DomainEvent) { take(domain.handle(wish, at: now), wish) }

    private mutating func take(_ step: DomainStep, _ wish: DomainEvent?) {
        for call in step.ahead { carryOut(.call(call)) }
        keeping.coming.append((step, wish))
        if !keeping.isBusy { beginKeeping() }
    }

    private mutating func beginKeeping() {
        keeping.isBusy = true
        keeping.underWay = keeping.coming
        keeping.coming = []
        domain.beginKeeping()
        agenda.add(.kept(run: run), at: time + chance(isHealed ? 3 : 30))
    }

    /// What was being kept is.
    mutating func finishKeeping() {
        guard keeping.isBusy else { return }
        let steps = keeping.underWay.map(\.step)
        keeping.underWay = []
        for step in steps {
            for change in step.changes { kept.apply(change) }
            if !step.changes.isEmpty { inbox.append(.changes(step.changes)) }
        }
        domain.noteKept()
        for step in steps { for effect in step.effects { carryOut(effect) } }
        keeping.isBusy = false
        if !keeping.coming.isEmpty { beginKeeping() }
    }

    /// Waits until all that was taken is kept.
    mutating func settleKeeping() { while keeping.isBusy { finishKeeping() } }
}
