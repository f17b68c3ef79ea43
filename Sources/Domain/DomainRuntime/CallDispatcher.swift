import Domain
import Synchronization

/// Dispatches calls to nodes. Each node has its own queue, so a slow or silent node delays no other.
///
/// Consecutive Starts to a node run in parallel, and so do Stops of one kind. Every other call waits for the calls
/// before it and delays the calls after it.
final class CallDispatcher: Sendable {
    /// The maximum number of calls in flight.
    struct Limits {
        /// To one node.
        var perNode = 16
        /// To all nodes.
        var total = 4_096
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

        /// - Parameters:
        ///   - deadline: how long a call may take.
        ///   - answer: receives the outcome of each call.
        init(_ request: NodeCall.Request) {
            self =
                switch request {
                case .start: .starts
                case .stop(_, let kind): .stops(kind)
                case .reset, .addPeer, .removePeer, .patch: .alone
                }
        }
    }

    private struct NodeQueue {
        var calls: ArraySlice<QueuedCall> = []
        var running = 0
        /// The group of the calls in flight.
        var group = Group.alone
        /// The agent's URL according to the call with the highest id; calls may be queued in another order.
        var url: String
        var newest: CallID
        var connection: (url: String, client: any NodeClient)?
        /// Distinguishes this queue from earlier ones of the same node, whose calls no longer count.
        var epoch = 0
        /// When the node last answered; initially when it was first called.
        var lastAnswer = ContinuousClock.now

        /// Removes the next call from the queue if it may start now.
        ///
        /// - Parameter hasCapacity: whether the total limit allows one more; if not, the result contains no call.
        mutating func next(_ limit: Int, hasCapacity: Bool) -> (NodeCall?, epoch: Int)? {
            guard let call = calls.first?.call else { return nil }
            let next = Group(call.request)
            guard running == 0 || next == group && group != .alone && running < limit else { return nil }
            guard hasCapacity else { return (nil, epoch) }
            calls.removeFirst()
            running += 1
            group = next
            return (call, epoch)
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
        var lastEpoch = 0
        /// Nodes whose next call waits only for the total limit.
        var throttled: Set<NodeID> = []

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
            state.queues[call.node]?.calls.append(QueuedCall(call: call, since: .now))
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
                dropped.formUnion((state.queues[node]?.calls ?? []).map(\.call.id))
                state.queues[node]?.calls = []
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
                    guard state.queues[node]?.epoch == epoch else { return false }
                    state.queues[node]?.running -= 1
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

    /// Starts calls that waited for the total limit.
    private func startThrottledCalls() {
        while let node = state.withLock({ $0.total < limits.total ? $0.throttled.popFirst() : nil }) {
            startCalls(node)
        }
    }

    private func next(_ node: NodeID, _ state: inout State) -> (NodeCall, epoch: Int)? {
        let hasCapacity = state.total < limits.total
        // In place: a copy of the queue would copy all its calls.
        guard let (call, epoch) = state.queues[node]?.next(limits.perNode, hasCapacity: hasCapacity) else { return nil }
        guard let call else {
            state.throttled.insert(node)
            return nil
        }
        state.total += 1
        return (call, epoch)
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
        case .unreachable, .unknown, .overdue: false
        }
    }
}
