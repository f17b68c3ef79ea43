import Bindings
import Cluster
import DomainSimulation
import KubernetesClient
import TestSupport

/// A history of a whole cluster in virtual time: an API server that answers late or never, controllers in turn, an extender and
/// its scheduler, nodes with an agent, a daemon and a kubelet; people who write bindings, good and bad; hosts whose services
/// take CPUs. Then everything recovers, and the result is checked. The same seed gives the same history.
///
/// What is decided is decided by the code that ships; what carries it out is modelled.
package final class ClusterSimulation {
    /// The size and the faults of a history.
    package struct Shape: Sendable {
        /// How many nodes.
        package var nodes: Int
        /// The duration of the part with faults, in seconds.
        package var seconds: Int
        /// How many things happen in it.
        package var actions: Int
        /// The probability that a call or its answer is lost, in percent.
        package var loss: Int
        /// Whether anything fails at all.
        package var hasFaults = true

        /// A shape.
        package init(nodes: Int, seconds: Int, actions: Int, loss: Int, hasFaults: Bool = true) {
            (self.nodes, self.seconds, self.actions, self.loss) = (nodes, seconds, actions, loss)
            self.hasFaults = hasFaults
        }

        /// A shape that follows from a seed.
        package init(seed: UInt64) {
            var random = SeededRandom(seed: seed &* 0x9E37_79B9 &+ 7)
            self.init(
                nodes: .random(in: 1...4, using: &random), seconds: .random(in: 60...400, using: &random),
                actions: .random(in: 20...120, using: &random), loss: .random(in: 0...15, using: &random),
                hasFaults: Int.random(in: 0..<8, using: &random) > 0)
        }
    }

    /// What is decided by the code that ships. A test puts something wrong in its place.
    package struct Rules {
        /// Decides about a binding.
        package var decide: (BindingSnapshot) -> BindingAction = { $0.decide() }
        /// What an extender does after an answer to the binding of a pod.
        package var step: (PodBind.Answer, PodBind.Step) -> PodBind.Step = { $1 }

        /// The rules as they ship.
        package init() {}
    }

    let shape: Shape
    let rules: Rules
    var random: SeededRandom
    private var events = EventQueue<() -> Void>()
    /// In milliseconds.
    private(set) var now = 0
    var server = ModelServer()
    var watches: [any Pokable] = []
    var isHealed = false
    /// Until when the API server is down.
    var downUntil = 0
    /// How far the server's clock was stepped, in seconds.
    var clockStep = 0
    var controllers: [SimulatedController] = []
    var extender: SimulatedExtender?
    var scheduler: SimulatedScheduler?
    var nodes: [SimulatedNode] = []
    /// The bindings of the extender that people deleted or changed.
    var tampered: Set<ServerKey> = []
    var names = 0
    /// Since when the nodes of pods, by uid, are silent.
    var silent: [String: Int] = [:]
    /// Since when two bindings hold the same CPUs, by what is wrong then.
    var conflicts: [String: Int] = [:]
    /// Extenders that have ended, some of whose calls are still under way.
    var ended: [SimulatedExtender] = []
    private(set) var arguments = WorkloadAwareArgs()

    /// The detected errors.
    package private(set) var violations: [String] = []
    /// What happened last.
    package private(set) var trace: [String] = []
    /// How many events took place; a measure of the cost.
    package private(set) var effects = 0
    private var hash: UInt64 = 0xCBF2_9CE4_8422_2325

    /// A history that has not begun.
    package init(seed: UInt64, shape: Shape? = nil, rules: Rules = Rules()) {
        self.shape = shape ?? Shape(seed: seed)
        self.rules = rules
        random = SeededRandom(seed: seed)
        arguments = WorkloadAwareArgs(
            policy: WorkloadAwareArgs.Policy.allCases.randomElement(using: &random) ?? .balanced,
            features: Set(WorkloadAwareArgs.Feature.allCases.filter { _ in Bool.random(using: &random) }))
    }

    /// Lives through it and checks the result.
    package func live() {
        begin()
        run(until: now + shape.seconds * 1_000)
        // An hour without the server is lived to its end.
        run(until: max(now, min(downUntil, now + 3_600_000)) + 60_000)
        heal()
        // Long enough for the longest back-off, an extender's grace and an eviction.
        run(until: now + 900_000)
        let writes = server.writes
        run(until: now + 300_000)
        if server.writes > writes { complain("\(server.writes - writes) writes while nothing changes") }
        check()
        // Events and watches refer to what refers to them.
        events = EventQueue()
        for watch in watches { watch.end() }
        watches = []
        (controllers, extender, ended, scheduler, nodes) = ([], nil, [], nil, [])
    }

    /// A number that follows from all that happened.
    package var fingerprint: UInt64 { hash }

    /// The last lines of the trace about what the first error names, and about faults.
    package func trace(of count: Int) -> [String] {
        let words = (violations.first ?? "").split(separator: " ")
        guard let key = words.first(where: { $0.contains("/") }) else { return trace.suffix(count) }
        var name = key.drop { $0 != "/" }.dropFirst()
        if name.hasSuffix("-pcb") { name = name.dropLast(4) }
        let faults = [
            "restarts", "reboots", "leads", "lead any", "down", "cut off", "reachable", "everything", "/node-",
            "is now",
        ]
        return trace.filter { line in line.contains(name) || faults.contains { line.contains($0) } }.suffix(count)
    }

    // MARK: - Time

    func after(_ delay: Int, _ body: @escaping () -> Void) { events.add(body, at: now + max(delay, 0)) }

    private func run(until end: Int) {
        while let event = events.next(before: end) {
            now = event.time
            effects += 1
            event.item()
            tellWatches()
        }
        now = end
    }

    private var told = 0

    private func tellWatches() {
        if !server.goneOwners.isEmpty, !isCollecting {
            isCollecting = true
            after(100 + chance(3_000)) { [unowned self] in
                isCollecting = false
                server.collectGarbage(now: serverTime)
            }
        }
        guard told != server.version else { return }
        told = server.version
        watches.removeAll { $0.isOver }
        for watch in watches { watch.poke() }
    }

    private var isCollecting = false

    func chance(_ limit: Int) -> Int { limit <= 1 ? 0 : Int.random(in: 0..<limit, using: &random) }

    func isLucky(_ percent: Int) -> Bool { chance(100) < percent }

    var serverTime: Timestamp { Timestamp(microseconds: (1_800_000_000 + now / 1_000 + clockStep) * 1_000_000) }

    // MARK: - The network

    func isReachable(from place: Int?) -> Bool {
        now >= downUntil && place.map { !nodes[$0].isPartitioned } ?? true
    }

    func watchDelay() -> Int {
        guard shape.hasFaults, !isHealed else { return 1 + chance(20) }
        return isLucky(5) ? 500 + chance(8_000) : 1 + chance(150)
    }

    private func delay() -> Int {
        guard shape.hasFaults, !isHealed else { return 1 + chance(5) }
        return isLucky(3) ? chance(4_000) : 1 + chance(40)
    }

    /// Calls the API server: it may not be reached, may do it late, and may not be heard.
    func call<Value>(
        from place: Int? = nil, _ body: @escaping () throws(ModelServer.Failure) -> Value,
        then: @escaping (Result<Value, ModelServer.Failure>) -> Void
    ) {
        guard isReachable(from: place) else { return after(1 + chance(50)) { then(.failure(.unreachable)) } }
        let mayFail = shape.hasFaults && !isHealed
        if mayFail, isLucky(shape.loss) {
            // 429 or 403: nothing is done. 503 and the like: it may be.
            if isLucky(25) { return after(delay()) { then(.failure(.refused)) } }
            if isLucky(50) {
                // It is carried out, perhaps after nobody waits for it any more.
                after(isLucky(20) ? 10_000 + chance(5_000) : delay()) { _ = try? body() }
            }
            return after(isLucky(30) ? delay() : 10_000) { then(.failure(.inDoubt)) }
        }
        after(delay()) { [unowned self] in
            guard isReachable(from: place) else { return after(5_000) { then(.failure(.inDoubt)) } }
            let result = Result { () throws(ModelServer.Failure) in try body() }
            after(delay()) { then(result) }
        }
    }

    // MARK: - What is said

    func note(_ text: @autoclosure () -> String) {
        let line = "\(now / 1_000).\(now % 1_000) \(text())"
        for byte in line.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        trace.append(line)
        if trace.count > 4_000 { trace.removeFirst(2_000) }
    }

    func complain(_ text: String) {
        note("WRONG: \(text)")
        if violations.count < 20, !violations.contains(text) { violations.append(text) }
    }
}
