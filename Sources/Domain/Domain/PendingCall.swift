/// Work that is outstanding at a node until the node confirms it.
enum PendingCall: Hashable, Sendable {
    /// Tell a node to drop everything that it runs.
    case reset(NodeID)
    /// Tell a node about a peer or, if the peer left, to forget it.
    case peer(NodeID, of: NodeID)
    /// Stop an orphan.
    case stop(PhysicalID)
    /// Send an instance's wiring to its node.
    case patch(LogicalID)
    /// Start an instance on some node.
    case place(LogicalID)
}

extension PendingCall: CustomStringConvertible {
    /// A description for log messages.
    var description: String {
        switch self {
        case .reset(let node): "reset of \(node)"
        case .peer(let node, of: let peer): "peer \(peer) for \(node)"
        case .stop(let physical): "stop of \(physical.component) on \(physical.node)"
        case .patch(let origin): "patch of \(origin)"
        case .place(let id): "start of \(id)"
        }
    }
}

extension PendingCall: Comparable {
    /// By kind, in the order of attempts, then by id, so that the same state gives the same order.
    static func < (left: PendingCall, right: PendingCall) -> Bool {
        switch (left, right) {
        case (.reset(let one), .reset(let other)): one < other
        case (.peer(let one, let node), .peer(let other, let peer)): (node, one) < (peer, other)
        case (.stop(let one), .stop(let other)): one < other
        case (.patch(let one), .patch(let other)): one < other
        case (.place(let one), .place(let other)): one < other
        default: left.rank < right.rank
        }
    }

    /// The only node that can carry it out; nil if that depends on the placement.
    var node: NodeID? {
        switch self {
        case .reset(let id), .peer(let id, of: _): id
        case .stop(let physical): physical.node
        case .patch, .place: nil
        }
    }

    private var rank: Int {
        switch self {
        case .reset: 0
        case .peer: 1
        case .stop: 2
        case .place: 3
        case .patch: 4
        }
    }
}

/// The progress of a pending call.
struct PendingCallState: Sendable {
    /// The call in flight.
    var call: CallID?
    /// How often it has failed.
    var failures = 0
    /// How many errors the node has returned in a row; to a Stop, in all.
    var errors = 0
    /// Whether an earlier attempt may have been carried out without an answer.
    var hadUnknownOutcome = false
    /// The node whose arrival or departure requires it, if that is counted.
    var cause: NodeID?
    /// The component whose wiring is being sent, and whether the wiring has changed since.
    var patched: (physical: PhysicalID, isOutdated: Bool)?

    /// Whether the node has not returned an error to the last call.
    var isOpen: Bool { errors == 0 }
}

/// All pending calls, with an index by node.
struct PendingCalls: Sendable {
    private var states: [PendingCall: PendingCallState] = [:]
    private var byNode: [NodeID: Set<PendingCall>] = [:]
    private var updates: [NodeID: Int] = [:]

    /// The state of a pending call; nil if there is no such call.
    subscript(pendingCall: PendingCall) -> PendingCallState? {
        get { states[pendingCall] }
        set {
            let former = states[pendingCall]
            states[pendingCall] = newValue
            if case .peer(let node, of: _) = pendingCall {
                let difference = (newValue?.isOpen == true ? 1 : 0) - (former?.isOpen == true ? 1 : 0)
                if difference != 0 { updates[node, default: 0] += difference }
                if updates[node] == 0 { updates[node] = nil }
            }
            guard let node = pendingCall.node, (former == nil) != (newValue == nil) else { return }
            if newValue != nil {
                byNode[node, default: []].insert(pendingCall)
            } else {
                byNode[node]?.remove(pendingCall)
                if byNode[node]?.isEmpty == true { byNode[node] = nil }
            }
        }
    }

    var isEmpty: Bool { states.isEmpty }

    /// How many peer updates of a node it has not answered, not even with an error.
    func openUpdates(of node: NodeID) -> Int { updates[node] ?? 0 }

    /// The pending calls that only this node can carry out, in order.
    func of(_ node: NodeID) -> [PendingCall] { (byNode[node] ?? []).sorted() }
}

extension Domain {
    /// The delay before the next attempt after this many failures, in milliseconds.
    static func backoff(_ failures: Int) -> Int { min(1_000 << min(failures - 1, 5), 30_000) }

    /// Adds a pending call and tries it at once. A call that is already in flight is made again, because its content
    /// may have changed; one that still waits for its turn is replaced.
    mutating func enqueue(_ pendingCall: PendingCall, cause: NodeID? = nil) {
        if case .patch(let origin) = pendingCall, isPatchInFlight(origin) { return }
        let former = pendingCalls[pendingCall]?.cause
        drop(pendingCalls[pendingCall]?.call)
        pendingCalls[pendingCall] = PendingCallState(cause: cause ?? former)
        if let cause, cause != former {
            openPeerCalls[cause, default: 0] += 1
            if let former { finishPeerCall(former) }
        }
        perform(pendingCall)
    }

    /// Whether the instance's wiring is being sent right now. The latest wiring is sent when that call ends, so a slow
    /// node receives several changes as one.
    private mutating func isPatchInFlight(_ origin: LogicalID) -> Bool {
        guard let state = pendingCalls[.patch(origin)], let call = state.call, calls[call] != nil,
            let reported = state.patched?.physical, reported == records.instances[origin]?.physical
        else { return false }
        pendingCalls[.patch(origin)]?.patched?.isOutdated = true
        return true
    }

    /// Makes the call, or cancels it if there is nothing to do.
    mutating func perform(_ pendingCall: PendingCall) {
        waiting[pendingCall] = nil
        switch pendingCall {
        case .reset(let id):
            guard let node = records.nodes[id], !node.isReset else { return cancel(pendingCall) }
            callFor(pendingCall, node, .reset)
        case .peer(let id, of: let peer):
            guard let node = records.nodes[id], node.isReset else { return cancel(pendingCall) }
            // A joining peer is announced once it has been reset.
            guard let other = records.nodes[peer], other.isReset else {
                return callFor(pendingCall, node, .removePeer(peer))
            }
            callFor(pendingCall, node, .addPeer(peer, invocationURL: other.description.invocationURL))
        case .stop(let physical):
            guard let kind = records.orphans[physical], let node = records.nodes[physical.node] else {
                return cancel(pendingCall)
            }
            callFor(pendingCall, node, .stop(physical.component, kind))
        case .patch(let origin): sendPatch(origin)
        case .place(let id):
            if let node = records.instances[id]?.physical?.node { reconsider(id, at: node) } else { place(id) }
        }
    }

    mutating func callFor(_ pendingCall: PendingCall, _ node: NodeRecord, _ request: NodeCall.Request) {
        let call = makeCall(node, request, for: .pendingCall(pendingCall))
        pendingCalls[pendingCall]?.call = call.id
        effect(.call(call))
    }

    /// Handles the outcome of a pending call.
    mutating func finish(_ pendingCall: PendingCall, call: CallID, _ outcome: CallOutcome) {
        // Only the latest call counts; the content of an earlier one is outdated.
        guard var state = pendingCalls[pendingCall], state.call == call else { return }
        if case .stop(let physical) = pendingCall { leave(physical) }
        if state.patched?.isOutdated == true { return enqueue(pendingCall) }
        guard let problem = outcome.problem, !isDone(pendingCall, state, in: outcome) else {
            return complete(pendingCall, isConfirmed: outcome.problem == nil)
        }
        if case .stop(let physical) = pendingCall, case .failed = outcome, state.errors + 1 >= Self.errorsTaken {
            // The orphan stays recorded: the node may still run it.
            log(
                .warning, "a node cannot stop a component, which is given up until the node's next reset",
                ["node": "\(physical.node)", "component": "\(physical.component)", "reason": problem])
            return cancel(pendingCall)
        }
        if case .stop(let physical) = pendingCall, case .failed = outcome, !state.hadUnknownOutcome,
            !records.failedStops.contains(physical)
        {
            change(.stopFailed(physical))
        }
        state.call = nil
        state.failures += 1
        switch (pendingCall, outcome) {
        case (_, .failed): state.errors += 1
        // The node has lost the component all the same.
        case (.stop, _): break
        default: state.errors = 0
        }
        state.hadUnknownOutcome = state.hadUnknownOutcome || outcome.isUnknown
        pendingCalls[pendingCall] = state
        if case .peer(let node, of: _) = pendingCall { tellMore(node) }
        waiting[pendingCall] = now.monotonic + Self.backoff(state.failures)
        if state.failures == 1 {
            // Starts stop waiting for a node that does not answer its reset.
            if case .reset = pendingCall { generation += 1 }
            log(
                .warning, "a call to a node failed and will be retried", ["call": "\(pendingCall)", "reason": problem])
        }
    }

    /// How many errors a node may return before the call is given up.
    private static let errorsTaken = 5

    /// Whether the call counts as done although the node keeps returning errors: a component that the node no longer
    /// knows after an unanswered Stop has stopped, unless the node had returned errors before; and a node that cannot reset
    /// is accepted as it is.
    private func isDone(_ pendingCall: PendingCall, _ state: PendingCallState, in outcome: CallOutcome) -> Bool {
        guard case .failed = outcome, state.errors + 1 >= Self.errorsTaken else { return false }
        return switch pendingCall {
        case .reset: true
        case .stop(let physical): state.hadUnknownOutcome && !records.failedStops.contains(physical)
        case .peer, .patch, .place: false
        }
    }

    private mutating func complete(_ pendingCall: PendingCall, isConfirmed: Bool) {
        switch pendingCall {
        case .reset(let node): finishReset(node, isConfirmed: isConfirmed)
        case .stop(let physical):
            if let kind = records.orphans[physical] { change(.orphan(physical, kind, false)) }
        case .patch(let origin): change(.patchDue(origin, false))
        case .peer, .place: break
        }
        cancel(pendingCall)
    }

    /// Removes a pending call, done or not.
    mutating func cancel(_ pendingCall: PendingCall) {
        waiting[pendingCall] = nil
        guard let state = pendingCalls[pendingCall] else { return }
        pendingCalls[pendingCall] = nil
        drop(state.call)
        if case .stop(let physical) = pendingCall { leave(physical) }
        if let cause = state.cause { finishPeerCall(cause) }
        if case .peer(let node, of: _) = pendingCall { tellMore(node) }
    }
}
