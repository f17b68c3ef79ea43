import Domain
import Synchronization

/// Makes the calls of ``CallQueues`` over one connection for each node.
final class CallDispatcher: Sendable {
    typealias Limits = CallQueues.Limits

    /// The node left before the call was made. A later node with the same id must not receive it.
    private struct Abandoned: Error {}

    private struct State {
        /// How long a call may take.
        var deadline: Duration
        var queues: CallQueues
        /// Whether calls that wait for the budget are about to be resumed.
        var isResuming = false
        var connections: [NodeID: (url: String, client: any NodeClient)] = [:]
    }

    private let state: Mutex<State>
    private let transport: any DomainTransport
    private let answer: @Sendable (CallID, CallOutcome) -> Void
    /// The queues count time from here.
    private static let start = ContinuousClock.now

    /// - Parameters:
    ///   - deadline: how long a call may take.
    ///   - answer: receives the outcome of each call.
    init(
        transport: any DomainTransport, limits: Limits = Limits(), deadline: Duration,
        answer: @escaping @Sendable (CallID, CallOutcome) -> Void
    ) {
        self.transport = transport
        state = Mutex(State(deadline: deadline, queues: CallQueues(limits: limits)))
        self.answer = answer
    }

    private var now: Duration { .now - Self.start }

    /// Queues a call.
    func send(_ call: NodeCall) {
        state.withLock { $0.queues.append(call, at: now) }
        startCalls(call.node)
    }

    /// Ends Starts that have waited for a silent node as long as a call may take. Call this regularly.
    func expireStaleStarts(at now: ContinuousClock.Instant = .now) {
        let (stale, deadline) = state.withLock { state in
            (state.queues.takeStale(at: now - Self.start, after: state.deadline), state.deadline)
        }
        for call in stale { answer(call, .unreachable("the node has not answered for \(deadline)")) }
    }

    /// Makes calls within another time from now on, and over new connections.
    ///
    /// - Parameter reconnects: whether to replace the connections.
    func configure(deadline: Duration, reconnects: Bool) {
        let old = state.withLock { state -> [any NodeClient] in
            state.deadline = deadline
            guard reconnects else { return [] }
            defer { state.connections = [:] }
            return state.connections.values.map(\.client)
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
        guard state.withLock({ $0.queues.remove(id, of: node) }) else { return }
        // The caller may hold the domain, which takes the answer.
        Task { answer(id, .dropped) }
    }

    /// Drops the queue of a node and closes its connection.
    func abandon(_ node: NodeID) {
        let connection = state.withLock { state in
            state.queues.abandon(node)
            return state.connections.removeValue(forKey: node)
        }
        connection?.client.close()
    }

    /// Drops all calls that have not been sent.
    ///
    /// - Returns: the dropped calls.
    func dropQueued() -> Set<CallID> { state.withLock { $0.queues.removeAll() } }

    /// Drops all queues.
    func abandonAll() {
        let connections = state.withLock { state in
            state.queues.abandonAll()
            defer { state.connections = [:] }
            return state.connections.values
        }
        for connection in connections { connection.client.close() }
    }

    private func startCalls(_ node: NodeID) {
        while let taken = state.withLock({ $0.queues.next(of: node, at: now) }) {
            Task(executorPreference: transport.executor) { [self] in
                let outcome = await perform(taken)
                // An abandoned call has no successor, and nobody waits for its outcome.
                if state.withLock({ $0.queues.finish(taken, outcome, at: now) }) {
                    answer(taken.call.id, outcome)
                    startCalls(node)
                }
                startThrottledCalls()
            }
        }
        resumeLater()
    }

    private func startThrottledCalls() {
        while let node = state.withLock({ $0.queues.nextThrottled(at: now) }) { startCalls(node) }
    }

    /// Makes the resets and peer updates that wait for the budget when it has grown.
    private func resumeLater() {
        let delay = state.withLock { state -> Duration? in
            guard !state.isResuming, let delay = state.queues.resumption else { return nil }
            state.isResuming = true
            return delay
        }
        guard let delay else { return }
        Task(executorPreference: transport.executor) { [self] in
            try? await Task.sleep(for: delay)
            state.withLock { $0.isResuming = false }
            startThrottledCalls()
            resumeLater()
        }
    }

    private func perform(_ taken: CallQueues.Taken) async -> CallOutcome {
        let client: any NodeClient
        do { client = try self.client(taken) } catch { return .unreachable("\(error)") }
        return await client.call(taken.call.request, within: state.withLock { $0.deadline }) { [self] outcome in
            if state.withLock({ $0.queues.finishLate(taken, outcome, at: now) }) { answer(taken.call.id, outcome) }
        }
    }

    /// The client of a node; a new one if its agent has moved, even after the call was queued.
    private func client(_ taken: CallQueues.Taken) throws -> any NodeClient {
        let node = taken.call.node
        guard
            let (url, known) = state.withLock({ state in
                state.queues.url(of: taken).map { ($0, state.connections[node]) }
            })
        else { throw Abandoned() }
        if let known, known.url == url { return known.client }
        let fresh = try transport.client(of: node, at: url)
        let (used, unused) = state.withLock { state -> ((any NodeClient)?, (any NodeClient)?) in
            guard state.queues.isCurrent(taken) else { return (nil, fresh) }
            let former = state.connections[node]
            // Another call may have created one meanwhile.
            if let former, former.url == url { return (former.client, fresh) }
            state.connections[node] = (url, fresh)
            return (fresh, former?.client)
        }
        if let unused { retire(unused) }
        guard let used else { throw Abandoned() }
        return used
    }
}
