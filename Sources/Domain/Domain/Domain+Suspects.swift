/// What a node has not answered. While there is anything, the node is suspect: the last choice for Starts.
struct Suspicion: Sendable {
    /// Starts that were not answered in time.
    struct OverdueStarts: Sendable {
        /// How many delays have passed without an answer to a Start.
        var failures = 0
        /// When one Start may try the node again, on the monotonic clock in milliseconds.
        var next: Int
        /// The Start that tries it.
        var trial: CallID?

        /// Begins the delay before the next trial: 10 seconds at first, then twice the last, at most 5 minutes.
        init(after former: OverdueStarts?, at now: Int) {
            failures = former.map { $0.failures + 1 } ?? 0
            next = now + min(10_000 << min(failures, 5), 300_000)
        }
    }

    /// Whether it has not answered the last call.
    var isSilent = false
    /// Present until the node answers a Start in time: it may answer all other calls and hang in Starts alone.
    var starts: OverdueStarts?

    /// Whether the node is chosen as if it were not suspect.
    func allowsTrial(at now: Int) -> Bool {
        guard !isSilent, let starts else { return false }
        return starts.trial == nil && starts.next <= now
    }
}

/// Nodes that refresh although their agent does not answer.
extension Domain {
    /// Takes note of whether a node answers. After one unanswered call it is suspect, until it answers again; after a Start
    /// that it did not answer in time, until it answers a Start in time.
    ///
    /// - Parameters:
    ///   - start: the Start with this outcome; nil for another call, and for a Start whose answer was overdue.
    ///   - isRetried: whether the call is repeated until the node answers.
    mutating func note(_ outcome: CallOutcome, of node: NodeID, start: CallID? = nil, isRetried: Bool) {
        guard records.nodes[node] != nil else { return }
        let former = suspects[node]
        let isTrial = start != nil && former?.starts?.trial == start
        if isTrial { suspects[node]?.starts?.trial = nil }
        switch outcome {
        case .done, .started, .refused, .failed:
            guard var suspicion = former else { return }
            if start != nil { suspicion.starts = nil }
            guard suspicion.starts != nil else {
                suspects[node] = nil
                return log(.notice, "a node answers again", logFields(of: node))
            }
            guard suspicion.isSilent else { return }
            suspects[node]?.isSilent = false
            log(
                .notice, "a node answers, but has not answered its last Start; it is the last choice until it does",
                logFields(of: node))
        case .dropped: return
        case .unreachable, .unknown, .overdue:
            var suspicion = suspects[node] ?? Suspicion()
            // Starts that are overdue together count once.
            if outcome.isOverdue && now.monotonic >= suspicion.starts?.next ?? 0 || isTrial {
                suspicion.starts = .init(after: suspicion.starts, at: now.monotonic)
            }
            suspicion.isSilent = true
            suspects[node] = suspicion
            if former == nil {
                log(
                    .warning, "a node does not answer; it is the last choice for Starts until it does",
                    logFields(of: node).merging(["reason": outcome.problem ?? ""]) { $1 })
            }
            if former?.isSilent != true, !isRetried { probe(node) }
        }
    }

    /// Calls a node until it answers. A node knows itself as a peer, so the call changes nothing.
    mutating func probe(_ node: NodeID) {
        guard records.nodes[node]?.isReset == true, pendingCalls[.peer(node, of: node)] == nil else { return }
        enqueue(.peer(node, of: node))
    }

    /// Takes note that a node is sent a Start, which may be the one that tries it.
    mutating func noteTrial(_ start: CallID, at node: NodeID) {
        guard suspects[node]?.allowsTrial(at: now.monotonic) == true else { return }
        suspects[node]?.starts?.trial = start
    }

    /// Chooses with `choose` among the nodes that are not suspect or due for a trial and, if there is none, among all.
    ///
    /// - Parameter tried: nodes to skip in any case.
    mutating func choosing<Choice>(
        excluding tried: Set<NodeID>, _ choose: (inout Domain, Set<NodeID>) -> Choice?
    ) -> Choice? {
        guard !suspects.isEmpty else { return choose(&self, tried) }
        let avoided = suspects.filter { !$0.value.allowsTrial(at: now.monotonic) }.keys
        return choose(&self, tried.union(avoided)) ?? choose(&self, tried)
    }
}

extension CallOutcome {
    fileprivate var isOverdue: Bool { if case .overdue = self { true } else { false } }
}
