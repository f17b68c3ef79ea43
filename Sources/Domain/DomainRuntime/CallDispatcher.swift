import Domain
import Synchronization

/// Carries calls to nodes: those of one node in order, those of different nodes beside each other, so that a node that is slow
/// or silent delays nobody else.
///
/// Starts in a row go to their node together, and so do Stops of functions or of resources; everything else waits for what was
/// asked of its node before, and holds up what comes after it.
final class CallDispatcher: Sendable {
    /// How much is under way at most.
    struct Limits {
        /// Calls to one node.
        var perNode = 16
        /// Calls to all nodes.
        var inAll = 4_096
    }

    private struct Waiting {
        let call: NodeCall
        let since: ContinuousClock.Instant
    }

    /// Calls of one group may be under way to a node at once.
    private enum Group: Hashable {
        case starts
        case stops(ComponentKind)
        case alone

        init(_ request: NodeCall.Request) {
            self =
                switch request {
                case .start: .starts
                case .stop(_, let kind): .stops(kind)
                case .reset, .addPeer, .removePeer, .patch: .alone
                }
        }
    }

    private struct Lane {
        var waiting: ArraySlice<Waiting> = []
        var running = 0
        /// What is under way.
        var group = Group.alone
        /// Where the agent is, by the newest call that was asked for: those with other numbers may come later.
        var url: String
        var newest: CallID
        var agent: (url: String, caller: any NodeCaller)?
        /// Which life of the lane this is: calls of an earlier one do not count.
        var life = 0
        /// When the node last answered anything; at first, when it was first asked.
        var lastAnswer = ContinuousClock.now

        /// Takes the next call out, if it is its turn.
        ///
        /// - Parameter mayGoOn: whether there is room for one more; where not, there is no call in what is returned.
        mutating func next(_ limit: Int, mayGoOn: Bool) -> (NodeCall?, life: Int)? {
            guard let call = waiting.first?.call else { return nil }
            let next = Group(call.request)
            guard running == 0 || next == group && group != .alone && running < limit else { return nil }
            guard mayGoOn else { return (nil, life) }
            waiting.removeFirst()
            running += 1
            group = next
            return (call, life)
        }

        /// Takes the Starts out that have waited for so long while the node answered nothing.
        mutating func takeStale(at now: ContinuousClock.Instant, after patience: Duration) -> [NodeCall] {
            guard running > 0, now - lastAnswer >= patience else { return [] }
            let isStale = { (one: Waiting) in
                if case .start = one.call.request { now - one.since >= patience } else { false }
            }
            let stale = waiting.filter(isStale).map(\.call)
            if !stale.isEmpty { waiting.removeAll(where: isStale) }
            return stale
        }
    }

    /// The node has left before the call was made: the next one of that name is not to hear of it.
    private struct Abandoned: Error {}

    private struct State {
        var lanes: [NodeID: Lane] = [:]
        var inAll = 0
        var lives = 0
        /// Lanes that could go on but for the limit of all.
        var held: Set<NodeID> = []

        /// The lane of a call, as long as it has not been abandoned.
        func lane(of call: NodeCall, _ life: Int) -> Lane? { lanes[call.node].flatMap { $0.life == life ? $0 : nil } }
    }

    private let state = Mutex(State())
    private let outside: any DomainOutside
    private let limits: Limits
    private let deadline: Duration
    private let answer: @Sendable (CallID, CallOutcome) -> Void

    /// - Parameters:
    ///   - deadline: how long a call may take.
    ///   - answer: is told how each call has ended.
    init(
        outside: any DomainOutside, limits: Limits = Limits(), deadline: Duration,
        answer: @escaping @Sendable (CallID, CallOutcome) -> Void
    ) {
        self.outside = outside
        self.limits = limits
        self.deadline = deadline
        self.answer = answer
    }

    /// Makes a call when its turn has come.
    func send(_ call: NodeCall) {
        state.withLock { state in
            if state.lanes[call.node] == nil {
                state.lives += 1
                state.lanes[call.node] = Lane(url: call.agentURL, newest: call.id, life: state.lives)
            }
            if let newest = state.lanes[call.node]?.newest, call.id > newest {
                state.lanes[call.node]?.url = call.agentURL
                state.lanes[call.node]?.newest = call.id
            }
            state.lanes[call.node]?.waiting.append(Waiting(call: call, since: .now))
        }
        goOn(call.node)
    }

    /// Gives up on Starts that wait for what a silent node was asked before: after the time of a call they are as good as failed,
    /// and others may take them. A node that is only slow is waited for. To be called now and then.
    func giveUpStale(at now: ContinuousClock.Instant = .now) {
        let stale = state.withLock { state in
            var stale: [NodeCall] = []
            for node in state.lanes.keys where state.lanes[node]?.waiting.isEmpty == false {
                stale += state.lanes[node]?.takeStale(at: now, after: deadline) ?? []
            }
            return stale
        }
        for call in stale { answer(call.id, .unreachable("the node has answered nothing for \(deadline)")) }
    }

    /// Forgets what waits for a node, and ends its connection.
    func abandon(_ node: NodeID) {
        let lane = state.withLock { $0.lanes.removeValue(forKey: node) }
        lane?.agent?.caller.close()
    }

    /// Forgets what has not been sent yet.
    ///
    /// - Returns: the calls that will never be made.
    func dropWaiting() -> Set<CallID> {
        state.withLock { state in
            var dropped: Set<CallID> = []
            for node in state.lanes.keys {
                dropped.formUnion((state.lanes[node]?.waiting ?? []).map(\.call.id))
                state.lanes[node]?.waiting = []
            }
            return dropped
        }
    }

    /// Forgets everything.
    func abandonAll() {
        let nodes = state.withLock { Array($0.lanes.keys) }
        for node in nodes { abandon(node) }
    }

    private func goOn(_ node: NodeID) {
        while let (call, life) = state.withLock({ next(node, &$0) }) {
            Task(executorPreference: outside.executor) { [self] in
                let outcome = await carry(call, life)
                // What was abandoned meanwhile has no turn to give on, and nobody waits for it.
                let isOurs = state.withLock { state in
                    state.inAll -= 1
                    guard state.lanes[node]?.life == life else { return false }
                    state.lanes[node]?.running -= 1
                    if outcome.isAnswer { state.lanes[node]?.lastAnswer = .now }
                    return true
                }
                if isOurs {
                    answer(call.id, outcome)
                    goOn(node)
                }
                goOnHeld()
            }
        }
    }

    /// Gives what room there is to those that wait for it.
    private func goOnHeld() {
        while let node = state.withLock({ $0.inAll < limits.inAll ? $0.held.popFirst() : nil }) { goOn(node) }
    }

    private func next(_ node: NodeID, _ state: inout State) -> (NodeCall, life: Int)? {
        let mayGoOn = state.inAll < limits.inAll
        // In place: a copy of the lane would be one of all that waits in it.
        guard let (call, life) = state.lanes[node]?.next(limits.perNode, mayGoOn: mayGoOn) else { return nil }
        guard let call else {
            state.held.insert(node)
            return nil
        }
        state.inAll += 1
        return (call, life)
    }

    private func carry(_ call: NodeCall, _ life: Int) async -> CallOutcome {
        let caller: any NodeCaller
        do { caller = try self.caller(call, life) } catch { return .unreachable("\(error)") }
        return await caller.call(call.request, within: deadline)
    }

    /// The connection to a node; another one where its agent has moved, since the call was asked for too.
    private func caller(_ call: NodeCall, _ life: Int) throws -> any NodeCaller {
        guard let (url, known) = state.withLock({ state in state.lane(of: call, life).map { ($0.url, $0.agent) } })
        else {
            throw Abandoned()
        }
        if let known, known.url == url { return known.caller }
        let fresh = try outside.agent(of: call.node, at: url)
        let (used, unused) = state.withLock { state -> ((any NodeCaller)?, (any NodeCaller)?) in
            guard let lane = state.lane(of: call, life) else { return (nil, fresh) }
            // Another call may have made one meanwhile.
            if let other = lane.agent, other.url == url { return (other.caller, fresh) }
            state.lanes[call.node]?.agent = (url, fresh)
            return (fresh, lane.agent?.caller)
        }
        if let unused {
            // Not under calls that are under way on it: all of them have ended after a deadline.
            Task {
                try? await Task.sleep(for: deadline + .seconds(1))
                unused.close()
            }
        }
        guard let used else { throw Abandoned() }
        return used
    }
}

extension CallOutcome {
    /// Whether the node has said anything.
    fileprivate var isAnswer: Bool {
        switch self {
        case .done, .started, .refused, .failed: true
        case .unreachable, .unknown: false
        }
    }
}
