/// The state of an edge domain: its nodes, where each instance runs, and the calls that are still pending.
///
/// A pure state machine. Each event returns a ``DomainStep``: changes to commit and effects to carry out. The caller
/// supplies time, randomness and ids. ``records`` holds what the controller wants and where each instance runs; every
/// difference between the records and the nodes is a ``PendingCall``, retried until the node confirms it or leaves.
package struct Domain: Sendable {
    /// The committed state: everything that survives a restart.
    package internal(set) var records: DomainRecords
    /// The configuration.
    package private(set) var options: DomainOptions
    var random: Xoshiro
    var now: Timestamp
    /// The result of the current step so far.
    var step = DomainStep()

    // MARK: Derived from the records

    /// The instances on each node.
    var running: [NodeID: Set<LogicalID>] = [:]
    /// The instances whose wiring leads to an instance.
    var origins: [LogicalID: Set<LogicalID>] = [:]
    /// The nodes that claim a provider name; the lowest number owns it.
    var claims: [String: [UInt64: NodeID]] = [:]
    /// The placement index; nil after a node changed.
    var placementIndex: PlacementIndex?
    /// Incremented whenever the set of feasible placements may have changed.
    var generation = 0

    /// How much is stored.
    var stateSize: StateSize

    // MARK: State of this process

    /// What this process knows about a node; not persisted.
    struct LiveNode: Sendable {
        var lease: NodeLease
        /// Its earlier nonces, and when each was last seen; after a restart of the orchestrator, that is the restart.
        var formerNonces: [(nonce: UInt64, at: Int)] = []
        /// The CPUs that were busy in its last report, and the functions sent there since.
        var load = 0.0
        var startedSinceReport = 0
        /// When it was last sent a Start, on the monotonic clock in milliseconds.
        var lastStart = 0
    }

    var live: [NodeID: LiveNode] = [:]
    /// The unknown nodes that have registered from each address.
    var newcomers: [String: Newcomers] = [:]
    /// Nodes whose agent does not answer.
    var suspects: [NodeID: Suspicion] = [:]
    /// The number of nodes whose agent does not answer.
    package var suspectCount: Int { suspects.count }
    /// Nodes that may return without a reset.
    var missing: [NodeID: MissingNode] = [:]
    /// Running components whose start was not persisted.
    var uncommittedOrphans: [PhysicalID: ComponentKind] = [:]
    /// Nodes whose unknown outcomes could not be committed.
    var uncommittedOutcomes: Set<NodeID> = []
    /// Starts in flight that no instance waits for.
    var detachedStarts: [CallID: DetachedStart] = [:]
    /// The last logged refusal of each node, and the nonce of the process that was refused.
    var reportedRefusals: [NodeID: (nonce: UInt64, reason: String)] = [:]
    /// The nodes of which this process has stored that they are starting something.
    var storedStarting: Set<NodeID> = []
    /// The same with the commit in progress.
    var committingStarting: Set<NodeID> = []
    /// The nodes that were starting something when an earlier process ended; empty once that is committed.
    var formerlyStarting: Set<NodeID>
    /// The next number of an instance or a claim.
    private(set) var nextNumber: UInt64
    /// The calls in flight, with their node and purpose.
    var calls: [CallID: (node: NodeID, purpose: CallPurpose)] = [:]
    var callsOfNode: [NodeID: Set<CallID>] = [:]
    var lastCall: CallID = 0
    var pendingCalls = PendingCalls()
    /// When to retry the pending calls that are backing off.
    var waiting: [PendingCall: Int] = [:]
    /// The peer updates that wait for earlier ones of their node.
    var peerBacklogs: [NodeID: PeerBacklog] = [:]
    /// How many peer updates are outstanding after a node joined or left.
    var openPeerCalls: [NodeID: Int] = [:]
    /// Leases, and the time that they count.
    var liveness: Liveness
    /// Starts in progress.
    var attempts: [LogicalID: StartAttempt] = [:]
    /// Instances between two placements. Their origins are not patched until the placement is decided.
    var relocating: Set<LogicalID> = []
    /// Starts waiting for a node that is still joining, and the generation in which they were last tried.
    var pendingStarts: [LogicalID: Int] = [:]
    /// Instances without a node, and the generation in which none was found.
    var unschedulable: [LogicalID: Int] = [:]
    /// Instances whose node no longer meets their requirements, and the generation in which no other node did.
    var infeasible: [LogicalID: Int] = [:]
    /// The instances whose reason for waiting was already logged.
    var reportedUnschedulable: Set<LogicalID> = []
    /// How many infeasibility reasons were logged in this second.
    var explained = (second: 0, count: 0)
    /// Migrations that wait for the old instance to stop.
    var migrations: [LogicalID: Migration] = [:]
    /// The NUMA share of each function that asked for one; only with the LoadAware strategy.
    var shares: [LogicalID: NUMAShare] = [:]
    /// The NUMA shares still held by instances that are being stopped.
    var leaving: [NodeID: [PhysicalID: NUMAShare]] = [:]
    /// What each node sets aside for such functions; cleared when a node changes.
    var allocatables: [NodeID: NodeAllocatable] = [:]
    /// The node that RoundRobin chose last.
    var lastChosen: NodeID?
    var nextControllerUpdate: Int
    var isControllerAsked = false
    /// Why the controller did not accept the last update; nil if it did.
    var controllerProblem: String?
    var sentCapabilities: DomainCapabilities?
    /// The last sent capabilities whose counter is committed.
    var committedCapabilities: DomainCapabilities?
    /// The same for the commit in progress.
    var committingCapabilities: DomainCapabilities?
    /// Whether the next update repeats the committed capabilities: no new counter could be committed, and the
    /// controller must not lose the domain for that.
    var sendsCommittedCapabilities = false
    /// Whether the nonce of controller updates is committed.
    var isNonceStored: Bool

    /// Creates a domain from `records`. Call ``begin(at:)`` for its first step.
    package init(records: DomainRecords = DomainRecords(), options: DomainOptions, random: Xoshiro, now: Timestamp) {
        self.records = records
        self.options = options
        self.random = random
        self.now = now
        stateSize = StateSize(of: records)
        nextNumber = records.sequence
        formerlyStarting = records.starting
        nextControllerUpdate = now.monotonic
        isNonceStored = records.nonce != 0
        liveness = Liveness(at: now)
        for record in records.instances.values {
            if let physical = record.physical { running[physical.node, default: []].insert(record.id) }
            if let share = try? share(of: record.specification), !share.isEmpty { shares[record.id] = share }
        }
        for (origin, wiring) in records.wirings {
            for target in wiring.values { origins[target, default: []].insert(origin) }
        }
        for node in records.nodes.values {
            for (name, number) in node.claims { claims[name, default: [:]][number] = node.id }
            let grace = options.recoveryGrace * 1000
            live[node.id] = LiveNode(
                lease: NodeLease(end: liveness.served + grace, length: grace),
                formerNonces: node.formerNonces.map { ($0, now.monotonic) })
        }
    }

    /// Resumes the work that a restart interrupted and announces the domain to its controller.
    package mutating func begin(at now: Timestamp) -> DomainStep {
        self.now = now
        if records.nonce == 0 {
            change(.identity(nonce: random.next() | 1, counter: records.counter, sequence: records.sequence))
        }
        if records.domainID != options.domainID { change(.domain(options.domainID)) }
        for node in records.nodes.values.sorted(by: { $0.id < $1.id }) {
            if !node.isReset { enqueue(.reset(node.id)) } else if !node.isMeshed { mesh(node.id) }
        }
        for node in records.departed.sorted() { announceDeparture(node) }
        for (node, suspicion) in suspects.sorted(by: { $0.key < $1.key }) where suspicion.isSilent { probe(node) }
        for physical in records.orphans.keys.sorted() {
            enqueue(.stop(physical))
            // An earlier Stop may already have been carried out.
            pendingCalls[.stop(physical)]?.hadUnknownOutcome = true
        }
        for (physical, kind) in uncommittedOrphans.sorted(by: { $0.key < $1.key }) { discard(physical, kind) }
        for node in uncommittedOutcomes.sorted() { noteUnknownOutcome(of: node) }
        noteStartsOfEarlierProcess()
        for record in records.instances.values {
            if record.physical == nil {
                relocating.insert(record.id)
                unschedulable[record.id] = -1
            } else if !fitsWhereItRuns(record) {
                infeasible[record.id] = -1
            }
        }
        for id in records.patchesDue.sorted() { enqueue(.patch(id)) }
        retryPlacement()
        updateController()
        return finishStep()
    }

    /// Handles an event.
    ///
    /// - Returns: the changes to commit, and the effects to carry out afterwards.
    package mutating func handle(_ event: DomainEvent, at now: Timestamp) -> DomainStep {
        self.now = now
        liveness.pass(until: now)
        switch event {
        case .update(let update, let problem, let request): take(update, problem: problem, request)
        case .start(let specification, let request): start(specification, request)
        case .stop(let id): stop(id)
        case .patch(let origin, let wiring): patch(origin, wiring)
        case .answered(let call, let outcome): take(outcome, of: call)
        case .controllerAnswered(let number, let outcome): takeController(outcome, number)
        case .intent(let intent, let request): take(intent, request)
        case .tick: tick()
        }
        return finishStep()
    }

    /// Uses other options from now on. The domain's name, URL and strategy stay.
    package mutating func configure(_ options: DomainOptions) {
        var options = options
        (options.domainID, options.orchestratorURL) = (self.options.domainID, self.options.orchestratorURL)
        options.strategy = self.options.strategy
        self.options = options
    }

    private mutating func tick() {
        evictMissingNodes()
        forgetMissingNodes()
        forgetNewcomers()
        let due = waiting.filter { $0.value <= now.monotonic }.keys.sorted()
        for pendingCall in due where pendingCalls[pendingCall] != nil { perform(pendingCall) }
        retryPlacement()
        noteIdleNodes()
        updateController()
    }

    mutating func finishStep() -> DomainStep {
        defer { step = DomainStep() }
        return step
    }

    // MARK: - The current step

    /// Applies a change to the records and adds it to the step.
    mutating func change(_ change: DomainChange) {
        stateSize.take(change, of: records)
        records.apply(change)
        step.changes.append(change)
        switch change {
        case .instanceRemoved(let id):
            if shares.removeValue(forKey: id) != nil { generation += 1 }
        case .placed(let id, nil):
            // An instance without room may fit now.
            if shares[id] != nil { generation += 1 }
        case .orphan(let physical, _, false):
            if leaving[physical.node]?.removeValue(forKey: physical) != nil { generation += 1 }
        case .nodeRemoved(let id):
            leaving[id] = nil
            forgetStarting(id)
        case .starting(let id, false): forgetStarting(id)
        default: break
        }
    }

    /// Starts of this node wait for a commit again.
    private mutating func forgetStarting(_ id: NodeID) {
        storedStarting.remove(id)
        committingStarting.remove(id)
    }

    mutating func effect(_ effect: DomainEffect) { step.effects.append(effect) }

    mutating func log(_ level: LogMessage.Level, _ text: String, _ fields: [String: String] = [:]) {
        effect(.log(LogMessage(level, text, fields)))
    }

    /// The next number of an instance or a claim. Numbers are reserved in batches so that most need no commit.
    mutating func takeNumber() -> UInt64 {
        let number = nextNumber
        nextNumber += 1
        if nextNumber > records.sequence {
            change(
                .identity(nonce: records.nonce, counter: records.counter, sequence: number + Self.numbersRecorded))
        }
        return number
    }

    private static let numbersRecorded: UInt64 = 256

    /// Creates a call to a node and waits for its answer from now on.
    mutating func makeCall(_ node: NodeRecord, _ request: NodeCall.Request, for purpose: CallPurpose) -> NodeCall {
        lastCall += 1
        calls[lastCall] = (node.id, purpose)
        callsOfNode[node.id, default: []].insert(lastCall)
        return NodeCall(id: lastCall, node: node.id, agentURL: node.description.agentURL, request: request)
    }

    /// Ends a call that nobody needs any more: it is not made if it still waits for its turn. The outcome of a Start
    /// is still waited for, because it may have been carried out.
    mutating func drop(_ id: CallID?) {
        guard let id, let call = calls[id] else { return }
        if case .pendingCall = call.purpose {
            calls[id] = nil
            callsOfNode[call.node]?.remove(id)
        }
        effect(.drop(id, of: call.node))
    }

    private mutating func take(_ outcome: CallOutcome, of id: CallID) {
        if let former = detachedStarts[id] {
            note(outcome, of: former.node, isRetried: false)
            // Overdue at last: its outcome follows.
            if case .overdue = outcome { return }
            detachedStarts[id] = nil
            return finishDetached(outcome, former)
        }
        // An answer from a node that has left is ignored.
        guard let call = calls.removeValue(forKey: id) else { return }
        callsOfNode[call.node]?.remove(id)
        switch call.purpose {
        case .pendingCall(let pendingCall):
            note(outcome, of: call.node, isRetried: true)
            finish(pendingCall, call: id, outcome)
        case .start(let instance, let kind):
            note(outcome, of: call.node, start: id, isRetried: false)
            takeStart(outcome, of: instance, kind, at: call.node, call: id)
        }
    }
}

/// Why a node was called.
enum CallPurpose: Hashable, Sendable {
    case pendingCall(PendingCall)
    case start(LogicalID, ComponentKind)
}

extension Domain {
    /// Rebuilds the domain from `records` after a failed commit. Calls are forgotten; leases continue. Call
    /// ``begin(at:)`` for its first step.
    ///
    /// - Parameters:
    ///   - lost: the changes that could not be committed. Components that they started are stopped.
    ///   - neverMade: calls that were requested and will not be made. Other Starts in flight are stopped when they
    ///     answer.
    package func restarted(
        from records: DomainRecords, without lost: [DomainChange], neverMade: Set<CallID> = [], options: DomainOptions,
        at now: Timestamp
    ) -> Domain {
        var domain = Domain(records: records, options: options, random: random, now: now)
        domain.uncommittedOrphans = uncommittedOrphans
        domain.uncommittedOutcomes = uncommittedOutcomes
        domain.takeOver(lost)
        domain.lastCall = lastCall
        // Not in the first step, which must be committed before any of its effects: the next tick sends it. The last
        // update may not have been sent.
        domain.nextControllerUpdate = now.monotonic + 1
        domain.sentCapabilities = committedCapabilities
        domain.committedCapabilities = committedCapabilities
        domain.sendsCommittedCapabilities = true
        domain.controllerProblem = controllerProblem
        domain.liveness = liveness
        domain.newcomers = newcomers
        let grace = options.recoveryGrace * 1000
        for id in domain.live.keys {
            domain.live[id]?.lease = NodeLease(end: liveness.served + grace, length: grace)
        }
        domain.formerlyStarting = formerlyStarting
        domain.detachedStarts = detachedStarts
        for (id, call) in calls {
            if case .start(_, let kind) = call.purpose {
                domain.detachedStarts[id] = DetachedStart(node: call.node, kind: kind)
            }
        }
        for id in neverMade { domain.detachedStarts[id] = nil }
        domain.nextNumber = max(nextNumber, domain.nextNumber)
        for (id, node) in live where records.nodes[id] != nil { domain.live[id] = node }
        domain.suspects = suspects.filter { records.nodes[$0.key] != nil }
        for id in domain.suspects.keys { domain.suspects[id]?.starts?.trial = nil }
        return domain
    }

    /// Takes what nodes do from changes that could not be committed: components that no committed instance has are
    /// stopped, and unknown outcomes are noted again. A node that was removed is there again.
    private mutating func takeOver(_ lost: [DomainChange]) {
        var kinds = records.instances.mapValues(\.specification.kind)
        for change in lost {
            switch change {
            case .instance(let record):
                kinds[record.id] = record.specification.kind
                if let physical = record.physical { uncommittedOrphans[physical] = record.specification.kind }
            case .placed(let id, let physical?): uncommittedOrphans[physical] = kinds[id]
            case .orphan(let physical, let kind, true):
                let isKept = running[physical.node]?.contains { records.instances[$0]?.physical == physical } ?? false
                if !isKept, records.orphans[physical] == nil { uncommittedOrphans[physical] = kind }
            case .unknownOutcome(let node, true): uncommittedOutcomes.insert(node)
            case .nodeRemoved(let node):
                // Its Starts in flight were forgotten with it.
                if records.starting.contains(node) { uncommittedOutcomes.insert(node) }
            default: break
            }
        }
    }
}
