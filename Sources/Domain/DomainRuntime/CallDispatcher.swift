import Domain
import Synchronization

/// Dispatches calls to nodes. Each node has its own queue, so a slow or silent node delays no other.
///
/// Consecutive Starts to a node run in parallel, and so do Stops of one kind. A reset or Patch waits for the calls before
/// it and delays those after it. Peer updates run beside all these, a few at a time, and only when no other call could be
/// made; those about one peer keep their order.
final class CallDispatcher: Sendable {
    /// The maximum number of calls in flight.
    struct Limits {
        /// To one node.
        var perNode = 16
        /// To all nodes.
        var total = 4_096
        /// Peer updates to one node.
        var updatesPerNode = 4
        /// Peer updates to all nodes.
        var updates = 1_024
    }

    private struct QueuedCall {
        let call: NodeCall
        let since: ContinuousClock.Instant
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
        var connection: (url: String, client: any NodeClient)?
        /// Distinguishes this queue from earlier ones of the same node, whose calls no longer count.
        var epoch = 0
        /// When the node last answered; initially when it was first called.
        var lastAnswer = ContinuousClock.now

        mutating func append(_ call: NodeCall) {
            if call.request.peer == nil {
                calls.append(QueuedCall(call: call, since: .now))
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
            let call = updates.remove(at: place)
            if let peer = call.request.peer { updating.insert(peer) }
            return call
        }

        /// A call has ended.
        mutating func finish(_ call: NodeCall) {
            if let peer = call.request.peer { updating.remove(peer) } else { running -= 1 }
        }

        /// Removes the Starts that have waited this long while the node answered nothing.
        mutating func takeStale(at now: ContinuousClock.Instant, after patience: Duration) -> [NodeCall] {
            guard running > 0, now - lastAnswer >= patience else { return [] }
            let isStale = { (one: QueuedCall) in
                if case .start = one.call.request { now - one.since >= patience } else { false }
            }
            let stale = calls.filter(isStale).map(\.call)
            if !stale.isEmpty { calls.removeAll(where: isStale) }
            return stale
        }
    }

    /// The node left before the call was made. A later node with the same id must not receive it.
    private struct Abandoned: Error {}

    private struct State {
        /// How long a call may take.
        var deadline: Duration
        var queues: [NodeID: NodeQueue] = [:]
        var total = 0
        var updates = 0
        var lastEpoch = 0
        /// Nodes whose next call waits only for a total limit.
        var throttled: Set<NodeID> = []
        var throttledUpdates: Set<NodeID> = []

        /// The queue of a call, unless it was abandoned.
        func queue(of call: NodeCall, _ epoch: Int) -> NodeQueue? {
            queues[call.node].flatMap { $0.epoch == epoch ? $0 : nil }
        }
    }

    private let state: Mutex<State>
    private let transport: any DomainTransport
    private let limits: Limits
    private let answer: @Sendable (CallID, CallOutcome) -> Void

    /// - Parameters:
    ///   - deadline: how long a call may take.
    ///   - answer: receives the outcome of each call.
    init(
        transport: any DomainTransport, limits: Limits = Limits(), deadline: Duration,
        answer: @escaping @Sendable (CallID, CallOutcome) -> Void
    ) {
        self.transport = transport
        self.limits = limits
        state = Mutex(State(deadline: deadline))
        self.answer = answer
    }

    /// Queues a call.
    func send(_ call: NodeCall) {
        state.withLock { state in
            if state.queues[call.node] == nil {
                state.lastEpoch += 1
                state.queues[call.node] = NodeQueue(url: call.agentURL, newest: call.id, epoch: state.lastEpoch)
            }
            if let newest = state.queues[call.node]?.newest, call.id > newest {
                state.queues[call.node]?.url = call.agentURL
                state.queues[call.node]?.newest = call.id
            }
            state.queues[call.node]?.append(call)
        }
        startCalls(call.node)
    }

    /// Ends Starts that have waited for a silent node as long as a call may take, so that other nodes can take them. A
    /// node that is slow but answers is waited for. Call this regularly.
    func expireStaleStarts(at now: ContinuousClock.Instant = .now) {
        let (stale, deadline) = state.withLock { state in
            var stale: [NodeCall] = []
            let deadline = state.deadline
            for node in state.queues.keys where state.queues[node]?.calls.isEmpty == false {
                stale += state.queues[node]?.takeStale(at: now, after: deadline) ?? []
            }
            return (stale, deadline)
        }
        for call in stale { answer(call.id, .unreachable("the node has not answered for \(deadline)")) }
    }

    /// Makes calls within another time from now on, and over new connections.
    ///
    /// - Parameter reconnects: whether to replace the connections.
    func configure(deadline: Duration, reconnects: Bool) {
        let old = state.withLock { state -> [any NodeClient] in
            state.deadline = deadline
            guard reconnects else { return [] }
            var old: [any NodeClient] = []
            for node in state.queues.keys {
                if let client = state.queues[node]?.connection?.client { old.append(client) }
                state.queues[node]?.connection = nil
            }
            return old
        }
        for client in old { retire(client) }
    }

    /// Closes a client that calls may still use: they have all ended after one deadline.
    private func retire(_ client: any NodeClient) {
        let deadline = state.withLock { $0.deadline }
        Task {
            try? await Task.sleep(for: deadline + .seconds(1))
            client.close()
        }
    }

    /// Does not make a call that is still in the queue of a node, and answers it with ``CallOutcome/dropped``.
    func drop(_ id: CallID, of node: NodeID) {
        guard state.withLock({ $0.queues[node]?.remove(id) ?? false }) else { return }
        // The caller may hold the domain, which takes the answer.
        Task { answer(id, .dropped) }
    }

    /// Drops the queue of a node and closes its connection.
    func abandon(_ node: NodeID) {
        let queue = state.withLock { $0.queues.removeValue(forKey: node) }
        queue?.connection?.client.close()
    }

    /// Drops all calls that have not been sent.
    ///
    /// - Returns: the dropped calls.
    func dropQueued() -> Set<CallID> {
        state.withLock { state in
            var dropped: Set<CallID> = []
            for node in state.queues.keys {
                dropped.formUnion(state.queues[node]?.removeAll() ?? [])
            }
            return dropped
        }
    }

    /// Drops all queues.
    func abandonAll() {
        let nodes = state.withLock { Array($0.queues.keys) }
        for node in nodes { abandon(node) }
    }

    private func startCalls(_ node: NodeID) {
        while let (call, epoch) = state.withLock({ next(node, &$0) }) {
            Task(executorPreference: transport.executor) { [self] in
                let outcome = await perform(call, epoch)
                // An abandoned call has no successor, and nobody waits for its outcome.
                let isCurrent = state.withLock { state in
                    state.total -= 1
                    if call.request.peer != nil { state.updates -= 1 }
                    guard state.queues[node]?.epoch == epoch else { return false }
                    state.queues[node]?.finish(call)
                    if outcome.isAnswer { state.queues[node]?.lastAnswer = .now }
                    return true
                }
                if isCurrent {
                    answer(call.id, outcome)
                    startCalls(node)
                }
                startThrottledCalls()
            }
        }
    }

    /// Starts calls that waited for a total limit.
    private func startThrottledCalls() {
        while let node = state.withLock({ $0.total < limits.total ? $0.throttled.popFirst() : nil }) {
            startCalls(node)
        }
        while let node = state.withLock({ hasCapacityForUpdates($0) ? $0.throttledUpdates.popFirst() : nil }) {
            startCalls(node)
        }
    }

    private func hasCapacityForUpdates(_ state: borrowing State) -> Bool {
        state.total < limits.total && state.updates < limits.updates
    }

    /// Removes the next call of a node from its queue if it may start now.
    private func next(_ node: NodeID, _ state: inout State) -> (NodeCall, epoch: Int)? {
        // In place: a copy of the queue would copy all its calls.
        guard let epoch = state.queues[node]?.epoch else { return nil }
        if state.queues[node]?.canCall(limits) == true {
            guard state.total < limits.total else {
                state.throttled.insert(node)
                return nil
            }
            state.total += 1
            return (state.queues[node]?.takeCall()).map { ($0, epoch) }
        }
        guard let place = state.queues[node]?.nextUpdate(limits) else { return nil }
        guard hasCapacityForUpdates(state) else {
            state.throttledUpdates.insert(node)
            return nil
        }
        state.total += 1
        state.updates += 1
        return (state.queues[node]?.takeUpdate(place)).map { ($0, epoch) }
    }

    private func perform(_ call: NodeCall, _ epoch: Int) async -> CallOutcome {
        let client: any NodeClient
        do { client = try self.client(call, epoch) } catch { return .unreachable("\(error)") }
        return await client.call(call.request, within: state.withLock { $0.deadline }) { [self] outcome in
            let isCurrent = state.withLock { state in
                if outcome.isAnswer { state.queues[call.node]?.lastAnswer = .now }
                return state.queues[call.node]?.epoch == epoch
            }
            if isCurrent { answer(call.id, outcome) }
        }
    }

    /// The client of a node; a new one if its agent has moved, even after the call was queued.
    private func client(_ call: NodeCall, _ epoch: Int) throws -> any NodeClient {
        guard
            let (url, known) = state.withLock({ state in state.queue(of: call, epoch).map { ($0.url, $0.connection) } })
        else {
            throw Abandoned()
        }
        if let known, known.url == url { return known.client }
        let fresh = try transport.client(of: call.node, at: url)
        let (used, unused) = state.withLock { state -> ((any NodeClient)?, (any NodeClient)?) in
            guard let queue = state.queue(of: call, epoch) else { return (nil, fresh) }
            // Another call may have created one meanwhile.
            if let other = queue.connection, other.url == url { return (other.client, fresh) }
            state.queues[call.node]?.connection = (url, fresh)
            return (fresh, queue.connection?.client)
        }
        if let unused { retire(unused) }
        guard let used else { throw Abandoned() }
        return used
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
