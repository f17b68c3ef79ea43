/// How many Starts may be on their way to a node, and how many are.
///
/// A Start may be carried out although its answer never comes, so it is recorded before it is sent that it may run. Not each by
/// itself, which would cost every Start a sync of its own before the call: recorded is how many may be under way at once. Within
/// that a Start is sent without further ado, and where the process ends in between, so many are in doubt.
struct StartAllowance: Sendable {
    /// How many are recorded, and kept.
    private(set) var kept = 0
    /// Those whose outcome is not kept yet.
    private(set) var underWay = 0
    /// Those of them whose outcome is known.
    private var answered = 0
    /// What is being kept: how many are recorded, and the outcomes of how many.
    private var coming = (recorded: 0, answered: 0)
    /// When the last one was sent, by the clock that nobody sets, in milliseconds.
    private var lastSent = 0

    /// How long nothing must have been sent before the record is taken back, in milliseconds.
    private static let patience = 1_000

    /// One more is to be sent.
    ///
    /// - Parameter recorded: how many are recorded, kept or not yet.
    /// - Returns: how many are to be recorded where that is not enough.
    mutating func send(recorded: Int, at now: Int) -> Int? {
        underWay += 1
        lastSent = now
        return underWay > recorded ? max(underWay, 2 * recorded) : nil
    }

    /// Whether the one that is to be sent now may be sent before anything more is kept.
    var isCovered: Bool { underWay <= kept }

    /// The outcome of one is known, and counts when it is kept.
    mutating func answer() { answered += 1 }

    /// What has happened until now is being kept.
    mutating func handOver(recorded: Int) {
        coming = (recorded, coming.answered + answered)
        answered = 0
    }

    /// What was handed over is kept.
    mutating func settle() {
        underWay -= coming.answered
        kept = coming.recorded
        coming.answered = 0
    }

    /// Whether there is no need of a record for the time being.
    func isIdle(at now: Int) -> Bool { underWay == 0 && now - lastSent >= Self.patience }

    /// The record is taken back: from now on nothing is covered.
    mutating func takeBack() {
        kept = 0
        coming.recorded = 0
    }
}

/// A Start that was under way when the domain began anew.
struct FormerStart: Sendable {
    let node: NodeID
    let kind: ComponentKind
}

extension Domain {
    /// Asks a node to start something: at once where it is recorded already that so many Starts may be under way.
    mutating func send(_ specification: Specification, for id: LogicalID, to node: NodeRecord) -> CallID {
        let recorded = records.allowances[node.id] ?? 0
        var starts = live[node.id]?.starts ?? StartAllowance()
        if let needed = starts.send(recorded: recorded, at: now.monotonic) { change(.allowance(node.id, needed)) }
        live[node.id]?.starts = starts
        live[node.id]?.startedSinceReport += 1
        unsettled.insert(node.id)
        let call = makeCall(node, .start(specification), for: .start(id, specification.kind))
        if starts.isCovered { step.ahead.append(call) } else { effect(.call(call)) }
        return call.id
    }

    /// The outcome of a Start is known.
    mutating func noteAnswer(of node: NodeID, isDoubtful: Bool) {
        live[node]?.starts.answer()
        unsettled.insert(node)
        guard isDoubtful, records.nodes[node] != nil else { return }
        change(.doubts(node, (records.doubts[node] ?? 0) + 1))
    }

    /// All changes until now are about to be kept; ``noteKept()`` follows when they are. Events may be taken meanwhile.
    package mutating func beginKeeping() {
        for id in unsettled { live[id]?.starts.handOver(recorded: records.allowances[id] ?? 0) }
        handedOver.formUnion(unsettled)
        unsettled = []
        handedCapabilities = sentCapabilities
    }

    /// What ``beginKeeping()`` was told of is kept.
    package mutating func noteKept() {
        for id in handedOver { live[id]?.starts.settle() }
        handedOver = []
        strays = [:]
        keptCapabilities = handedCapabilities
    }

    /// Starts that were under way when the process ended may have been carried out.
    mutating func doubtStarts() {
        for (node, count) in records.allowances.sorted(by: { $0.key < $1.key }) {
            change(.doubts(node, (records.doubts[node] ?? 0) + count))
            change(.allowance(node, 0))
        }
    }

    /// A Start that nobody waits for any more has come to its end: it is in doubt no more, and what runs is stopped.
    mutating func takeFormer(_ outcome: CallOutcome, _ former: FormerStart) {
        guard records.nodes[former.node] != nil else { return }
        if !outcome.isDoubtful, let doubts = records.doubts[former.node], doubts > 0 {
            change(.doubts(former.node, doubts - 1))
        }
        if case .started(let physical) = outcome {
            discard(PhysicalID(node: former.node, component: physical.component), former.kind)
        }
    }

    /// Takes back what is recorded of Starts where none were sent for a while.
    mutating func takeBackAllowances() {
        for id in records.allowances.keys.sorted() where live[id]?.starts.isIdle(at: now.monotonic) ?? true {
            live[id]?.starts.takeBack()
            change(.allowance(id, 0))
        }
    }

    /// Says what is still under way, before an orderly end.
    package mutating func end(at now: Moment) -> DomainStep {
        self.now = now
        for (id, count) in records.allowances.sorted(by: { $0.key < $1.key }) {
            let underWay = live[id]?.starts.underWay ?? 0
            live[id]?.starts.takeBack()
            if underWay != count { change(.allowance(id, underWay)) }
        }
        return finishStep()
    }
}
