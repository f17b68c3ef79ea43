import Domain

/// What nodes do and have done to them.
extension Simulation {
    /// The node begins anew, and registers within so many milliseconds.
    mutating func restart(_ place: Int, within limit: Int) {
        nodes[place].restart(&random)
        expect(place, within: limit)
    }

    /// The node's next refresh comes within so many milliseconds.
    mutating func expect(_ place: Int, within limit: Int) {
        agenda.add(.refresh(place, nonce: nodes[place].nonce), at: time + chance(limit))
    }

    mutating func refresh(_ place: Int, _ nonce: UInt64) {
        guard nodes[place].isAlive, nodes[place].nonce == nonce else { return }
        agenda.add(.refresh(place, nonce: nonce), at: time + 2000)
        guard time >= nodes[place].partitionedUntil, isHealed || !isLucky(shape.loss / 2) else { return }
        let deadline = (Self.wall(time) + nodes[place].skew) / 1000 + 4
        let update = NodeUpdate(
            node: nodes[place].id, description: nodes[place].description, refreshDeadline: UInt64(deadline),
            nonce: nonce, health: health(), samples: samples(of: place))
        lastRequest += 1
        let request = lastRequest
        take { $0.handle(.update(update, problem: nil, request), at: $1) }
    }

    /// Gives the next call of a node its turn: one at a time, in order.
    mutating func serve(_ place: Int) {
        guard !nodes[place].isBusy, let call = nodes[place].lane.popFirst() else { return }
        nodes[place].isBusy = true
        nodes[place].inFlight = call
        agenda.add(.deliver(place, run: run), at: time + 1 + chance(isHealed ? 20 : 300))
    }

    mutating func deliver(to place: Int) {
        guard let call = nodes[place].inFlight else { return }
        nodes[place].inFlight = nil
        func later(_ outcome: CallOutcome, _ delay: Int) {
            nodes[place].answer = (call.id, outcome)
            agenda.add(.answer(place, run: run), at: time + delay)
        }
        guard nodes[place].isAlive, time >= nodes[place].partitionedUntil else {
            return later(Bool.random(using: &random) ? .unreachable("no route") : .unknown("deadline"), chance(3000))
        }
        if !isHealed {
            if isLucky(shape.loss / 2) {
                return later(Bool.random(using: &random) ? .unreachable("lost") : .unknown("lost"), chance(2000))
            }
            if case .start = call.request, isLucky(5) { return later(.refused(DomainRefusal("not now")), chance(50)) }
            if isLucky(3) { return later(.failed("internal"), chance(50)) }
        }
        let outcome = nodes[place].carryOut(call.request, &random)
        if !isHealed, isLucky(shape.loss / 2) { return later(.unknown("the answer was lost"), chance(2000)) }
        later(outcome, chance(isHealed ? 20 : 300))
    }

    mutating func takeAnswer(of place: Int) {
        guard let (call, outcome) = nodes[place].answer else { return }
        nodes[place].answer = nil
        nodes[place].isBusy = false
        take { $0.handle(.answered(call, outcome), at: $1) }
        serve(place)
    }

    mutating func disturb() {
        guard let place = nodes.places.randomElement(using: &random) else { return }
        switch chance(4) {
        case 0:
            nodes[place].isAlive = false
            nodes[place].running = [:]
            agenda.add(.revive(place), at: time + chance(20_000))
        case 1: restart(place, within: 500)
        case 2: nodes[place].partitionedUntil = time + chance(15_000)
        default:
            nodes[place].description.invocationURL += "/"
            nodes[place].description.capabilities.labels.append("new")
        }
    }
}
