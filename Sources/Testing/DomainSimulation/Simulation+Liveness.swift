import Domain

/// Pauses, clocks, and nodes that leave.
extension Simulation {
    /// How long a node that refreshes every two seconds may be silent while the domain's process runs: more than two
    /// lost refreshes.
    private static let patience = 6_000

    /// Stops the domain's process for a while, and lets it go on. What arrives meanwhile waits.
    mutating func pause() {
        guard time >= pausedUntil else { return }
        let length = min(500 + chance(12_000), Self.start + shape.seconds * 1000 - time)
        pausedUntil = time + length
        paused += max(0, length - 1_000)
    }

    /// Steps the clock of a node or of the domain by hours.
    mutating func stepClocks() {
        let step = Self.hours(&random)
        guard let index = nodes.indices.randomElement(using: &random), Bool.random(using: &random) else {
            clockStep += step
            return
        }
        nodes[index].skew += step
    }

    /// A node says that it leaves, and ends.
    mutating func leave(_ index: Int) {
        nodes[index].hasLeft = true
        take(refreshOf: index, nonce: nodes[index].nonce, lead: -1)
        nodes[index].isAlive = false
        nodes[index].running = [:]
        eventQueue.add(.revive(index), at: time + 2_000 + chance(20_000))
    }

    /// Checks that no node is removed, which ends in a Reset, without a cause: it has restarted, has left or was silent.
    mutating func checkDepartures(_ step: DomainStep) {
        for case .nodeRemoved(let id) in step.changes {
            guard let index = nodes.index(of: id), nodes[index].isAlive, !nodes[index].hasLeft,
                stored.nodes[id]?.nonce == nodes[index].nonce
            else { continue }
            let silence = time - paused - nodes[index].lastHeard
            if silence < Self.patience { violations.append("\(id) was removed after a silence of \(silence) ms") }
        }
    }
}

extension Simulation.Item {
    /// Whether the domain's process must run for it.
    var needsProcess: Bool {
        switch self {
        case .tick, .refresh, .answer, .lateStart, .controllerAnswer, .act, .stored, .proxy: true
        case .deliver, .nodeFault, .revive, .crash, .pause, .clockFault, .redisFault, .redisRecovery: false
        }
    }
}
