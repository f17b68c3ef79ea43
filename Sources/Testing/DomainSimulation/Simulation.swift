import Domain
import DomainMirror

/// A history of a whole domain: nodes that join, leave, restart and answer late or never; a controller that starts,
/// stops, patches and resets; an operator who migrates and cordons; a Redis that is disconnected, full, flushed or
/// restored; an orchestrator that is killed or paused at any moment; clocks that differ by hours and step. Then
/// everything recovers, and the result is checked. The same seed gives the same history.
package struct Simulation {
    /// The size and the faults of a history.
    package struct Shape: Sendable {
        /// The number of nodes.
        package var nodes: Int
        /// The duration of the part with faults, in seconds.
        package var seconds: Int
        /// The number of actions of the controller.
        package var requests: Int
        /// The probability that a call or its answer is lost, in percent.
        package var loss: Int
        /// The number of crashes of the orchestrator.
        package var crashes: Int

        /// Creates a shape.
        package init(nodes: Int, seconds: Int, requests: Int, loss: Int, crashes: Int) {
            self.nodes = nodes
            self.seconds = seconds
            self.requests = requests
            self.loss = loss
            self.crashes = crashes
        }

        /// A shape derived from the seed, with 3 to 30 nodes.
        package init(seed: UInt64) {
            var random = Xoshiro(seed: seed &* 0x9E37_79B9 &+ 1)
            self.init(
                nodes: .random(in: 3...30, using: &random), seconds: .random(in: 20...90, using: &random),
                requests: .random(in: 20...150, using: &random), loss: .random(in: 0...30, using: &random),
                crashes: .random(in: 0...4, using: &random))
        }
    }

    /// The scheduled events. Nodes are identified by index; items are small, because there are millions of them.
    enum Item {
        case tick(run: Int)
        case refresh(Int, nonce: UInt64)
        case deliver(Int, run: Int)
        case answer(Int, run: Int)
        case lateStart(Int, call: CallID, run: Int)
        case controllerAnswer(UInt64, run: Int)
        case act
        case nodeFault
        case revive(Int)
        case crash
        case pause
        case clockFault
        case stored(run: Int)
        case proxy(run: Int)
        case redisFault
        case redisRecovery(wasRestarted: Bool)
    }

    let shape: Shape
    var random: Xoshiro
    var eventQueue = EventQueue<Item>()
    static let start = 1_000_000
    var time = Self.start
    var isHealed = false
    /// Until when the domain's process does not run.
    var pausedUntil = 0
    /// How much of that time it can tell: all but the first second of each pause.
    var paused = 0
    /// How far its wall clock was stepped.
    var clockStep = 0

    var nodes = NodeTable()
    let order: [NodeID]

    // MARK: The domain

    var domain: Domain
    /// The records that a restart finds.
    package internal(set) var stored = DomainRecords()
    var commits = SimulatedCommits()
    /// The number of the current process of the domain.
    var run = 0
    var lastRequest: RequestID = 0

    // MARK: Redis

    /// The mirror of the domain's process.
    var proxy: MirrorStateMachine
    /// The events that the mirror has not handled yet.
    var inbox: [MirrorStateMachine.Event] = []
    var redis: SimulatedRedis
    let schema: Mirror.Schema
    /// The maximum age of samples in milliseconds; 0 for no limit.
    let retention: Int
    var intents = IntentTracker()

    // MARK: The controller

    /// The instances that it has started and not stopped.
    var wanted: Set<LogicalID> = []
    var stopped: Set<LogicalID> = []
    var wirings: [LogicalID: [String: LogicalID]] = [:]
    /// Starts that are not answered yet.
    var pending: Set<RequestID> = []
    var wantsReset = false
    var counters: [UInt64] = []
    var nonces: Set<UInt64> = []
    /// The detected errors.
    package internal(set) var violations: [String] = []
    /// The number of effects carried out; a measure of the cost.
    package private(set) var effects = 0

    static let options: DomainOptions = {
        var options = DomainOptions()
        options.domainID = "domain-simulated"
        return options
    }()

    /// Creates a history that has not begun.
    package init(seed: UInt64, shape: Shape) {
        self.shape = shape
        random = Xoshiro(seed: seed)
        order = (0..<shape.nodes).map { NodeID(high: 1, low: UInt64($0 + 1)) }
        var options = Self.options
        if random.next() % 2 == 0 { options.strategy = .roundRobin }
        if random.next() % 4 == 0 { options.makesBeforeBreaking = true }
        if random.next() % 3 == 0 { options.disconnectGrace = 20 }
        chosen = options
        schema = Mirror.Schema.allCases.randomElement(using: &random) ?? .both
        retention = [0, 5_000, 60_000].randomElement(using: &random) ?? 0
        proxy = MirrorStateMachine(domainID: options.domainID, schema: schema, retention: retention, from: stored)
        redis = SimulatedRedis(loss: shape.loss / 4, random: Xoshiro(seed: seed &+ 2))
        domain = Domain(
            options: options, random: Xoshiro(seed: seed &+ 1), now: Timestamp(monotonic: time, wall: Self.wall(time)))
        for (number, id) in order.enumerated() {
            nodes.append(
                SimulatedNode(
                    id: id, description: .simulated(number, &random), nonce: random.next(),
                    skew: [Int.random(in: -800...800, using: &random), Self.hours(&random)].randomElement(
                        using: &random) ?? 0))
        }
    }

    let chosen: DomainOptions

    static func wall(_ time: Int) -> Int { time + 1_700_000_000_000 }
    var now: Timestamp { Timestamp(monotonic: time, wall: Self.wall(time) + clockStep) }

    static func hours(_ random: inout Xoshiro) -> Int { Int.random(in: -20...20, using: &random) * 1_200_000 }

    // MARK: - Running

    /// Runs the history to its end.
    package mutating func live() {
        take { $0.begin(at: $1) }
        eventQueue.add(.tick(run: run), at: time + 500)
        eventQueue.add(.proxy(run: run), at: time)
        for index in nodes.indices { expect(index, within: 3000) }
        let wild = shape.seconds * 1000
        for _ in 0..<shape.requests { eventQueue.add(.act, at: time + chance(wild)) }
        for _ in 0..<shape.crashes { eventQueue.add(.crash, at: time + chance(wild)) }
        for _ in 0..<max(2, shape.nodes / 3) { eventQueue.add(.nodeFault, at: time + chance(wild)) }
        for _ in 0..<2 { eventQueue.add(.pause, at: time + chance(wild)) }
        for _ in 0..<4 { eventQueue.add(.clockFault, at: time + chance(wild)) }
        for _ in 0..<max(2, shape.seconds / 6) { eventQueue.add(.redisFault, at: time + chance(wild)) }
        advance(to: time + wild)
        // Redis first, while some nodes are still absent.
        healRedis()
        advance(to: time + 6_000)
        checkMirror()
        heal()
        // Long enough for the longest back-off, and for all peer updates of all nodes.
        advance(to: time + 150_000 + shape.nodes * 200)
        check()
        checkRedis()
        // Unknown outcomes end at the next reset of their node.
        for index in nodes.indices { restart(index, within: 3000) }
        advance(to: time + 60_000 + shape.nodes * 200)
        check()
        checkRedis()
        for node in stored.unknownOutcomes.sorted() {
            violations.append("\(node) was reset and still has an unknown outcome")
        }
    }

    private mutating func advance(to limit: Int) {
        while let (at, item) = eventQueue.next(before: limit) {
            time = max(time, at)
            perform(item)
        }
        time = limit
    }

    private mutating func heal() {
        isHealed = true
        for index in nodes.indices {
            nodes[index].partitionedUntil = 0
            if !nodes[index].isAlive { restart(index, within: 1000) }
        }
        uncordon()
    }

    private mutating func perform(_ item: Item) {
        if time < pausedUntil, item.needsProcess { return eventQueue.add(item, at: pausedUntil) }
        switch item {
        case .tick(let run):
            guard run == self.run else { return }
            take { $0.handle(.tick, at: $1) }
            eventQueue.add(.tick(run: run), at: time + 500)
        case .refresh(let index, let nonce): refresh(index, nonce)
        // Calls of an earlier process end with it.
        case .deliver(let index, let run): if run == self.run { deliver(to: index) }
        case .answer(let index, let run): if run == self.run { takeAnswer(of: index) }
        case .controllerAnswer(let number, let run): if run == self.run { answerController(number) }
        case .lateStart(let index, let call, let run): finishLateStart(call, of: index, run)
        case .act: if !isHealed { act() }
        case .nodeFault: if !isHealed { disturb() }
        case .revive(let index): if !nodes[index].isAlive { restart(index, within: 1000) }
        case .crash: if !isHealed { crash() }
        case .pause: if !isHealed { pause() }
        case .clockFault: if !isHealed { stepClocks() }
        case .stored(let run): if run == self.run { finishCommit() }
        case .proxy(let run): if run == self.run { workProxy() }
        case .redisFault: if !isHealed { disturbRedis() }
        case .redisRecovery(let wasRestarted): if !isHealed { redis.recover(wasRestarted: wasRestarted) }
        }
    }

    mutating func chance(_ limit: Int) -> Int { Int.random(in: 0..<max(1, limit), using: &random) }

    mutating func isLucky(_ percent: Int) -> Bool { chance(100) < percent }

    // MARK: - The domain's process

    mutating func carryOut(_ effect: DomainEffect) {
        effects += 1
        switch effect {
        case .call(let call):
            guard let index = nodes.index(of: call.node) else { return }
            nodes[index].queue.append(call)
            serve(index)
        case .drop(let call, let id):
            guard let index = nodes.index(of: id),
                let place = nodes[index].queue.firstIndex(where: { $0.id == call })
            else { return }
            nodes[index].queue.remove(at: place)
            take { $0.handle(.answered(call, .dropped), at: $1) }
        case .abandon(let id):
            guard let index = nodes.index(of: id) else { return }
            nodes[index].queue = []
            // Its connection is closed, which ends the Starts in progress.
            nodes[index].overdue = []
        case .started(let request, let result):
            guard pending.remove(request) != nil, case .success(let id) = result else { return }
            // A reset handled in the meantime has already stopped it.
            if domain.records.instances[id] == nil { stopped.insert(id) } else { wanted.insert(id) }
        case .reported(let update): if isLucky(reportShare) { inbox.append(.report(update, at: now.wall)) }
        case .intentFinished(let request, let refusal):
            guard let name = intents.finish(request) else { return }
            inbox.append(.outcome(name, declined: refusal?.summary))
        case .updated, .log, .evictionsDelayed: break
        case .updateController(let number, let update):
            if nonces.insert(update.nonce).inserted, nonces.count > 1 { violations.append("the nonce has changed") }
            if let last = counters.last, update.counter < last { violations.append("the counter fell") }
            counters.append(update.counter)
            eventQueue.add(.controllerAnswer(number, run: run), at: time + chance(400))
        }
    }

    /// Kills the process, in the middle of a step or between two, and starts it again.
    private mutating func crash() {
        var last: (call: CallID, outcome: CallOutcome)?
        if case .answer(let index, run)? = eventQueue.first { last = nodes[index].answer }
        run += 1
        paused -= max(0, pausedUntil - time)
        pausedUntil = 0
        pending = []
        for index in nodes.indices {
            nodes[index].queue = []
            nodes[index].isBusy = false
            // Its connections end with it: calls in flight arrive now or never.
            if let call = nodes[index].inFlight, nodes[index].isAlive, Bool.random(using: &random) {
                _ = nodes[index].carryOut(call.request, &random)
            }
            nodes[index].inFlight = nil
            nodes[index].answer = nil
        }
        if Bool.random(using: &random), let last {
            // In the middle of a step: calls before the commit may have arrived and the step may have been committed,
            // but nothing else of it was carried out.
            let step = domain.handle(.answered(last.call, last.outcome), at: now)
            for call in step.callsBeforeCommit where Bool.random(using: &random) {
                guard let index = nodes.index(of: call.node), nodes[index].isAlive else { continue }
                _ = nodes[index].carryOut(call.request, &random)
            }
            commits.queued.append((step, nil))
        }
        // The commit in progress succeeds or not; later steps are lost. The controller repeats the failed requests.
        if commits.isBusy, isLucky(75) {
            for (step, _) in commits.committing { step.changes.forEach { stored.apply($0) } }
        }
        let retriable = commits.retriable
        commits = SimulatedCommits()
        domain = Domain(records: stored, options: chosen, random: Xoshiro(seed: random.next()), now: now)
        beginProxy()
        take { $0.begin(at: $1) }
        for retriable in retriable { take(retriable) }
        eventQueue.add(.tick(run: run), at: time + 500)
    }
}
