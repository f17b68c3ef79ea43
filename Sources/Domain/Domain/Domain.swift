/// An edge domain: which nodes it has, what runs where, and what remains to be done until that is as the controller wants it.
///
/// A pure state machine: events go in, changes to be kept and effects to be carried out come out; time, randomness and ids
/// come from outside. What the controller wants and where each thing runs is in ``records``; each difference between that
/// and the nodes is a ``Chore``, which is tried until it is done or its node is gone.
package struct Domain: Sendable {
    /// What survives a restart.
    package internal(set) var records: DomainRecords
    let options: DomainOptions
    var random: Xoshiro
    var now: Moment
    /// What the present step has come to so far.
    var step = DomainStep()

    // MARK: Derived from the records

    /// What runs on each node.
    var running: [NodeID: Set<LogicalID>] = [:]
    /// Whose rows lead to an instance.
    var origins: [LogicalID: Set<LogicalID>] = [:]
    /// Who claims a provider's name; the smallest number owns it.
    var claims: [String: [UInt64: NodeID]] = [:]
    /// The tables for placement; nil when a node has changed.
    var knownTables: PlacementTables?
    /// Rises when what can be placed where may have changed.
    var generation = 0

    // MARK: Only of this run

    /// A node as this run sees it.
    struct LiveNode: Sendable {
        /// When its lease ends.
        var leaseEnd: Int
        /// The nonces that it had before, and when they were replaced.
        var formerNonces: [(nonce: UInt64, at: Int)] = []
        /// How many of its CPUs were busy by its last report, and how many functions were sent there since.
        var load = 0.0
        var startedSinceReport = 0
        /// Its Starts that are under way.
        var starts = StartAllowance()
    }

    var live: [NodeID: LiveNode] = [:]
    /// What runs although it could not be kept that it does.
    var strays: [PhysicalID: ComponentKind] = [:]
    /// Starts that were under way when the domain began anew from what was kept.
    var formerStarts: [CallID: FormerStart] = [:]
    /// Why nodes were refused last.
    var toldRefusals: [NodeID: String] = [:]
    /// The nodes to which Starts were sent, or whose answers came, since changes were kept last.
    var unsettled: Set<NodeID> = []
    /// Those of what is being kept.
    var handedOver: Set<NodeID> = []
    /// The number of the next instance or claim.
    private(set) var nextNumber: UInt64
    /// What waits for the answer to a call, and at which node.
    var calls: [CallID: (node: NodeID, purpose: CallPurpose)] = [:]
    var callsOfNode: [NodeID: Set<CallID>] = [:]
    var lastCall: CallID = 0
    var chores = Chores()
    /// Those chores that wait for their time.
    var waiting: [Chore: Int] = [:]
    /// How many chores a node's coming or going still needs.
    var meshOpen: [NodeID: Int] = [:]
    /// Whether leases do not end any more, for this domain and those that go on from it.
    private var isEnding = false
    /// Starts that are under way.
    var attempts: [LogicalID: StartAttempt] = [:]
    /// Instances that lost their place, and whose new place, or that there is none, is not known yet: nobody is told of their
    /// whereabouts until it is.
    var settling: Set<LogicalID> = []
    /// Starts of the controller that wait for a node which is just joining, and the generation in which that was found.
    var parked: [LogicalID: Int] = [:]
    /// Instances without a place, and the generation in which none was found.
    var unplaced: [LogicalID: Int] = [:]
    /// Instances whose node does not meet their requirements any more, and the generation in which no other did.
    var misplaced: [LogicalID: Int] = [:]
    /// Those of them of which it was said why.
    var toldWaiting: Set<LogicalID> = []
    /// How often it was said within a second why something found no node.
    var explained = (second: 0, count: 0)
    /// Moves that wait for the old place to be left.
    var moves: [LogicalID: Move] = [:]
    /// What the functions hold that asked for a share of a NUMA node; only under the strategy LoadAware.
    var shares: [LogicalID: NUMAShare] = [:]
    /// The same of what is being stopped.
    var leaving: [NodeID: [PhysicalID: NUMAShare]] = [:]
    /// What nodes have set apart for such functions, as far as it was looked up since a node has changed.
    var supplies: [NodeID: NodeSupply] = [:]
    /// The node that the strategy RoundRobin chose last.
    var lastChosen: NodeID?
    var nextControllerUpdate: Int
    var isControllerAsked = false
    /// Why the controller has not taken the last update; nil where it has.
    var controllerProblem: String?
    var sentCapabilities: DomainCapabilities?
    /// Those of them whose counter is kept.
    var keptCapabilities: DomainCapabilities?
    /// Those of what is being kept.
    var handedCapabilities: DomainCapabilities?
    /// Whether the next update says what the last one said: nothing new could be kept, and the controller is not to forget the
    /// domain for that.
    var saysOldCapabilities = false

    /// A domain that goes on from `records`; its first step is ``begin(at:)``.
    package init(records: DomainRecords = DomainRecords(), options: DomainOptions, random: Xoshiro, now: Moment) {
        self.records = records
        self.options = options
        self.random = random
        self.now = now
        nextNumber = records.sequence
        nextControllerUpdate = now.monotonic
        for record in records.instances.values {
            if let physical = record.physical { running[physical.node, default: []].insert(record.id) }
            if let share = try? share(of: record.specification), !share.isEmpty { shares[record.id] = share }
        }
        for (origin, row) in records.rows {
            for target in row.values { origins[target, default: []].insert(origin) }
        }
        for node in records.nodes.values {
            for (name, number) in node.claims { claims[name, default: [:]][number] = node.id }
            live[node.id] = LiveNode(leaseEnd: now.monotonic + options.recoveryGrace * 1000)
        }
    }

    /// Takes up what a restart has left undone, and makes the domain known to its controller.
    package mutating func begin(at now: Moment) -> DomainStep {
        self.now = now
        if records.nonce == 0 {
            change(.identity(nonce: random.next() | 1, counter: records.counter, sequence: records.sequence))
        }
        if records.domainID != options.domainID { change(.domain(options.domainID)) }
        for node in records.nodes.values.sorted(by: { $0.id < $1.id }) {
            if !node.isReset { owe(.reset(node.id)) } else if !node.isMeshed { mesh(node.id) }
        }
        for node in records.departed.sorted() { dissolve(node) }
        for physical in records.leftovers.keys.sorted() {
            owe(.stop(physical))
            // It may have been told to stop before.
            chores[.stop(physical)]?.isDoubtful = true
        }
        for (physical, kind) in strays.sorted(by: { $0.key < $1.key }) { discard(physical, kind) }
        doubtStarts()
        for record in records.instances.values {
            if record.physical == nil {
                settling.insert(record.id)
                unplaced[record.id] = -1
            } else if !fitsWhereItRuns(record) {
                misplaced[record.id] = -1
            }
        }
        for id in records.patchesDue.sorted() { owe(.patch(id)) }
        placeUnplaced()
        updateController()
        return finishStep()
    }

    /// Takes an event.
    ///
    /// - Returns: what is to be kept, and what is to be done once it is.
    package mutating func handle(_ event: DomainEvent, at now: Moment) -> DomainStep {
        self.now = now
        switch event {
        case .update(let update, let problem, let request): take(update, problem: problem, request)
        case .start(let specification, let request): start(specification, request)
        case .stop(let id): stop(id)
        case .patch(let origin, let row): patch(origin, row)
        case .answered(let call, let outcome): take(outcome, of: call)
        case .controllerAnswered(let number, let outcome): takeController(outcome, number)
        case .intent(let intent, let request): take(intent, request)
        case .tick: tick()
        }
        return finishStep()
    }

    /// From now on no lease ends: while what is under way is finished nobody listens to refreshes any more.
    package mutating func holdLeases() { isEnding = true }

    private mutating func tick() {
        let expired = isEnding ? [] : live.filter { $0.value.leaseEnd < now.monotonic }.keys.sorted()
        for id in expired {
            let fields = facts(of: id).merging(["instances": "\(running[id]?.count ?? 0)"]) { $1 }
            note(.warning, "a node's lease has ended: what it ran is started elsewhere", fields)
        }
        remove(expired)
        let due = waiting.filter { $0.value <= now.monotonic }.keys.sorted()
        for chore in due where chores[chore] != nil { perform(chore) }
        placeUnplaced()
        takeBackAllowances()
        updateController()
    }

    mutating func finishStep() -> DomainStep {
        defer { step = DomainStep() }
        return step
    }

    // MARK: - The present step

    /// Changes the records.
    mutating func change(_ change: DomainChange) {
        records.apply(change)
        step.changes.append(change)
        switch change {
        case .instanceRemoved(let id):
            if shares.removeValue(forKey: id) != nil { generation += 1 }
        case .placed(let id, nil):
            // Who found no room before may find it now.
            if shares[id] != nil { generation += 1 }
        case .leftover(let physical, _, false):
            if leaving[physical.node]?.removeValue(forKey: physical) != nil { generation += 1 }
        case .nodeRemoved(let id): leaving[id] = nil
        default: break
        }
    }

    mutating func effect(_ effect: DomainEffect) { step.effects.append(effect) }

    mutating func note(_ level: DomainNote.Level, _ text: String, _ fields: [String: String] = [:]) {
        effect(.note(DomainNote(level, text, fields)))
    }

    /// The number of the next instance or claim. Many are recorded at a time, so that not each one has to be kept.
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

    /// A call to a node, whose answer is waited for from now on.
    mutating func makeCall(_ node: NodeRecord, _ request: NodeCall.Request, for purpose: CallPurpose) -> NodeCall {
        lastCall += 1
        calls[lastCall] = (node.id, purpose)
        callsOfNode[node.id, default: []].insert(lastCall)
        return NodeCall(id: lastCall, node: node.id, agentURL: node.description.agentURL, request: request)
    }

    private mutating func take(_ outcome: CallOutcome, of id: CallID) {
        if let former = formerStarts.removeValue(forKey: id) { return takeFormer(outcome, former) }
        // The answer of a node that has left meanwhile means nothing any more.
        guard let call = calls.removeValue(forKey: id) else { return }
        callsOfNode[call.node]?.remove(id)
        switch call.purpose {
        case .chore(let chore): finish(chore, call: id, outcome)
        case .start(let instance, let kind): takeStart(outcome, of: instance, kind, at: call.node, call: id)
        }
    }
}

/// Why a node was called.
enum CallPurpose: Hashable, Sendable {
    case chore(Chore)
    case start(LogicalID, ComponentKind)
}

extension Domain {
    /// A domain that goes on from `records` in place of this one, whose calls are forgotten; leases go on. Its first step is
    /// ``begin(at:)``.
    ///
    /// - Parameters:
    ///   - lost: the changes that could not be kept. What has been started by them is stopped.
    ///   - neverMade: calls that were asked for and will not be made. What others start that are under way is stopped when
    ///     they answer.
    package func restarted(
        from records: DomainRecords, without lost: [DomainChange], neverMade: Set<CallID> = [], options: DomainOptions,
        at now: Moment
    ) -> Domain {
        var domain = Domain(records: records, options: options, random: random, now: now)
        domain.strays = strays
        var kinds = records.instances.mapValues(\.specification.kind)
        for change in lost {
            switch change {
            case .instance(let record):
                kinds[record.id] = record.specification.kind
                if let physical = record.physical { domain.strays[physical] = kinds[record.id] }
            case .placed(let id, let physical?): domain.strays[physical] = kinds[id]
            default: break
            }
        }
        domain.lastCall = lastCall
        // Not in the first step, which has to be kept before anything of it is done: the next tick says it. What was to be
        // said may not have been.
        domain.nextControllerUpdate = now.monotonic + 1
        domain.sentCapabilities = keptCapabilities
        domain.keptCapabilities = keptCapabilities
        domain.saysOldCapabilities = true
        domain.controllerProblem = controllerProblem
        domain.isEnding = isEnding
        domain.formerStarts = formerStarts
        for (id, call) in calls {
            if case .start(_, let kind) = call.purpose {
                domain.formerStarts[id] = FormerStart(node: call.node, kind: kind)
            }
        }
        for id in neverMade { domain.formerStarts[id] = nil }
        domain.nextNumber = max(nextNumber, domain.nextNumber)
        for (id, var node) in live where records.nodes[id] != nil {
            node.starts = StartAllowance()
            domain.live[id] = node
        }
        return domain
    }
}
