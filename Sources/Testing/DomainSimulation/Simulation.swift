import Domain
import DomainMirror
import DomainRuntime

/// A history of a whole domain: nodes that join, leave, restart, pause, lose components, answer late or never, hear and
/// are not heard, and share an id; a controller that starts, stops, patches, resets and pauses; an operator who migrates
/// and cordons; a Redis that is disconnected, paused, read-only, full, flushed or restored; a disk that is slow or fails;
/// an orchestrator that is killed or paused at any moment; clocks that differ by hours and step. What must always hold is
/// checked all the time. Then everything recovers, and the result is checked. The same seed gives the same history.
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
        case waitingRefresh(Int, nonce: UInt64, deadline: Int, run: Int)
        case deliver(CallID, run: Int)
        case answer(CallID, run: Int)
        case deadline(CallID, run: Int)
        case dropped(CallID, run: Int)
        case resumeCalls(run: Int)
        case slowCall(Int, call: CallID, run: Int)
        case resume(Int)
        case controllerAnswer(UInt64, run: Int)
        case controllerSilence(UInt64, run: Int)
        case act
        case nodeFault
        case revive(Int)
        case crash
        case pause
        case controllerPause
        case clockFault
        case diskFault
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
    /// When the domain last took a tick.
    var lastTick = Self.start
    /// Whether that tick was late for the first time, so that refreshes may wait behind it.
    var isTickLate = false
    /// How far its wall clock was stepped.
    var clockStep = 0

    var nodes = NodeTable()
    let order: [NodeID]

    // MARK: The domain

    var domain: Domain
    /// The records that a restart finds.
    package internal(set) var stored = DomainRecords()
    var commits = SimulatedCommits()
    /// How many commits have failed.
    var failedCommits = 0
    var calls = CallQueues()
    /// Whether calls that wait for the budget are about to be resumed.
    var isResuming = false
    /// The calls that the current process has made, and whose outcome it does not know yet.
    var flights: [CallID: Flight] = [:]
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
    /// Until when its process is paused.
    var controllerPausedUntil = 0
    var counters: [UInt64] = []
    var nonces: Set<UInt64> = []

    // MARK: Checks

    /// The runs of each node that another process with the same id has replaced.
    var replaced: [NodeID: Set<UInt64>] = [:]
    /// How often each node was told to stop a component that it had lost, since everything recovered.
    var lostStops: [PhysicalID: Int] = [:]
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
        options.strategy = [.random, .roundRobin, .loadAware].randomElement(using: &random) ?? .random
        if random.next() % 4 == 0 { options.triesNextCandidate = false }
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
        for _ in 0..<2 { eventQueue.add(.controllerPause, at: time + chance(wild)) }
        for _ in 0..<chance(4) { eventQueue.add(.diskFault, at: time + chance(wild)) }
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
        // Five errors, and the Stops that a node which was paused carries out when it goes on.
        for (physical, count) in lostStops.sorted(by: { $0.key < $1.key }) where count > 8 {
            violations.append("\(physical), which its node has lost, was stopped \(count) times")
        }
        check()
        checkRedis()
        // Unknown outcomes end at the next reset of their node, and so does what it has lost.
        for index in nodes.indices { restart(index, within: 3000) }
        advance(to: time + 60_000 + shape.nodes * 200)
        check()
        checkRedis()
        for node in stored.unknownOutcomes.sorted() {
            violations.append("\(node) was reset and still has an unknown outcome")
        }
        for physical in stored.orphans.keys.sorted() { violations.append("\(physical) has not been stopped yet") }
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
        lostStops = [:]
        commits.failsUntil = 0
        controllerPausedUntil = 0
        for rival in nodes.rivals {
            end(rival)
            // A process whose interval is not known keeps the id until the deadline that it announced, for hours if clocks
            // differ. The operator restarts the node that is refused.
            guard let index = nodes.index(of: nodes[rival].id),
                domain.records.nodes[nodes[index].id].map({ $0.nonce != nodes[index].nonce }) ?? false
            else { continue }
            restart(index, within: 1000)
        }
        for index in nodes.indices {
            (nodes[index].pausedUntil, nodes[index].deafUntil, nodes[index].muteUntil) = (0, 0, 0)
            resume(index)
            if !nodes[index].isAlive { restart(index, within: 1000) }
        }
        uncordon()
    }

    private mutating func perform(_ item: Item) {
        if time < pausedUntil, item.needsProcess { return eventQueue.add(item, at: pausedUntil) }
        switch item {
        case .tick(let run):
            guard run == self.run else { return }
            checkInvariants()
            tick()
        case .refresh(let index, let nonce): refresh(index, nonce)
        case .waitingRefresh(let index, let nonce, let deadline, let run):
            takeWaiting(refreshOf: index, nonce: nonce, deadline: deadline, run: run)
        // Calls of an earlier process end with it.
        case .deliver(let call, let run): if run == self.run { deliver(call) }
        case .answer(let call, let run): if run == self.run { takeAnswer(to: call) }
        case .deadline(let call, let run): if run == self.run { expire(call) }
        case .dropped(let call, let run): if run == self.run { take { $0.handle(.answered(call, .dropped), at: $1) } }
        case .resumeCalls(let run): if run == self.run { resumeCalls() }
        case .slowCall(let index, let call, let run): finishSlowCall(call, of: index, madeBy: run)
        case .resume(let index): resume(index)
        case .controllerAnswer(let number, let run): if run == self.run { answerController(number) }
        case .controllerSilence(let number, let run):
            if run == self.run { take { $0.handle(.controllerAnswered(number, .failed("no answer")), at: $1) } }
        case .act: if !isHealed { act() }
        case .nodeFault: if !isHealed { disturb() }
        case .revive(let index):
            if !nodes[index].isAlive, !isHealed || nodes.indices.contains(index) { restart(index, within: 1000) }
        case .crash: if !isHealed { crash() }
        case .pause: if !isHealed { pause() }
        case .controllerPause: if !isHealed { pauseController() }
        case .clockFault: if !isHealed { stepClocks() }
        // Each failed commit rebuilds the domain, with all its peer updates.
        case .diskFault: if !isHealed { commits.failsUntil = time + chance(min(8_000, 240_000 / shape.nodes)) }
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
        case .call(let call): send(call)
        case .drop(let call, let id): drop(call, of: id)
        case .abandon(let id): abandon(id)
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
            let answer =
                time < controllerPausedUntil
                ? Item.controllerSilence(number, run: run) : .controllerAnswer(number, run: run)
            eventQueue.add(answer, at: time + (time < controllerPausedUntil ? 1_500 : chance(400)))
        }
    }

    /// Kills the process, in the middle of a step or between two, and starts it again.
    private mutating func crash() {
        var last: (call: CallID, outcome: CallOutcome)?
        if case .answer(let call, run)? = eventQueue.first, let outcome = flights[call]?.outcome {
            last = (call, outcome)
        }
        let isBetweenSteps = Bool.random(using: &random)
        run += 1
        paused -= max(0, pausedUntil - time)
        pausedUntil = 0
        (lastTick, isTickLate) = (time, false)
        pending = []
        replaced = [:]
        abandonAll()
        if !isBetweenSteps, let last {
            // In the middle of a step: calls before the commit may have arrived and the step may have been committed,
            // but nothing else of it was carried out.
            let step = domain.handle(.answered(last.call, last.outcome), at: now)
            for call in step.callsBeforeCommit where Bool.random(using: &random) {
                guard let index = nodes.index(at: call.agentURL), nodes[index].isAlive else { continue }
                _ = nodes[index].carryOut(call.request, &random)
            }
            commits.queued.append((step, nil))
        }
        // The commit in progress succeeds or not; later steps are lost. The controller repeats the failed requests.
        if commits.isBusy, time >= commits.failsUntil, isLucky(75) {
            for step in commits.uncommitted + commits.committing.map(\.step) {
                for change in step.changes { stored.apply(change) }
            }
        }
        let retriable = commits.retriable
        commits = SimulatedCommits(failsUntil: commits.failsUntil)
        domain = Domain(records: stored, options: chosen, random: Xoshiro(seed: random.next()), now: now)
        beginProxy()
        take { $0.begin(at: $1) }
        for retriable in retriable { take(retriable) }
        eventQueue.add(.tick(run: run), at: time + 500)
    }
}
