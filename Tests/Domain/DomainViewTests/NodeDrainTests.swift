import Domain
import DomainView
import Testing

/// The decisions of `proxy intent drain`.
struct NodeDrainTests {
    /// A domain of a few nodes that answers the intents of a drain.
    private struct Model {
        var drain: NodeDrain
        var places: [LogicalID: NodeDrain.Place] = [:]
        var kinds: [LogicalID: ComponentKind] = [:]
        var nodes: [NodeID]
        var now = 0.0
        /// The targets of each intent, in order.
        var intents: [(id: LogicalID, targets: [NodeID])] = []
        var mostAtOnce = 0

        static let node = NodeID(high: 7, low: 0)

        init(nodes: Int = 3, functions: Int = 1, resources: Int = 0, atOnce: Int = 2) {
            drain = NodeDrain(of: Self.node, atOnce: atOnce, timeout: 30)
            self.nodes = (0...nodes).map { NodeID(high: 7, low: UInt64($0)) }
            for number in 0..<(functions + resources) { add(number, number < functions ? .function : .resource) }
        }

        mutating func add(_ number: Int, _ kind: ComponentKind) {
            let id = LogicalID(high: 3, low: UInt64(number))
            places[id] = .node(Self.node)
            kinds[id] = kind
        }

        var view: DomainView {
            var view = DomainView()
            for node in nodes {
                view.take(
                    .status(node),
                    .text(#"{"agent_url":"a","invocation_url":"b","cordoned":\#(node == Self.node),"ready":true}"#),
                    from: "status")
            }
            for (index, node) in nodes.enumerated() where index % 2 == 0 {
                view.take(
                    .provider("p\(index)"), .text(#"{"class_type":"log","node_id":"\#(node)","outputs":[]}"#),
                    from: "provider")
            }
            for (id, place) in places {
                var placement =
                    "InstanceId(node_id: \(PhysicalID.none.node), function_id: \(PhysicalID.none.component))"
                if case .node(let node) = place {
                    placement = "InstanceId(node_id: \(node), function_id: \(ComponentID(high: 1, low: id.low)))"
                }
                let text =
                    kinds[id] == .function
                    ? #"{"Function":[{"spec":{"id":"f"},"workflow_id":"w"},["\#(placement)"]]}"#
                    : #"{"Resource":[{"class_type":"log","workflow_id":"w"},"\#(placement)"]}"#
                view.take(.instance(id), .text(text), from: "instance")
            }
            return view
        }

        /// Answers intents until nothing is under way. `answer` gets an instance and the first target, which it may move to,
        /// and returns why it does not.
        mutating func run(_ answer: (inout Model, LogicalID, [NodeID]) -> String?) {
            while drain.read(view) {
                var steps = 0
                while !drain.isIdle, steps < 10_000 {
                    steps += 1
                    now += 0.1
                    _ = drain.next(at: now)
                    let (submitted, settling) = drain.observed
                    mostAtOnce = max(mostAtOnce, submitted.count)
                    for id in submitted {
                        let targets = (drain.intent(of: id)?.value ?? "").split(separator: ",").compactMap {
                            NodeID(String($0))
                        }
                        intents.append((id, targets))
                        let reason = answer(&self, id, targets)
                        let text = #"{"status":"\#(reason == nil ? "done" : "declined")","reason":"\#(reason ?? "")"}"#
                        drain.take(id, IntentOutcome(text), places[id] ?? .ended, at: now)
                    }
                    for id in settling { drain.take(id, nil, places[id] ?? .ended, at: now) }
                }
            }
        }

        /// What the domain says when a target refuses an instance.
        static func refusal(_ id: LogicalID, _ target: NodeID) -> String {
            "migration failed: \(id) to \(target): it runs where it did before, on \(node)"
        }
    }

    @Test("a bounded number of instances moves at a time, and they spread over the other nodes")
    func spreads() {
        var model = Model(functions: 30, atOnce: 4)
        model.run { model, id, targets in
            model.places[id] = .node(targets[0])
            return nil
        }
        #expect(model.drain.moved == 30 && model.drain.left == 0 && model.mostAtOnce == 4)
        let counts = model.intents.reduce(into: [:]) { $0[$1.targets[0], default: 0] += 1 }
        #expect(counts.values.sorted() == [10, 10, 10])
    }

    @Test("an instance that one target refuses is tried on the others, and one that all refuse stays with the reason")
    func refused() {
        var model = Model(functions: 2)
        let last = model.nodes[3]
        model.run { model, id, targets in
            guard id.low == 0, targets[0] == last else { return Model.refusal(id, targets[0]) }
            model.places[id] = .node(last)
            return nil
        }
        #expect(model.drain.moved == 1 && model.drain.left == 1)
        guard case .stays(let reason)? = model.drain.remainders[LogicalID(high: 3, low: 1)] else {
            Issue.record("it has no reason")
            return
        }
        #expect(reason.hasPrefix("migration failed"))
        #expect(Set(model.intents.filter { $0.id.low == 1 }.map { $0.targets[0] }) == Set(model.nodes.dropFirst()))
    }

    @Test("a target that the outcome names is not offered again, wherever it was in the list")
    func namedTarget() {
        var model = Model(functions: 1)
        let only = model.nodes[2]
        model.run { model, id, targets in
            targets.contains(only) ? Model.refusal(id, only) : "no valid node found: none of the nodes can take it"
        }
        #expect(model.intents.map(\.targets.count) == [3, 2])
        #expect(model.drain.left == 1)
    }

    @Test("a resource is tried with each node that has a provider of its class, one after the other")
    func resource() {
        var model = Model(nodes: 6, functions: 0, resources: 1)
        let last = model.nodes[6]
        model.run { model, id, targets in
            guard targets == [last] else { return "no valid node found: none can take it" }
            model.places[id] = .node(last)
            return nil
        }
        #expect(model.drain.moved == 1 && model.intents.allSatisfy { $0.targets.count == 1 })
        #expect(Set(model.intents.flatMap(\.targets)).isSubset(of: [model.nodes[2], model.nodes[4], last]))
    }

    @Test(
        "what counts is where an instance runs: elsewhere is moved, already moving is waited for, on no node is watched"
    )
    func places() {
        var model = Model(functions: 4)
        var busy = 3
        model.run { model, id, targets in
            switch id.low {
            case 0:
                model.places[id] = .node(targets[1])
                return "migration failed: \(id) to \(targets[0]): it runs on \(targets[1]) instead"
            case 1:
                busy -= 1
                guard busy < 0 else { return "already moving: \(id) is being started" }
                model.places[id] = .node(targets[0])
                return nil
            case 2:
                model.places[id] = .nowhere
                return "migration failed: no node has taken it; it will be retried"
            default:
                model.places[id] = nil
                return "unknown instance: \(id)"
            }
        }
        #expect(model.drain.moved == 2)
        #expect(busy == -1 && model.intents.filter { $0.id.low == 1 }.allSatisfy { $0.targets.count == 3 })
        let reason = "migration failed: no node has taken it; it will be retried"
        #expect(model.drain.remainders == [LogicalID(high: 3, low: 2): .waits(reason)])
        // A minute later it runs.
        model.places[LogicalID(high: 3, low: 2)] = .node(model.nodes[1])
        #expect(!model.drain.read(model.view) && model.drain.remainders.isEmpty && model.drain.moved == 3)
    }

    @Test("instances that arrive on the node meanwhile are moved too, and one that nobody takes stops no other")
    func arrivals() {
        var model = Model(functions: 3)
        model.run { model, id, targets in
            guard id.low != 1 else { return "no valid node found: none of the nodes can take \(id)" }
            if id.low == 2 { model.add(5, .function) }
            model.places[id] = .node(targets[0])
            return nil
        }
        #expect(model.drain.moved == 3 && Array(model.drain.remainders.keys) == [LogicalID(high: 3, low: 1)])
    }

    @Test("without another node, and without a provider, an instance stays and the reason says so")
    func noTarget() {
        var alone = Model(nodes: 0, functions: 1)
        alone.run { _, _, _ in nil }
        #expect(alone.drain.remainders.values.map(\.description) == ["stays: no other node is ready and not cordoned"])
        var resource = Model(nodes: 1, functions: 0, resources: 1)
        resource.run { _, _, _ in nil }
        #expect(resource.drain.remainders.values.first?.description.hasSuffix("a provider of the class log") == true)
        #expect(alone.intents.isEmpty && resource.intents.isEmpty)
    }

    @Test("an intent that is not finished in time is given up, and a domain that finishes none is noticed")
    func late() {
        var model = Model(functions: 1)
        #expect(model.drain.read(model.view) && model.drain.next(at: 0).count == 1)
        let id = LogicalID(high: 3, low: 0)
        model.drain.take(id, nil, .nowhere, at: 29)
        #expect(model.drain.left == 1 && !model.drain.isIdle && !model.drain.isStalled(at: 29))
        #expect(model.drain.isStalled(at: 31))
        model.drain.take(id, nil, .nowhere, at: 31)
        #expect(model.drain.remainders == [id: .late])
    }

    @Test("an instance gets a bounded number of intents")
    func bounded() {
        var model = Model(nodes: 200, functions: 1)
        model.run { _, id, targets in Model.refusal(id, targets[0]) }
        #expect(model.intents.count == 32 && model.drain.left == 1)
    }
}
