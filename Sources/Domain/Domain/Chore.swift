/// Something that a node has still to be told, until it has confirmed it.
enum Chore: Hashable, Sendable {
    /// A node is to forget all that it ran.
    case reset(NodeID)
    /// A node is to know another one as a peer or, where that has left, to forget it.
    case peer(NodeID, of: NodeID)
    /// Something that should not run is to be stopped.
    case stop(PhysicalID)
    /// The node of an instance is to be told where its outputs lead.
    case patch(LogicalID)
    /// An instance is to be started somewhere again.
    case place(LogicalID)
}

extension Chore: CustomStringConvertible {
    /// What is to be done, for people.
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

extension Chore: Comparable {
    /// By kind, in the order in which they are to be tried, then by ids: the same state gives the same order.
    static func < (left: Chore, right: Chore) -> Bool {
        switch (left, right) {
        case (.reset(let one), .reset(let other)): one < other
        case (.peer(let one, let node), .peer(let other, let peer)): (node, one) < (peer, other)
        case (.stop(let one), .stop(let other)): one < other
        case (.patch(let one), .patch(let other)): one < other
        case (.place(let one), .place(let other)): one < other
        default: left.rank < right.rank
        }
    }

    /// The only node at which it can be done; nil where that depends.
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

/// How far a chore has come.
struct ChoreState: Sendable {
    /// The call that is under way for it.
    var call: CallID?
    /// How often it has failed since it was owed.
    var failures = 0
    /// How often the node has answered with an error, without a break.
    var errors = 0
    /// Whether a call may have been carried out without an answer.
    var isDoubtful = false
    /// The node whose coming or going made it necessary, where that is counted.
    var cause: NodeID?
    /// Which component the call under way tells where its outputs lead, and whether that has changed since.
    var patched: (physical: PhysicalID, isOutdated: Bool)?
}

/// The chores that are owed, to be found also by the node that has to do them.
struct Chores: Sendable {
    private var states: [Chore: ChoreState] = [:]
    private var byNode: [NodeID: Set<Chore>] = [:]

    /// How far a chore has come; nil where it is not owed.
    subscript(chore: Chore) -> ChoreState? {
        get { states[chore] }
        set {
            let former = states[chore]
            states[chore] = newValue
            guard let node = chore.node, (former == nil) != (newValue == nil) else { return }
            if newValue != nil {
                byNode[node, default: []].insert(chore)
            } else {
                byNode[node]?.remove(chore)
                if byNode[node]?.isEmpty == true { byNode[node] = nil }
            }
        }
    }

    var isEmpty: Bool { states.isEmpty }

    /// Those that only this node can do, in their order.
    func of(_ node: NodeID) -> [Chore] { (byNode[node] ?? []).sorted() }
}

extension Domain {
    /// How long a chore waits after so many failures, in milliseconds.
    static func backOff(_ failures: Int) -> Int { min(1_000 << min(failures - 1, 5), 30_000) }

    /// Takes a chore on and tries it at once. One that is under way already is tried anew: what it says may have changed.
    mutating func owe(_ chore: Chore, cause: NodeID? = nil) {
        if case .patch(let origin) = chore, isTold(origin) { return }
        let former = chores[chore]?.cause
        chores[chore] = ChoreState(cause: cause ?? former)
        if let cause, cause != former {
            meshOpen[cause, default: 0] += 1
            if let former { settleMesh(former) }
        }
        perform(chore)
    }

    /// Whether a component is just being told where its outputs lead, and will be told anew after that: what changes several
    /// times meanwhile a slow node hears once.
    private mutating func isTold(_ origin: LogicalID) -> Bool {
        guard let state = chores[.patch(origin)], let call = state.call, calls[call] != nil,
            let told = state.patched?.physical, told == records.instances[origin]?.physical
        else { return false }
        chores[.patch(origin)]?.patched?.isOutdated = true
        return true
    }

    /// Makes the call of a chore, or finds that there is nothing to do.
    mutating func perform(_ chore: Chore) {
        waiting[chore] = nil
        switch chore {
        case .reset(let id):
            guard let node = records.nodes[id], !node.isReset else { return drop(chore) }
            callFor(chore, node, .reset)
        case .peer(let id, of: let peer):
            guard let node = records.nodes[id], node.isReset else { return drop(chore) }
            // A peer that is only coming is told of when it has been reset.
            guard let other = records.nodes[peer], other.isReset else { return callFor(chore, node, .removePeer(peer)) }
            callFor(chore, node, .addPeer(peer, invocationURL: other.description.invocationURL))
        case .stop(let physical):
            guard let kind = records.leftovers[physical], let node = records.nodes[physical.node] else {
                return drop(chore)
            }
            callFor(chore, node, .stop(physical.component, kind))
        case .patch(let origin): sendPatch(origin)
        case .place(let id): place(id)
        }
    }

    mutating func callFor(_ chore: Chore, _ node: NodeRecord, _ request: NodeCall.Request) {
        let call = makeCall(node, request, for: .chore(chore))
        chores[chore]?.call = call.id
        effect(.call(call))
    }

    /// Takes the end of a chore's call.
    mutating func finish(_ chore: Chore, call: CallID, _ outcome: CallOutcome) {
        // Only the last call counts: an earlier one said something that is not true any more.
        guard var state = chores[chore], state.call == call else { return }
        if case .stop(let physical) = chore { leave(physical) }
        if state.patched?.isOutdated == true { return owe(chore) }
        guard let problem = outcome.problem, !isDone(chore, state, in: outcome) else {
            return complete(chore, isConfirmed: outcome.problem == nil)
        }
        state.call = nil
        state.failures += 1
        state.errors = if case .failed = outcome { state.errors + 1 } else { 0 }
        state.isDoubtful = state.isDoubtful || outcome.isDoubtful
        chores[chore] = state
        waiting[chore] = now.monotonic + Self.backOff(state.failures)
        if state.failures == 1 {
            // A node that does not answer its reset is waited for no longer.
            if case .reset = chore { generation += 1 }
            note(
                .warning, "a node did not do what it was told; it is told again", ["what": "\(chore)", "why": problem])
        }
    }

    /// How often a node may answer with an error before it counts as its last word.
    private static let errorsTaken = 5

    /// Whether a chore is done although the node has answered with an error, again and again: one that does not know what to
    /// stop, after a call whose answer was lost, has stopped it then; one that cannot reset at all is taken as it is.
    private func isDone(_ chore: Chore, _ state: ChoreState, in outcome: CallOutcome) -> Bool {
        guard case .failed = outcome, state.errors + 1 >= Self.errorsTaken else { return false }
        return switch chore {
        case .reset: true
        case .stop: state.isDoubtful
        case .peer, .patch, .place: false
        }
    }

    private mutating func complete(_ chore: Chore, isConfirmed: Bool) {
        switch chore {
        case .reset(let node): finishReset(node, isConfirmed: isConfirmed)
        case .stop(let physical):
            if let kind = records.leftovers[physical] { change(.leftover(physical, kind, false)) }
        case .patch(let origin): change(.patchDue(origin, false))
        case .peer, .place: break
        }
        drop(chore)
    }

    /// Ends a chore, done or not.
    mutating func drop(_ chore: Chore) {
        waiting[chore] = nil
        guard let state = chores[chore] else { return }
        chores[chore] = nil
        if let call = state.call, let (node, _) = calls.removeValue(forKey: call) { callsOfNode[node]?.remove(call) }
        if case .stop(let physical) = chore { leave(physical) }
        if let cause = state.cause { settleMesh(cause) }
    }

    /// One chore less of a node's coming or going.
    private mutating func settleMesh(_ cause: NodeID) {
        guard let open = meshOpen[cause] else { return }
        meshOpen[cause] = open > 1 ? open - 1 : nil
        guard open == 1 else { return }
        if var node = records.nodes[cause] {
            guard node.isReset, !node.isMeshed else { return }
            node.isMeshed = true
            change(.node(node))
        } else if records.departed.contains(cause) {
            change(.departed(cause, false))
        }
    }
}
