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

    /// Stops the controller's process for a while.
    mutating func pauseController() { controllerPausedUntil = time + chance(12_000) }

    /// Steps the clock of a node or of the domain by hours. While the domain's process is paused, only its own clock is
    /// stepped: a node whose interval is not known, whose refreshes wait, and whose clock is set back, seems to leave.
    mutating func stepClocks() {
        let step = Self.hours(&random)
        guard let index = nodes.indices.randomElement(using: &random), Bool.random(using: &random),
            time >= pausedUntil
        else {
            clockStep += step
            return
        }
        nodes[index].skew += step
    }

    /// A node says that it leaves, and ends.
    mutating func leave(_ index: Int) {
        nodes[index].hasLeft = true
        if time >= max(nodes[index].muteUntil, nodes[index].pausedUntil) {
            take(refreshOf: index, nonce: nodes[index].nonce, deadline: deadline(of: index, lead: -1))
        }
        end(index)
        eventQueue.add(.revive(index), at: time + 2_000 + chance(20_000))
    }

    /// Checks that no node is removed, which ends in a Reset, without a cause: it has restarted, has left or was silent,
    /// or another process has taken its id, which happens once.
    mutating func checkDepartures(_ step: DomainStep) {
        for case .nodeRemoved(let id) in step.changes {
            guard let former = formerNonce(of: id) else { continue }
            let next = step.changes.compactMap { change -> UInt64? in
                if case .node(let record) = change, record.id == id { record.nonce } else { nil }
            }.last
            if let next, next != former {
                replaced[id, default: []].insert(former)
                if replaced[id]?.contains(next) == true {
                    violations.append("\(id): a process that another one had replaced is back, and evicts it")
                }
                continue
            }
            replaced[id] = nil
            guard let index = nodes.index(of: id, nonce: former), !nodes[index].hasLeft else { continue }
            let silence = time - paused - nodes[index].lastHeard
            if silence < Self.patience { violations.append("\(id) was removed after a silence of \(silence) ms") }
            if isTickLate, nodes[index].waitingRefreshes > 0 {
                violations.append("\(id) was removed after a pause of the domain, although its refresh had come")
            }
        }
    }

    /// The run of a node that takes part in the domain before the step that is not queued yet.
    private func formerNonce(of id: NodeID) -> UInt64? {
        var nonce = stored.nodes[id]?.nonce
        for step in commits.uncommitted + (commits.committing + commits.queued).map(\.step) {
            for change in step.changes {
                switch change {
                case .node(let record) where record.id == id: nonce = record.nonce
                case .nodeRemoved(id): nonce = nil
                default: break
                }
            }
        }
        return nonce
    }

    /// Checks that a Reset reaches no node that takes part in the domain.
    mutating func checkReset(of index: Int) {
        guard let record = domain.records.nodes[nodes[index].id], record.isReset, record.nonce == nodes[index].nonce
        else { return }
        violations.append("\(record.id) was reset although it was ready")
    }
}

extension Simulation.Item {
    /// Whether the domain's process must run for it.
    var needsProcess: Bool {
        switch self {
        case .tick, .waitingRefresh, .answer, .deadline, .dropped, .resumeCalls, .controllerAnswer,
            .controllerSilence, .act, .stored,
            .proxy:
            true
        case .refresh, .deliver, .slowCall, .resume, .nodeFault, .revive, .crash, .pause, .controllerPause, .clockFault,
            .diskFault,
            .redisFault, .redisRecovery:
            false
        }
    }
}
