import Domain

/// Events of the nodes.
extension Simulation {
    /// Restarts a node, which registers within this many milliseconds.
    mutating func restart(_ index: Int, within limit: Int) {
        end(index)
        nodes[index].restart(&random)
        expect(index, within: limit)
    }

    /// Schedules the node's next refresh within this many milliseconds.
    mutating func expect(_ index: Int, within limit: Int) {
        eventQueue.add(.refresh(index, nonce: nodes[index].nonce), at: time + chance(limit))
    }

    mutating func refresh(_ index: Int, _ nonce: UInt64) {
        guard nodes[index].isAlive, nodes[index].nonce == nonce else { return }
        guard time >= nodes[index].pausedUntil else {
            return eventQueue.add(.refresh(index, nonce: nonce), at: nodes[index].pausedUntil)
        }
        // After this one, which may wait until then.
        defer { eventQueue.add(.refresh(index, nonce: nonce), at: time + 2000) }
        guard time >= nodes[index].muteUntil, isHealed || !isLucky(shape.loss / 2) else { return }
        let deadline = deadline(of: index, lead: 4)
        guard time < pausedUntil else { return take(refreshOf: index, nonce: nonce, deadline: deadline) }
        nodes[index].waitingRefreshes += 1
        // Those that wait over several connections arrive in any order.
        eventQueue.add(
            .waitingRefresh(index, nonce: nonce, deadline: deadline, run: run), at: pausedUntil + chance(200))
    }

    /// The domain's process goes on after a pause, and reads a refresh that came meanwhile.
    mutating func takeWaiting(refreshOf index: Int, nonce: UInt64, deadline: Int, run: Int) {
        nodes[index].waitingRefreshes -= 1
        guard run == self.run else { return }
        take(refreshOf: index, nonce: nonce, deadline: deadline)
    }

    /// The deadline that a node announces, by its clock.
    func deadline(of index: Int, lead: Int) -> Int {
        (Self.wall(time) + nodes[index].skew) / 1000 + lead
    }

    mutating func take(refreshOf index: Int, nonce: UInt64, deadline: Int) {
        nodes[index].lastHeard = time - paused
        let update = NodeUpdate(
            node: nodes[index].id, description: nodes[index].description, refreshDeadline: UInt64(deadline),
            nonce: nonce, health: health(), samples: samples(of: index))
        lastRequest += 1
        let request = lastRequest
        take { $0.handle(.update(update, problem: nil, request), at: $1) }
    }

    // MARK: - Faults

    mutating func disturb() {
        guard let index = nodes.processes.randomElement(using: &random) else { return }
        let until = time + chance(15_000)
        switch chance(10) {
        case 0:
            end(index)
            eventQueue.add(.revive(index), at: time + chance(20_000))
        case 1: restart(index, within: 500)
        case 2: (nodes[index].deafUntil, nodes[index].muteUntil) = (until, until)
        case 3: nodes[index].deafUntil = until
        case 4: nodes[index].muteUntil = until
        case 5: nodes[index].pausedUntil = until
        case 6: loseComponent(of: index)
        case 7: if nodes.rivals.count < 2 { addRival(of: index) }
        case 8 where time >= pausedUntil && nodes[index].isAlive: leave(index)
        default:
            nodes[index].description.invocationURL += "/"
            nodes[index].description.capabilities.labels.append("new")
        }
        resume(index)
    }

    /// A component ends by itself, which the node does not report.
    private mutating func loseComponent(of index: Int) {
        guard let component = nodes[index].running.keys.min() else { return }
        nodes[index].running[component] = nil
        nodes[index].lost.insert(component)
    }

    /// Another process registers with the id of a node, which goes on refreshing.
    private mutating func addRival(of index: Int) {
        var rival = SimulatedNode(
            id: nodes[index].id, description: nodes[index].description, nonce: random.next(), skew: 0)
        rival.description.agentURL = "http://10.1.0.\(nodes.rivals.count):7005"
        expect(nodes.addRival(rival), within: 1_000)
    }
}
