/// The time that leases count, and how many nodes may leave.
struct Liveness: Sendable {
    /// Milliseconds in which the orchestrator has served nodes. A pause of the process (SIGSTOP, a snapshot of the
    /// virtual machine, a stalled disk) does not count, and neither does a step of a wall clock.
    private(set) var served = 0
    private var lastEvent: Int
    /// The serving time of the first event after the last pause.
    private var resumed = Int.min / 2
    private var lastTick: Int
    private var isLate = false
    /// Whether leases have stopped expiring, here and in the domains rebuilt from this one.
    var isEnding = false
    /// The nodes that may still leave in this interval; nil unless most nodes are missing.
    var allowance: Int?
    /// When the allowance is renewed.
    var nextAllowance = 0
    /// When the nodes whose leases expired lately were removed. They are missing until they join again.
    var evicted: [NodeID: Int] = [:]

    /// Ticks come at least once a second; a longer time without an event was a pause.
    static let longestStep = 1_000
    /// A tick that comes later than this is late: refreshes may be queued behind it.
    private static let lateTick = 1_500
    /// How often the allowance is renewed, in milliseconds of serving time.
    static let interval = 10_000
    /// Fewer missing nodes than this say nothing about the orchestrator's network.
    static let fewest = 3
    /// How long a node counts as missing after its lease, in milliseconds of serving time.
    static let memory = 60_000

    init(at now: Timestamp) { (lastEvent, lastTick) = (now.monotonic, now.monotonic) }

    /// Counts the time since the last event.
    mutating func pass(until now: Timestamp) {
        let step = max(0, now.monotonic - lastEvent)
        served += min(step, Self.longestStep)
        if step > Self.lateTick { resumed = served }
        lastEvent = max(lastEvent, now.monotonic)
    }

    /// Whether a pause has just ended, so that what waited meanwhile arrives.
    var isResuming: Bool { served - resumed < Self.longestStep }

    /// Takes a tick.
    ///
    /// - Returns: whether leases may be judged: it comes in time, or the last one was late already. On a disk that is
    ///   slow at every commit, all of them are late.
    mutating func takeTick(at now: Timestamp) -> Bool {
        isLate = !isLate && now.monotonic - lastTick > Self.lateTick
        lastTick = max(lastTick, now.monotonic)
        return !isLate
    }
}

extension Domain {
    /// Stops leases from expiring. Call this before the server stops listening for refreshes.
    package mutating func holdLeases() { liveness.isEnding = true }

    /// Renews a node's lease after a refresh.
    mutating func renew(_ update: NodeUpdate) {
        live[update.node, default: LiveNode(lease: NodeLease(end: 0, length: 0))].lease.renew(
            until: update.refreshDeadline, at: now, served: liveness.served, isAfterPause: liveness.isResuming,
            .init(minimum: options.leaseMinimum * 1000, maximum: options.leaseMaximum * 1000))
    }

    /// Removes the nodes that leave or whose lease has ended. While most nodes are missing, only a bounded number that
    /// have been ready leave in an interval: the orchestrator's network has probably failed, not all the nodes.
    mutating func evictMissingNodes() {
        let isInTime = liveness.takeTick(at: now)
        guard !liveness.isEnding else { return }
        let leaving = live.filter { $0.value.lease.isLeaving }.keys.sorted()
        for id in leaving { logEnd(of: id, "a node has left; its instances are started elsewhere") }
        guard isInTime else { return remove(leaving) }
        let expired = live.filter { !$0.value.lease.isLeaving && $0.value.lease.end < liveness.served }.keys.sorted()
        let ready = expired.filter { records.nodes[$0]?.isReset == true }
        limitEvictions(expired: ready.count)
        let evicted = liveness.allowance.map { Set(ready.prefix($0)) } ?? Set(ready)
        if let allowance = liveness.allowance {
            liveness.allowance = allowance - evicted.count
            effect(.evictionsDelayed(ready.count - evicted.count))
        }
        let gone = expired.filter { evicted.contains($0) || records.nodes[$0]?.isReset != true }
        for id in gone {
            logEnd(of: id, "a node's lease has expired; its instances are started elsewhere")
            remember(id)
        }
        for id in evicted { liveness.evicted[id] = liveness.served }
        remove((leaving + gone).sorted())
    }

    /// Decides whether evictions are bounded, and renews the allowance of an interval.
    private mutating func limitEvictions(expired: Int) {
        guard expired > 0 || liveness.allowance != nil else { return }
        let served = liveness.served
        liveness.evicted = liveness.evicted.filter {
            served - $0.value < Liveness.memory && records.nodes[$0.key] == nil
        }
        let ready = records.nodes.values.filter(\.isReset)
        let missing = liveness.evicted.count + ready.count { live[$0.id]?.lease.isOverdue(at: served) ?? true }
        let nodes = liveness.evicted.count + ready.count
        let areMostMissing = missing >= Liveness.fewest && 2 * missing > nodes
        if liveness.allowance == nil {
            guard areMostMissing else { return }
            log(
                .warning, "most nodes are missing; their instances are moved slowly: check the orchestrator's network",
                [
                    "missing": "\(missing)", "nodes": "\(nodes)",
                    "limit": "\(options.evictionsPerInterval) in \(Liveness.interval / 1000) s",
                ])
            liveness.allowance = 0
        } else if expired == 0, !areMostMissing {
            liveness.allowance = nil
            log(.notice, "the missing nodes are back, or have left; evictions are not limited any more")
            return effect(.evictionsDelayed(0))
        }
        guard served >= liveness.nextAllowance else { return }
        liveness.allowance = options.evictionsPerInterval
        liveness.nextAllowance = served + Liveness.interval
    }

    private mutating func logEnd(of id: NodeID, _ text: String) {
        log(.warning, text, logFields(of: id).merging(["instances": "\(running[id]?.count ?? 0)"]) { $1 })
    }
}
