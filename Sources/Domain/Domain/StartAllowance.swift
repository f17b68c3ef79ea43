/// The Starts in flight to a node, and how many the stored allowance covers.
///
/// A node may carry out a Start although its answer never arrives, so the domain records that a Start may be in flight
/// before it sends it. A record for each Start would cost a sync before each call. Instead the domain stores how many
/// Starts may be in flight at once. A Start within this allowance is sent immediately; if the process ends, that many
/// outcomes are unknown.
struct StartAllowance: Sendable {
    /// The committed allowance.
    private(set) var committed = 0
    /// Starts whose outcome is not committed yet.
    private(set) var underWay = 0
    /// Those whose outcome is known.
    private var answered = 0
    /// The commit in progress: the allowance, and the number of outcomes.
    private var committing = (recorded: 0, answered: 0)
    /// When the last Start was sent, on the monotonic clock in milliseconds.
    private var lastSent = 0

    /// How long no Start must have been sent before the allowance is revoked, in milliseconds.
    private static let idlePeriod = 1_000

    /// Counts a Start that is about to be sent.
    ///
    /// - Parameter recorded: the recorded allowance, committed or not.
    /// - Returns: the allowance to record if the present one is too small.
    mutating func send(recorded: Int, at now: Int) -> Int? {
        underWay += 1
        lastSent = now
        return underWay > recorded ? max(underWay, 2 * recorded) : nil
    }

    /// Whether the committed allowance covers the latest Start.
    var isCovered: Bool { underWay <= committed }

    /// Counts an outcome; it takes effect with the next commit.
    mutating func answer() { answered += 1 }

    /// A commit of everything so far begins.
    mutating func beginCommit(recorded: Int) {
        committing = (recorded, committing.answered + answered)
        answered = 0
    }

    /// The commit succeeded.
    mutating func finishCommit() {
        underWay -= committing.answered
        committed = committing.recorded
        committing.answered = 0
    }

    /// Whether the allowance is currently not needed.
    func isIdle(at now: Int) -> Bool { underWay == 0 && now - lastSent >= Self.idlePeriod }

    /// The allowance is revoked: nothing is covered from now on.
    mutating func revoke() {
        committed = 0
        committing.recorded = 0
    }
}

/// A Start in flight whose instance does not wait for it any more: its answer is overdue, or the domain was rebuilt.
struct DetachedStart: Sendable {
    let node: NodeID
    let kind: ComponentKind
    /// Whether it is counted as an unknown outcome.
    var isCounted = false
}

extension Domain {
    /// Asks a node to start something: immediately if the committed allowance covers it.
    mutating func send(_ specification: Specification, for id: LogicalID, to node: NodeRecord) -> CallID {
        let recorded = records.allowances[node.id] ?? 0
        var starts = live[node.id]?.starts ?? StartAllowance()
        if let needed = starts.send(recorded: recorded, at: now.monotonic) { change(.allowance(node.id, needed)) }
        live[node.id]?.starts = starts
        live[node.id]?.startedSinceReport += 1
        uncommittedNodes.insert(node.id)
        let call = makeCall(node, .start(specification), for: .start(id, specification.kind))
        if starts.isCovered { step.callsBeforeCommit.append(call) } else { effect(.call(call)) }
        return call.id
    }

    /// Handles the end of a Start.
    mutating func countAnswer(of node: NodeID, isUnknown: Bool) {
        live[node]?.starts.answer()
        uncommittedNodes.insert(node)
        guard isUnknown, records.nodes[node] != nil else { return }
        change(.unknownOutcomes(node, (records.unknownOutcomes[node] ?? 0) + 1))
    }

    /// Call this when a commit of all changes so far begins, and ``finishCommit()`` when it succeeded. Events may be
    /// handled in between.
    package mutating func beginCommit() {
        for id in uncommittedNodes { live[id]?.starts.beginCommit(recorded: records.allowances[id] ?? 0) }
        committingNodes.formUnion(uncommittedNodes)
        uncommittedNodes = []
        committingCapabilities = sentCapabilities
    }

    /// Call this when the commit announced by ``beginCommit()`` has succeeded.
    package mutating func finishCommit() {
        for id in committingNodes { live[id]?.starts.finishCommit() }
        committingNodes = []
        uncommittedOrphans = [:]
        committedCapabilities = committingCapabilities
    }

    /// Counts the Starts that were in flight when the process ended as unknown outcomes.
    mutating func countUnansweredStarts() {
        for (node, count) in records.allowances.sorted(by: { $0.key < $1.key }) {
            change(.unknownOutcomes(node, (records.unknownOutcomes[node] ?? 0) + count))
            change(.allowance(node, 0))
        }
    }

    /// Handles the end of a detached Start: its component is stopped if the outcome is known.
    mutating func finishDetached(_ outcome: CallOutcome, _ former: DetachedStart) {
        guard records.nodes[former.node] != nil else { return }
        if !former.isCounted {
            countAnswer(of: former.node, isUnknown: outcome.isUnknown)
        } else if !outcome.isUnknown, let unknownOutcomes = records.unknownOutcomes[former.node], unknownOutcomes > 0 {
            change(.unknownOutcomes(former.node, unknownOutcomes - 1))
        }
        if case .started(let physical) = outcome {
            discard(PhysicalID(node: former.node, component: physical.component), former.kind)
        }
    }

    /// Revokes the allowances of nodes that received no Start for a while.
    mutating func revokeIdleAllowances() {
        for id in records.allowances.keys.sorted() where live[id]?.starts.isIdle(at: now.monotonic) ?? true {
            live[id]?.starts.revoke()
            change(.allowance(id, 0))
        }
    }

    /// Records the Starts still in flight before an orderly shutdown.
    package mutating func end(at now: Timestamp) -> DomainStep {
        self.now = now
        for (id, count) in records.allowances.sorted(by: { $0.key < $1.key }) {
            let underWay = live[id]?.starts.underWay ?? 0
            live[id]?.starts.revoke()
            if underWay != count { change(.allowance(id, underWay)) }
        }
        return finishStep()
    }
}
