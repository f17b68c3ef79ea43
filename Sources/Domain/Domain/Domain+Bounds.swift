/// How many nodes may join, and how much may be stored.
extension Domain {
    /// The unknown nodes that have registered from one address.
    struct Newcomers: Sendable {
        var count = 0
        /// When counting began, on the monotonic clock in milliseconds.
        let since: Int
        /// Whether a refusal was logged.
        var isReported = false
    }

    /// How long unknown nodes of an address are counted, in milliseconds.
    private static let newcomerPeriod = 600_000

    /// Why an unknown node cannot join; nil if it can, and it is then counted for the address that it registers from.
    mutating func refusalToJoin(_ update: NodeUpdate) -> DomainRefusal? {
        guard isNewNodeAllowed(from: update.client) else {
            return DomainRefusal(
                "too many new nodes",
                detail:
                    "\(options.newNodesPerClient) nodes have registered from \(update.client) within ten minutes, and "
                    + "general.new_nodes_per_client allows no more")
        }
        var refusal = stateSize.refusal(of: StateSize.size(of: update.description), limit: options.stateLimit)
        if records.nodes.count >= options.nodeLimit {
            refusal = DomainRefusal("too many nodes", detail: "the limit is \(options.nodeLimit)")
        }
        guard let refusal else {
            newcomers[update.client, default: Newcomers(since: now.monotonic)].count += 1
            return nil
        }
        // Ids may be invented: not all are logged.
        if mayExplain() {
            logRefusal(of: update, refusal)
            noteExplanation()
        }
        return refusal
    }

    /// Why a node cannot have another description; nil if it can.
    func refusalToDescribe(_ known: NodeRecord, anew description: NodeDescription) -> DomainRefusal? {
        let growth = StateSize.size(of: description) - StateSize.size(of: known.description)
        return growth > 0 ? stateSize.refusal(of: growth, limit: options.stateLimit) : nil
    }

    /// Whether another unknown node may register from an address. The first refusal is logged for all of them, because ids
    /// may be invented.
    private mutating func isNewNodeAllowed(from client: String) -> Bool {
        guard !client.isEmpty, let some = newcomers[client] else { return true }
        guard now.monotonic - some.since < Self.newcomerPeriod else {
            newcomers[client] = nil
            return true
        }
        guard some.count >= options.newNodesPerClient else { return true }
        if !some.isReported {
            newcomers[client]?.isReported = true
            log(
                .warning, "new nodes of an address are refused for ten minutes: too many have registered",
                ["client": client, "nodes": "\(some.count)"])
        }
        return false
    }

    /// Forgets addresses from which no new node has registered for a while.
    mutating func forgetNewcomers() {
        guard !newcomers.isEmpty else { return }
        newcomers = newcomers.filter { now.monotonic - $0.value.since < Self.newcomerPeriod }
    }

    /// Why an instance cannot be stored; nil if it can. Starts in progress count as if they had succeeded.
    func refusalToStore(_ specification: Specification) -> DomainRefusal? {
        var texts = StateSize.size(of: specification)
        var code = stateSize.newCode(of: specification)
        var counted: Set<String> = code > 0 ? [specification.binary?.digest ?? ""] : []
        for attempt in attempts.values where attempt.request != nil {
            texts += attempt.texts
            let new = stateSize.newCode(of: attempt.specification)
            if new > 0, counted.insert(attempt.specification.binary?.digest ?? "").inserted { code += new }
        }
        return stateSize.refusal(of: texts, code: code, limit: options.stateLimit)
    }
}
