@testable import Domain

/// A domain with nodes that answer immediately, as in section 7 of the domain specification: node 0 is
/// labelled `stable`, the others `unstable`; all have one CPU and the run-time RUST_WASM.
final class TestDomain {
    /// A call to a node, in the order of all calls.
    struct Heard: Equatable {
        let node: Int
        let request: NodeCall.Request
    }

    private(set) var domain: Domain
    private(set) var heard: [Heard] = []
    private(set) var starts: [RequestID: Result<LogicalID, DomainRefusal>] = [:]
    private(set) var updates: [RequestID: DomainRefusal?] = [:]
    private(set) var intentOutcomes: [RequestID: DomainRefusal?] = [:]
    private(set) var controllerUpdates: [(number: UInt64, update: DomainUpdate)] = []
    private(set) var logMessages: [LogMessage] = []
    private(set) var delayedEvictions = 0
    /// How many Starts were sent before their commit.
    private(set) var callsBeforeCommit = 0
    /// The records that a restart would find.
    private(set) var stored: DomainRecords
    var now = Timestamp(monotonic: 1_000_000, wall: 1_700_000_000_000)
    var random = Xoshiro(seed: 7)
    /// The answer of a node instead of executing the call; nil to execute it.
    var answer: (Int, NodeCall) -> CallOutcome?
    /// Calls that the test answers later.
    var isHeld: (Int, NodeCall) -> Bool = { _, _ in false }
    private(set) var heldCalls: [NodeCall] = []
    private var lastRequest: RequestID = 0
    /// The components on each node, according to the node.
    private(set) var runs: [Int: Set<ComponentID>] = [:]
    private var queue: [DomainEffect] = []

    init(
        nodes: Int, providers: Int = 0, records: DomainRecords = DomainRecords(),
        _ change: (inout DomainOptions) -> Void = { _ in },
        answer: @escaping (Int, NodeCall) -> CallOutcome? = { _, _ in nil }
    ) {
        var options = DomainOptions()
        options.domainID = "domain-test"
        change(&options)
        self.answer = answer
        stored = records
        domain = Domain(records: records, options: options, random: Xoshiro(seed: 42), now: now)
        perform(domain.begin(at: now))
        for number in 0..<nodes { join(number, providers: providers) }
        if nodes > 0 { drain() }
    }

    // MARK: - Nodes

    static func id(_ number: Int) -> NodeID { NodeID(high: 0x1000, low: UInt64(number + 1)) }

    static func description(_ number: Int, providers: Int = 0) -> NodeDescription {
        var capabilities = NodeCapabilities()
        (capabilities.cpus, capabilities.cores) = (1, 1)
        capabilities.runtimes = ["RUST_WASM"]
        capabilities.labels = [number == 0 ? "stable" : "unstable"]
        return NodeDescription(
            agentURL: "http://127.0.0.1:\(7100 + number)", invocationURL: "http://127.0.0.1:\(7600 + number)",
            providers: (0..<providers).map {
                ResourceProvider(id: "node-\(number)-resource-\($0)-provider", classType: "rc-1")
            },
            capabilities: capabilities)
    }

    /// A node registers or refreshes.
    @discardableResult
    func join(
        _ number: Int, nonce: UInt64 = 1, providers: Int = 0, seconds: Int = 3600,
        _ change: (inout NodeDescription) -> Void = { _ in }
    ) -> DomainRefusal? {
        var description = Self.description(number, providers: providers)
        change(&description)
        lastRequest += 1
        take(
            .update(
                NodeUpdate(
                    node: Self.id(number), description: description,
                    refreshDeadline: UInt64(max(0, now.wall / 1000 + seconds)), nonce: nonce),
                problem: nil, lastRequest))
        return updates[lastRequest] ?? nil
    }

    // MARK: - The controller

    static func function(_ annotations: [String: String] = [:], runtime: String = "RUST_WASM") -> Specification {
        .function(
            FunctionSpecification(
                functionClass: FunctionClass(id: "doubler", runtime: runtime, version: "0.1", outputs: ["out"]),
                annotations: annotations, stateID: StateID(high: 5, low: 6), statePolicy: .nodeLocal, workflowID: "wf"))
    }

    static func resource(_ configuration: [String: String] = [:], of classType: String = "rc-1") -> Specification {
        .resource(ResourceSpecification(classType: classType, configuration: configuration, workflowID: "wf"))
    }

    func begin(_ specification: Specification) -> RequestID {
        lastRequest += 1
        take(.start(specification, lastRequest))
        return lastRequest
    }

    func start(_ specification: Specification) -> Result<LogicalID, DomainRefusal>? { starts[begin(specification)] }

    func intent(_ intent: Intent) -> DomainRefusal?? {
        lastRequest += 1
        take(.intent(intent, lastRequest))
        return intentOutcomes[lastRequest]
    }

    // MARK: - Running

    func take(_ event: DomainEvent) { perform(domain.handle(event, at: now)) }

    /// Advances the time by seconds.
    func pass(seconds: Int) {
        for _ in 0..<seconds {
            now.monotonic += 1000
            now.wall += 1000
            take(.tick)
        }
    }

    func holdLeases() { domain.holdLeases() }

    /// Ends the domain's process orderly.
    func end() { perform(domain.end(at: now)) }

    /// Returns and clears the recorded calls.
    @discardableResult
    func drain() -> [Heard] {
        defer { heard = [] }
        return heard
    }

    /// Answers a held call.
    func release(_ call: NodeCall, _ outcome: CallOutcome? = nil) {
        heldCalls.removeAll { $0.id == call.id }
        take(.answered(call.id, outcome ?? carryOut(call)))
    }

    private func perform(_ step: DomainStep) {
        for change in step.changes { stored.apply(change) }
        precondition(stored == domain.records, "the stored records differ from the domain's")
        domain.beginCommit()
        domain.finishCommit()
        callsBeforeCommit += step.callsBeforeCommit.count
        let isOuter = queue.isEmpty
        queue += step.callsBeforeCommit.map { .call($0) } + step.effects
        guard isOuter else { return }
        while !queue.isEmpty {
            perform(queue[0])
            queue.removeFirst()
        }
    }

    private func perform(_ effect: DomainEffect) {
        switch effect {
        case .call(let call):
            let number = Int(call.node.low) - 1
            heard.append(Heard(node: number, request: call.request))
            if isHeld(number, call) { return heldCalls.append(call) }
            take(.answered(call.id, answer(number, call) ?? carryOut(call)))
        // What a test holds is in flight.
        case .drop: break
        case .abandon(let node): heldCalls.removeAll { $0.node == node }
        case .started(let request, let result): starts[request] = result
        case .updated(let request, let refusal): updates[request] = .some(refusal)
        case .updateController(let number, let update):
            controllerUpdates.append((number, update))
            take(.controllerAnswered(number, .accepted))
        case .intentFinished(let request, let refusal): intentOutcomes[request] = .some(refusal)
        case .log(let message): logMessages.append(message)
        case .evictionsDelayed(let count): delayedEvictions = count
        case .reported: break
        }
    }

    private func carryOut(_ call: NodeCall) -> CallOutcome {
        let number = Int(call.node.low) - 1
        switch call.request {
        case .start:
            let component = ComponentID(random: &random)
            runs[number, default: []].insert(component)
            return .started(PhysicalID(node: call.node, component: component))
        case .stop(let component, _): runs[number]?.remove(component)
        case .reset: runs[number] = []
        case .addPeer, .removePeer, .patch: break
        }
        return .done
    }
}

extension TestDomain.Heard {
    var isStart: Bool { if case .start = request { true } else { false } }
    var isStop: Bool { if case .stop = request { true } else { false } }
    var isPatch: Bool { if case .patch = request { true } else { false } }

    static func patch(_ node: Int, _ physical: PhysicalID, _ kind: ComponentKind, _ mapping: [String: PhysicalID])
        -> Self
    {
        Self(node: node, request: .patch(physical.component, kind, mapping))
    }

    static func stop(_ physical: PhysicalID, _ kind: ComponentKind) -> Self {
        Self(node: Int(physical.node.low) - 1, request: .stop(physical.component, kind))
    }
}
