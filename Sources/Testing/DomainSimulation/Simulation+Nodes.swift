import Domain

/// Events of the nodes.
extension Simulation {
    /// Restarts a node, which registers within this many milliseconds.
    mutating func restart(_ index: Int, within limit: Int) {
        nodes[index].restart(&random)
        expect(index, within: limit)
    }

    /// Schedules the node's next refresh within this many milliseconds.
    mutating func expect(_ index: Int, within limit: Int) {
        eventQueue.add(.refresh(index, nonce: nodes[index].nonce), at: time + chance(limit))
    }

    mutating func refresh(_ index: Int, _ nonce: UInt64) {
        guard nodes[index].isAlive, nodes[index].nonce == nonce else { return }
        eventQueue.add(.refresh(index, nonce: nonce), at: time + 2000)
        guard time >= nodes[index].partitionedUntil, isHealed || !isLucky(shape.loss / 2) else { return }
        nodes[index].lastHeard = time - paused
        take(refreshOf: index, nonce: nonce, lead: 4)
    }

    mutating func take(refreshOf index: Int, nonce: UInt64, lead: Int) {
        let deadline = (Self.wall(time) + nodes[index].skew) / 1000 + lead
        let update = NodeUpdate(
            node: nodes[index].id, description: nodes[index].description, refreshDeadline: UInt64(deadline),
            nonce: nonce, health: health(), samples: samples(of: index))
        lastRequest += 1
        let request = lastRequest
        take { $0.handle(.update(update, problem: nil, request), at: $1) }
    }

    /// Delivers the next call of a node: one at a time, in order.
    mutating func serve(_ index: Int) {
        guard !nodes[index].isBusy, let call = nodes[index].queue.popFirst() else { return }
        nodes[index].isBusy = true
        nodes[index].inFlight = call
        eventQueue.add(.deliver(index, run: run), at: time + 1 + chance(isHealed ? 20 : 300))
    }

    mutating func deliver(to index: Int) {
        guard let call = nodes[index].inFlight else { return }
        nodes[index].inFlight = nil
        func later(_ outcome: CallOutcome, _ delay: Int) {
            nodes[index].answer = (call.id, outcome)
            eventQueue.add(.answer(index, run: run), at: time + delay)
        }
        guard nodes[index].isAlive, time >= nodes[index].partitionedUntil else {
            return later(Bool.random(using: &random) ? .unreachable("no route") : .unknown("deadline"), chance(3000))
        }
        if !isHealed {
            if isLucky(shape.loss / 2) {
                return later(Bool.random(using: &random) ? .unreachable("lost") : .unknown("lost"), chance(2000))
            }
            if case .start = call.request, isLucky(5) { return later(.refused(DomainRefusal("not now")), chance(50)) }
            if isLucky(3) { return later(.failed("internal"), chance(50)) }
        }
        if case .start = call.request, !isHealed, isLucky(5) {
            nodes[index].overdue.append(call)
            eventQueue.add(.lateStart(index, call: call.id, run: run), at: time + 500 + chance(20_000))
            return later(.overdue("deadline"), chance(300))
        }
        let outcome = nodes[index].carryOut(call.request, &random)
        if !isHealed, isLucky(shape.loss / 2) { return later(.unknown("the answer was lost"), chance(2000)) }
        later(outcome, chance(isHealed ? 20 : 300))
    }

    /// A node carries out a Start after its deadline. The answer reaches the domain's process if it still runs.
    mutating func finishLateStart(_ call: CallID, of index: Int, _ run: Int) {
        guard let place = nodes[index].overdue.firstIndex(where: { $0.id == call }) else { return }
        let start = nodes[index].overdue.remove(at: place)
        guard nodes[index].isAlive else { return }
        let isConnected = run == self.run && time >= nodes[index].partitionedUntil
        // A broken connection may have ended it.
        guard isConnected || isLucky(50) else {
            if run == self.run { take { $0.handle(.answered(call, .unknown("connection lost")), at: $1) } }
            return
        }
        let outcome = nodes[index].carryOut(start.request, &random)
        if run == self.run {
            take { $0.handle(.answered(call, isConnected ? outcome : .unknown("connection lost")), at: $1) }
        }
    }

    mutating func takeAnswer(of index: Int) {
        guard let (call, outcome) = nodes[index].answer else { return }
        nodes[index].answer = nil
        nodes[index].isBusy = false
        take { $0.handle(.answered(call, outcome), at: $1) }
        serve(index)
    }

    mutating func disturb() {
        guard let index = nodes.indices.randomElement(using: &random) else { return }
        switch chance(5) {
        case 4 where time >= pausedUntil && nodes[index].isAlive: leave(index)
        case 0:
            nodes[index].isAlive = false
            nodes[index].running = [:]
            eventQueue.add(.revive(index), at: time + chance(20_000))
        case 1: restart(index, within: 500)
        case 2: nodes[index].partitionedUntil = time + chance(15_000)
        default:
            nodes[index].description.invocationURL += "/"
            nodes[index].description.capabilities.labels.append("new")
        }
    }
}
