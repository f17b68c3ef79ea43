import Domain
import DomainRuntime

/// A call that the domain's process has made and whose outcome it does not know yet.
struct Flight {
    let taken: CallQueues.Taken
    let sent: Int
    /// The process that it is for; nil if none has such an agent.
    let process: Int?
    /// Whether it has reached the process.
    var isDelivered = false
    /// Whether no answer will come.
    var isLost = false
    /// Whether the domain knows that it is overdue.
    var isOverdue = false
    /// The outcome on its way back.
    var outcome: CallOutcome?

    var call: NodeCall { taken.call }
}

/// Calls on their way to nodes, and back. The order in which they are made is that of ``CallQueues``.
extension Simulation {
    /// How long a call may take.
    private static let deadline = 10_000

    mutating func send(_ call: NodeCall) {
        calls.append(call, at: .milliseconds(time))
        serve(call.node)
    }

    /// Makes the calls of a node that may be made now.
    private mutating func serve(_ id: NodeID) {
        while let taken = calls.next(of: id, at: .milliseconds(time)) {
            flights[taken.call.id] = Flight(taken: taken, sent: time, process: nodes.index(at: taken.url))
            eventQueue.add(.deliver(taken.call.id, run: run), at: time + 1 + chance(isHealed ? 20 : 300))
        }
        resumeCallsLater()
    }

    private mutating func resumeCallsLater() {
        guard !isResuming, let delay = calls.resumption else { return }
        isResuming = true
        eventQueue.add(.resumeCalls(run: run), at: time + Int(delay / .milliseconds(1)))
    }

    /// The budget of resets and peer updates has grown.
    mutating func resumeCalls() {
        isResuming = false
        serveThrottled()
        resumeCallsLater()
    }

    private mutating func serveThrottled() {
        while let id = calls.nextThrottled(at: .milliseconds(time)) { serve(id) }
    }

    /// A call reaches its node, waits for it, or is lost.
    mutating func deliver(_ call: CallID) {
        guard let flight = flights[call], !flight.isDelivered else { return }
        guard let index = flight.process, nodes[index].isAlive else { return fail(call, "no route") }
        if nodes[index].isHeldUp(at: time) || !nodes[index].inbox.isEmpty {
            if isLucky(30) { return fail(call, "no route") }
            flights[call]?.isDelivered = true
            nodes[index].inbox.append(.init(call: flight.call, run: run))
            return eventQueue.add(.deadline(call, run: run), at: flight.sent + Self.deadline)
        }
        flights[call]?.isDelivered = true
        if !isHealed {
            if isLucky(shape.loss / 2) { return fail(call, "lost") }
            if case .start = flight.call.request, isLucky(5) {
                return answer(call, .refused(DomainRefusal("not now")), within: 50)
            }
            if isLucky(3) { return answer(call, .failed("internal"), within: 50) }
            if isLucky(5) {
                let limit = flight.call.request.mayOutlastDeadline ? 25_000 : 8_500
                nodes[index].slow.append(.init(call: flight.call, run: run))
                eventQueue.add(.slowCall(index, call: call, run: run), at: time + 500 + chance(limit))
                return eventQueue.add(.deadline(call, run: run), at: flight.sent + Self.deadline)
            }
        }
        carryOut(flight.call, at: index, of: run)
    }

    /// The call does not reach its node, or nobody can tell.
    private mutating func fail(_ call: CallID, _ reason: String) {
        answer(call, Bool.random(using: &random) ? .unreachable(reason) : .unknown(reason), within: 3_000)
    }

    private mutating func answer(_ call: CallID, _ outcome: CallOutcome, within limit: Int) {
        flights[call]?.outcome = outcome
        eventQueue.add(.answer(call, run: run), at: time + chance(limit))
    }

    /// A node carries out a call. The answer reaches the process of the domain that made it, or gets lost.
    private mutating func carryOut(_ call: NodeCall, at index: Int, of madeBy: Int) {
        if case .reset = call.request { checkReset(of: index) }
        if case .stop(let component, _) = call.request, nodes[index].lost.contains(component) {
            lostStops[PhysicalID(node: call.node, component: component), default: 0] += 1
        }
        var outcome = nodes[index].carryOut(call.request, &random)
        if case .reset = call.request { endSlowCalls(of: index) }
        if case .started(let physical) = outcome, !isHealed, isLucky(3) {
            outcome = .started(
                PhysicalID(node: order.randomElement(using: &random) ?? call.node, component: physical.component))
        }
        guard madeBy == run, let flight = flights[call.id] else { return }
        let isLost = time < nodes[index].muteUntil || !isHealed && isLucky(shape.loss / 2)
        guard isLost else { return answer(call.id, outcome, within: isHealed ? 20 : 300) }
        lose(call.id)
        if flight.sent + Self.deadline > time {
            eventQueue.add(.deadline(call.id, run: run), at: flight.sent + Self.deadline)
        }
    }

    /// No answer will come. For an overdue Start that shows when the connection breaks.
    private mutating func lose(_ call: CallID) {
        flights[call]?.isLost = true
        guard flights[call]?.isOverdue == true else { return }
        answer(call, .unknown("connection lost"), within: 20_000)
    }

    /// The time of a call is over.
    mutating func expire(_ call: CallID) {
        guard let flight = flights[call], flight.outcome == nil, !flight.isOverdue else { return }
        guard case .start = flight.call.request else { return end(call, .unknown("deadline")) }
        end(call, .overdue("deadline"))
        if flight.isLost { lose(call) }
    }

    mutating func takeAnswer(to call: CallID) {
        guard let outcome = flights[call]?.outcome else { return }
        end(call, outcome)
    }

    private mutating func end(_ call: CallID, _ outcome: CallOutcome) {
        guard let flight = flights[call] else { return }
        if case .overdue = outcome { flights[call]?.isOverdue = true } else { flights[call] = nil }
        let counts =
            flight.isOverdue
            ? calls.finishLate(flight.taken, outcome, at: .milliseconds(time))
            : calls.finish(flight.taken, outcome, at: .milliseconds(time))
        if counts { take { $0.handle(.answered(call, outcome), at: $1) } }
        if !flight.isOverdue { serveAfterCall(to: flight.call.node) }
    }

    private mutating func serveAfterCall(to id: NodeID) {
        serve(id)
        serveThrottled()
    }

    /// Starts that wait for a silent node are not waited for.
    mutating func expireStaleStarts() {
        for call in calls.takeStale(at: .milliseconds(time), after: .milliseconds(Self.deadline)) {
            take { $0.handle(.answered(call, .unreachable("silent")), at: $1) }
        }
    }

    /// Does not make a call that still waits.
    mutating func drop(_ call: CallID, of id: NodeID) {
        if calls.remove(call, of: id) { eventQueue.add(.dropped(call, run: run), at: time + chance(5)) }
    }

    // MARK: - Calls that are carried out late

    /// A node goes on after a pause, or hears again, and receives what has waited, in order.
    mutating func resume(_ index: Int) {
        if nodes[index].isHeldUp(at: time) {
            return eventQueue.add(.resume(index), at: max(nodes[index].pausedUntil, nodes[index].deafUntil))
        }
        let received = nodes[index].inbox
        nodes[index].inbox = []
        for one in received {
            if nodes[index].isAlive, isLucky(85) {
                carryOut(one.call, at: index, of: one.run)
            } else if one.run == run {
                lose(one.call.id)
            }
        }
    }

    /// A node carries out a call that took long, if it has not been reset and the connection has not ended it.
    mutating func finishSlowCall(_ call: CallID, of index: Int, madeBy: Int) {
        guard let place = nodes[index].slow.firstIndex(where: { $0.call.id == call && $0.run == madeBy }) else {
            return
        }
        let one = nodes[index].slow.remove(at: place)
        let isListenedTo = flights[call] != nil && one.run == run
        guard isListenedTo || one.call.request.mayOutlastDeadline && isLucky(50) else { return }
        carryOut(one.call, at: index, of: one.run)
    }

    private mutating func endSlowCalls(of index: Int) {
        let slow = nodes[index].slow
        nodes[index].slow = []
        for one in slow where one.run == run { lose(one.call.id) }
    }

    /// A node's process ends, and with it all that it has received.
    mutating func end(_ index: Int) {
        nodes[index].end()
        let received = nodes[index].inbox
        nodes[index].inbox = []
        for one in received where one.run == run { lose(one.call.id) }
        endSlowCalls(of: index)
    }

    // MARK: - Connections that end

    /// The domain drops the calls of a node, and closes its connection: those under way arrive now or never.
    mutating func abandon(_ id: NodeID) {
        let gone = flights.values.filter { $0.call.node == id }.sorted { $0.call.id < $1.call.id }
        calls.abandon(id)
        for flight in gone {
            flights[flight.call.id] = nil
            carryOutOrLose(flight)
            if !flight.isOverdue { _ = calls.finish(flight.taken, .unknown("closed"), at: .milliseconds(time)) }
        }
        serveAfterCall(to: id)
    }

    /// The domain's process ends, and with it all its connections.
    mutating func abandonAll() {
        let gone = flights.values.sorted { $0.call.id < $1.call.id }
        (flights, calls, isResuming) = ([:], CallQueues(), false)
        for flight in gone { carryOutOrLose(flight) }
    }

    private mutating func carryOutOrLose(_ flight: Flight) {
        guard !flight.isDelivered, let index = flight.process, nodes[index].isAlive, !nodes[index].isHeldUp(at: time),
            Bool.random(using: &random)
        else { return }
        carryOut(flight.call, at: index, of: -1)
    }
}

extension NodeCall.Request {
    /// Whether a node that takes long may carry it out after its deadline, or after its connection has ended. Of the
    /// others, the last one that is carried out counts, so a late one would undo what a newer one did.
    fileprivate var mayOutlastDeadline: Bool {
        switch self {
        case .start, .stop: true
        case .reset, .addPeer, .removePeer, .patch: false
        }
    }
}
