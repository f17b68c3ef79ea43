import Domain

/// The calls that wait for nodes, and those in flight: a value that decides which call may be made next. Each node has
/// its own queue, so a slow or silent node delays no other.
///
/// Consecutive Starts to a node run in parallel, and so do Stops of one kind. A reset or Patch waits for the calls before
/// it and delays those after it. Peer updates run beside all these, a few at a time, and only when no other call could be
/// made, within an ``JoinBudget``; those about one peer keep their order.
package struct CallQueues: Sendable {
    /// The maximum number of calls in flight.
    package struct Limits: Sendable {
        /// To one node.
        package var perNode = 16
        /// To all nodes.
        package var total = 4_096
        /// Peer updates to one node.
        package var updatesPerNode = 4
        /// Peer updates to all nodes.
        package var updates = 256

        /// The limits of a serving domain.
        package init() {}
    }

    /// A call that may be made now.
    package struct Taken: Sendable {
        /// The call.
        package let call: NodeCall
        /// The agent's URL according to the node's newest call.
        package let url: String
        /// Distinguishes the node's queue from earlier ones of the same node, whose calls no longer count.
        package let epoch: Int
    }

    private struct QueuedCall {
        let call: NodeCall
        let since: Duration
    }

    /// Calls of the same group may be in flight to a node at the same time.
    private enum Group: Hashable {
        case starts
        case stops(ComponentKind)
        case alone
        case updates

        init(_ request: NodeCall.Request) {
            self =
                switch request {
                case .start: .starts
                case .stop(_, let kind): .stops(kind)
                case .reset, .patch: .alone
                case .addPeer, .removePeer: .updates
                }
        }
    }

    private struct NodeQueue {
        var calls: ArraySlice<QueuedCall> = []
        var running = 0
        /// The group of the calls in flight.
        var group = Group.alone
        /// The peer updates in the queue; `calls` are the others.
        var updates: ArraySlice<NodeCall> = []
        /// The peers that updates in flight are about.
        var updating: Set<NodeID> = []
        /// The agent's URL according to the call with the highest id; calls may be queued in another order.
        var url: String
        var newest: CallID
        let epoch: Int
        /// When the node last answered; initially when it was first called.
        var lastAnswer: Duration

        mutating func append(_ call: NodeCall, at now: Duration) {
            if call.request.peer == nil {
                calls.append(QueuedCall(call: call, since: now))
            } else {
                updates.append(call)
            }
        }

        /// Removes a call if it has not been made.
        mutating func remove(_ id: CallID) -> Bool {
            if let place = updates.firstIndex(where: { $0.id == id }) {
                updates.remove(at: place)
            } else if let place = calls.firstIndex(where: { $0.call.id == id }) {
                calls.remove(at: place)
            } else {
                return false
            }
            return true
        }

        /// Removes all calls that have not been made.
        mutating func removeAll() -> [CallID] {
            defer { (calls, updates) = ([], []) }
            return calls.map(\.call.id) + updates.map(\.id)
        }

        /// Whether the next call other than a peer update may start now.
        func canCall(_ limits: Limits) -> Bool {
            guard let next = calls.first.map({ Group($0.call.request) }) else { return false }
            return running == 0 || next == group && group != .alone && running < limits.perNode
        }

        /// Whether the next call other than a peer update is a reset.
        var isResetNext: Bool { if case .reset? = calls.first?.call.request { true } else { false } }

        /// Removes the next call other than a peer update.
        mutating func takeCall() -> NodeCall {
            let call = calls.removeFirst().call
            running += 1
            group = Group(call.request)
            return call
        }

        /// The peer update that may start now.
        func nextUpdate(_ limits: Limits) -> Int? {
            guard updating.count < limits.updatesPerNode else { return nil }
            return updates.firstIndex { $0.request.peer.map { !updating.contains($0) } ?? true }
        }

        mutating func takeUpdate(_ place: Int) -> NodeCall {
            let call = place == updates.startIndex ? updates.removeFirst() : updates.remove(at: place)
            if let peer = call.request.peer { updating.insert(peer) }
            return call
        }

        /// A call has ended.
        mutating func finish(_ call: NodeCall) {
            if let peer = call.request.peer { updating.remove(peer) } else { running -= 1 }
        }

        /// Removes the Starts that have waited this long while the node answered nothing.
        mutating func takeStale(at now: Duration, after patience: Duration) -> [CallID] {
            guard running > 0, now - lastAnswer >= patience else { return [] }
            let isStale = { (one: QueuedCall) in
                if case .start = one.call.request { now - one.since >= patience } else { false }
            }
            let stale = calls.filter(isStale).map(\.call.id)
            if !stale.isEmpty { calls.removeAll(where: isStale) }
            return stale
        }
    }

    /// Nodes in the order of their arrival, each once.
    private struct Line {
        private var nodes: ArraySlice<NodeID> = []
        private var members: Set<NodeID> = []

        var isEmpty: Bool { nodes.isEmpty }

        mutating func append(_ node: NodeID) { if members.insert(node).inserted { nodes.append(node) } }

        mutating func popFirst() -> NodeID? {
            guard let node = nodes.popFirst() else { return nil }
            members.remove(node)
            return node
        }
    }

    private let limits: Limits
    private var queues: [NodeID: NodeQueue] = [:]
    private var total = 0
    private var updates = 0
    private var budget = JoinBudget()
    private var lastEpoch = 0
    /// Nodes whose next call waits only for a total limit; whose reset waits for the budget; whose next update waits for one of
    /// these.
    private var throttled = Line()
    private var throttledResets = Line()
    private var throttledUpdates = Line()

    /// Creates empty queues.
    package init(limits: Limits = Limits()) { self.limits = limits }

    // MARK: - Calls that wait

    /// Queues a call. Times are of any clock that only moves forwards.
    package mutating func append(_ call: NodeCall, at now: Duration) {
        if queues[call.node] == nil {
            lastEpoch += 1
            queues[call.node] = NodeQueue(url: call.agentURL, newest: call.id, epoch: lastEpoch, lastAnswer: now)
        }
        if let newest = queues[call.node]?.newest, call.id > newest {
            queues[call.node]?.url = call.agentURL
            queues[call.node]?.newest = call.id
        }
        queues[call.node]?.append(call, at: now)
    }

    /// Removes a call of a node; false if it has been made already.
    package mutating func remove(_ id: CallID, of node: NodeID) -> Bool { queues[node]?.remove(id) ?? false }

    /// Drops the queue of a node. Its calls in flight do not count any more, whatever their outcome.
    package mutating func abandon(_ node: NodeID) { queues[node] = nil }

    /// Drops all queues.
    package mutating func abandonAll() { queues = [:] }

    /// Removes all calls that have not been made.
    package mutating func removeAll() -> Set<CallID> {
        var removed: Set<CallID> = []
        for node in queues.keys { removed.formUnion(queues[node]?.removeAll() ?? []) }
        return removed
    }

    /// Removes the Starts that have waited this long for a node that has answered nothing for as long, so that other
    /// nodes can take them. A node that is slow but answers is waited for.
    package mutating func takeStale(at now: Duration, after patience: Duration) -> [CallID] {
        var stale: [CallID] = []
        for node in queues.keys where queues[node]?.calls.isEmpty == false {
            stale += queues[node]?.takeStale(at: now, after: patience) ?? []
        }
        return stale.sorted()
    }

    // MARK: - Calls in flight

    /// Takes the next call of a node if it may be made now. Ask again until there is none.
    package mutating func next(of node: NodeID, at now: Duration) -> Taken? {
        // In place: a copy of the queue would copy all its calls.
        guard let (epoch, url) = queues[node].map({ ($0.epoch, $0.url) }) else { return nil }
        if queues[node]?.canCall(limits) == true {
            guard total < limits.total else {
                throttled.append(node)
                return nil
            }
            if queues[node]?.isResetNext == true {
                guard budget.allows(at: now) else {
                    throttledResets.append(node)
                    return nil
                }
                budget.takeReset()
            } else {
                budget.noteCall(at: now)
            }
            total += 1
            return (queues[node]?.takeCall()).map { Taken(call: $0, url: url, epoch: epoch) }
        }
        guard let place = queues[node]?.nextUpdate(limits) else { return nil }
        guard hasCapacityForUpdates, throttledResets.isEmpty, budget.allows(at: now) else {
            throttledUpdates.append(node)
            return nil
        }
        total += 1
        updates += 1
        budget.takeUpdate()
        return (queues[node]?.takeUpdate(place)).map { Taken(call: $0, url: url, epoch: epoch) }
    }

    private var hasCapacityForUpdates: Bool { total < limits.total && updates < limits.updates }

    /// A node whose calls waited for a total limit or the budget, which they need not wait for any more. Ask again until there
    /// is none.
    package mutating func nextThrottled(at now: Duration) -> NodeID? {
        if total < limits.total, let node = throttled.popFirst() { return node }
        guard total < limits.total, budget.allows(at: now) else { return nil }
        if let node = throttledResets.popFirst() { return node }
        return hasCapacityForUpdates ? throttledUpdates.popFirst() : nil
    }

    /// When to call ``nextThrottled(at:)`` although no call has ended: after how long; nil for never.
    package var resumption: Duration? {
        let isWaiting = !throttledResets.isEmpty || hasCapacityForUpdates && !throttledUpdates.isEmpty
        return isWaiting ? .milliseconds(10) : nil
    }

    /// Whether a taken call still counts: its node's queue was not abandoned.
    package func isCurrent(_ taken: Taken) -> Bool { queues[taken.call.node]?.epoch == taken.epoch }

    /// The agent's URL according to the node's newest call; nil if the call does not count any more.
    package func url(of taken: Taken) -> String? { isCurrent(taken) ? queues[taken.call.node]?.url : nil }

    /// A taken call has ended, or its outcome is overdue.
    ///
    /// - Returns: whether its outcome counts.
    package mutating func finish(_ taken: Taken, _ outcome: CallOutcome, at now: Duration) -> Bool {
        total -= 1
        switch taken.call.request {
        case .addPeer, .removePeer: updates -= 1
        case .reset: break
        case .start, .stop, .patch: budget.noteCall(at: now)
        }
        guard isCurrent(taken) else { return false }
        queues[taken.call.node]?.finish(taken.call)
        note(outcome, of: taken.call.node, at: now)
        return true
    }

    /// The outcome of an overdue call has come.
    ///
    /// - Returns: whether it counts.
    package mutating func finishLate(_ taken: Taken, _ outcome: CallOutcome, at now: Duration) -> Bool {
        note(outcome, of: taken.call.node, at: now)
        return isCurrent(taken)
    }

    private mutating func note(_ outcome: CallOutcome, of node: NodeID, at now: Duration) {
        if outcome.isAnswer { queues[node]?.lastAnswer = now }
    }
}

extension CallOutcome {
    /// Whether the node answered.
    fileprivate var isAnswer: Bool {
        switch self {
        case .done, .started, .refused, .failed: true
        case .unreachable, .unknown, .overdue, .dropped: false
        }
    }
}

extension NodeCall.Request {
    /// The peer that an update is about; nil for another call.
    fileprivate var peer: NodeID? {
        switch self {
        case .addPeer(let peer, _), .removePeer(let peer): peer
        case .reset, .start, .stop, .patch: nil
        }
    }
}
