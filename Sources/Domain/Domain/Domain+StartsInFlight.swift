/// Starts in flight. A node may carry out a Start although its answer never arrives, so the domain stores that a node
/// is starting something before it sends the first Start. Until no Start has been sent for a while, the next ones need no
/// commit of their own. If the process ends, the node may run something that the domain does not know of, until its next
/// reset.
extension Domain {
    /// How long no Start must have been sent to a node before it is no longer starting anything, in milliseconds.
    private static let idlePeriod = 1_000

    /// Asks a node to start something: immediately if it is stored that the node is starting something.
    mutating func send(_ specification: Specification, for id: LogicalID, to node: NodeRecord) -> CallID {
        let isStored = storedStarting.contains(node.id)
        if !isStored { change(.starting(node.id, true)) }
        live[node.id]?.lastStart = now.monotonic
        live[node.id]?.startedSinceReport += 1
        let call = makeCall(node, .start(specification), for: .start(id, specification.kind))
        noteTrial(call.id, at: node.id)
        if isStored { step.callsBeforeCommit.append(call) } else { effect(.call(call)) }
        return call.id
    }

    /// Whether a Start of this node has no answer yet.
    func hasStartInFlight(_ node: NodeID) -> Bool {
        if detachedStarts.values.contains(where: { $0.node == node }) { return true }
        return callsOfNode[node]?.contains { if case .start = calls[$0]?.purpose { true } else { false } } ?? false
    }

    /// Takes note that a node may have carried out a Start whose answer will never arrive.
    mutating func noteUnknownOutcome(of node: NodeID) {
        guard records.nodes[node] != nil, !records.unknownOutcomes.contains(node) else { return }
        change(.unknownOutcome(node, true))
    }

    /// Takes note of the nodes to which Starts may have been in flight when an earlier process ended.
    mutating func noteStartsOfEarlierProcess() {
        for node in formerlyStarting.sorted() where records.nodes[node] != nil {
            noteUnknownOutcome(of: node)
            change(.starting(node, false))
        }
    }

    /// Ends the state of nodes that have been starting nothing for a while.
    mutating func noteIdleNodes() {
        for node in records.starting.sorted() {
            let isIdle = now.monotonic - (live[node]?.lastStart ?? 0) >= Self.idlePeriod
            if isIdle, !hasStartInFlight(node) { change(.starting(node, false)) }
        }
    }

    /// Prepares an orderly shutdown: only Starts still in flight have unknown outcomes.
    package mutating func end(at now: Timestamp) -> DomainStep {
        self.now = now
        for node in records.starting.sorted() where !hasStartInFlight(node) { change(.starting(node, false)) }
        return finishStep()
    }

    // MARK: - Detached Starts

    /// A Start in flight whose instance does not wait for it any more: its answer is overdue, or the domain was
    /// rebuilt.
    struct DetachedStart: Sendable {
        let node: NodeID
        let kind: ComponentKind
    }

    /// Handles the end of a detached Start: what it started is stopped.
    mutating func finishDetached(_ outcome: CallOutcome, _ former: DetachedStart) {
        guard records.nodes[former.node] != nil else { return }
        if outcome.isUnknown { noteUnknownOutcome(of: former.node) }
        if case .started(let physical) = outcome {
            discard(PhysicalID(node: former.node, component: physical.component), former.kind)
        }
    }

    // MARK: - Commits

    /// Call this when a commit of all changes so far begins, and ``finishCommit()`` when it succeeded. Events may be
    /// handled in between.
    package mutating func beginCommit() {
        committingStarting = records.starting
        committingCapabilities = sentCapabilities
    }

    /// Call this when the commit announced by ``beginCommit()`` has succeeded.
    package mutating func finishCommit() {
        storedStarting = committingStarting
        formerlyStarting = []
        uncommittedOrphans = [:]
        uncommittedOutcomes = []
        committedCapabilities = committingCapabilities
        isNonceStored = true
    }
}
