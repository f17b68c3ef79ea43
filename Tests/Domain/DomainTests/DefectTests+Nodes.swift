import Testing

@testable import Domain

/// Nodes that join, change and leave, and the instances on them.
extension DefectTests {
    @Test("W1: a restarted node is removed, added and reset once, and later refreshes change nothing")
    func restart() throws {
        let test = TestDomain(nodes: 2)
        let id = try #require(try test.start(TestDomain.function(["label_match_all": "unstable"]))?.get())
        test.drain()
        #expect(test.join(1, nonce: 2) == nil)
        let heard = test.drain()
        #expect(heard.count { $0.request == .reset } == 1 && heard.count(where: \.isStart) == 1)
        #expect(test.domain.records.instances[id]?.physical?.node == TestDomain.id(1))
        for _ in 0..<3 { #expect(test.join(1, nonce: 2) == nil) }
        #expect(test.drain().isEmpty)
    }

    @Test("W1: of two processes with one node id, the later one stays and the other is refused")
    func theft() {
        let test = TestDomain(nodes: 1)
        #expect(test.join(0, nonce: 2) == nil)
        test.drain()
        for _ in 0..<3 {
            #expect(test.join(0, nonce: 1)?.summary == "node id in use")
            #expect(test.join(0, nonce: 2) == nil)
        }
        #expect(test.drain().isEmpty)
        #expect(test.logMessages.count { $0.text == "a node was refused" } == 1, "it is said once")
    }

    @Test(
        "a node that answers no call is the last choice for Starts, is called with a back-off, and is back when it answers",
        arguments: [DomainOptions.Strategy.random, .roundRobin, .loadAware])
    func suspect(strategy: DomainOptions.Strategy) throws {
        let test = TestDomain(nodes: 3) { $0.strategy = strategy }
        func starts(at node: Int) -> Int { test.drain().count { $0.node == node && $0.isStart } }
        test.answer = { number, _ in number == 1 ? .unknown("no answer") : nil }
        for _ in 0..<30 { _ = try #require(try test.start(TestDomain.function())?.get()) }
        #expect(starts(at: 1) == 1)
        test.pass(seconds: 70)
        #expect((4...8).contains(test.drain().count { $0.node == 1 }))
        _ = test.start(TestDomain.function(["node_id_match_any": "\(TestDomain.id(1))"]))
        #expect(starts(at: 1) == 1)
        test.answer = { _, _ in nil }
        test.pass(seconds: 31)
        for _ in 0..<30 { _ = try #require(try test.start(TestDomain.function())?.get()) }
        #expect(starts(at: 1) > 1)
    }

    @Test("W11: changes of a node apply immediately, without a reset")
    func inPlace() throws {
        let test = TestDomain(nodes: 2)
        test.drain()
        test.join(1) {
            $0.capabilities.labels = ["green"]
            $0.invocationURL = "http://10.0.0.9:1"
        }
        let heard = test.drain()
        #expect(!heard.contains { $0.request == .reset } && heard.count == 3)
        #expect(
            heard.contains(
                .init(node: 0, request: .addPeer(TestDomain.id(1), invocationURL: "http://10.0.0.9:1"))))
        let id = try #require(try test.start(TestDomain.function(["label_match_all": "green"]))?.get())
        #expect(test.domain.records.instances[id]?.physical?.node == TestDomain.id(1))
    }

    @Test("W11: a provider name claimed by two nodes passes to the second when the first leaves")
    func claims() throws {
        let test = TestDomain(nodes: 1)
        for number in 1...2 { test.join(number) { $0.providers = [ResourceProvider(id: "same", classType: "c")] } }
        #expect(test.domain.owner(of: "same") == TestDomain.id(1))
        test.join(2) { $0.providers = [ResourceProvider(id: "same", classType: "c")] }
        test.join(1, seconds: -1) { $0.providers = [ResourceProvider(id: "same", classType: "c")] }
        test.pass(seconds: 2)
        let id = try #require(try test.start(TestDomain.resource(of: "c"))?.get())
        #expect(test.domain.records.instances[id]?.physical?.node == TestDomain.id(2))
    }

    @Test("two nodes with the same agent URL are logged, also after a change of URL")
    func sharedAgent() {
        let test = TestDomain(nodes: 2)
        let warnings = { test.logMessages.count { $0.text.hasPrefix("two nodes have the same agent URL") } }
        #expect(warnings() == 0)
        test.join(2) { $0.agentURL = TestDomain.description(0).agentURL }
        #expect(warnings() == 1)
        test.join(1) { $0.agentURL = TestDomain.description(0).agentURL }
        test.join(1) { $0.agentURL = TestDomain.description(0).agentURL }
        #expect(warnings() == 2)
    }

    @Test(
        "W18: a cordon survives the node's restart, keeps new instances away, and removes the node from the capabilities"
    )
    func cordon() throws {
        let test = TestDomain(nodes: 1)
        #expect(test.intent(.cordon(TestDomain.id(7), true))??.summary == "unknown node")
        let id = try #require(try test.start(TestDomain.function())?.get())
        #expect(test.intent(.cordon(TestDomain.id(0), true)) == .some(nil))
        test.join(0, nonce: 2)
        #expect(test.domain.records.instances[id]?.physical == nil)
        test.pass(seconds: 3)
        let capabilities = try #require(test.controllerUpdates.last?.update.capabilities)
        #expect(capabilities.nodes == 1 && capabilities.cpus == 0 && capabilities.runtimes.isEmpty)
        #expect(test.intent(.cordon(TestDomain.id(0), false)) == .some(nil))
        #expect(test.domain.records.instances[id]?.physical?.node == TestDomain.id(0))
        let logged = test.logMessages.filter { $0.text.hasSuffix("cordoned") }
        #expect(logged.map(\.text) == ["a node was cordoned", "a node was uncordoned"])
        #expect(logged.allSatisfy { $0.level == .notice && $0.fields["node"] == "\(TestDomain.id(0))" })
    }

    @Test(
        "W23: nodes that are lost together leave together; no instance is started on one of them"
    )
    func massDeparture() throws {
        let test = TestDomain(nodes: 12) { $0.evictionsPerInterval = 10 }
        let ids = try (0..<40).map { _ in try #require(try test.start(TestDomain.function())?.get()) }
        for node in 0..<12 { test.join(node, seconds: node < 10 ? 2 : 3600) }
        test.drain()
        test.pass(seconds: 11)
        let heard = test.drain()
        // The two remaining nodes forget each of the ten, and take their instances.
        #expect(heard.allSatisfy { $0.node >= 10 })
        #expect(heard.count { if case .removePeer = $0.request { true } else { false } } == 20)
        let places = ids.map { test.domain.records.instances[$0]?.physical?.node }
        #expect(places.allSatisfy { $0 == TestDomain.id(10) || $0 == TestDomain.id(11) })
    }

    @Test(
        "a Start waits for a joining node that could take it, and for no other")
    func joiningNode() throws {
        let test = TestDomain(nodes: 0)
        test.isHeld = { _, call in call.request == .reset }
        test.join(0)
        let request = test.begin(TestDomain.function())
        #expect(test.starts[request] == nil)
        #expect(throws: DomainRefusal.self) { try test.start(TestDomain.function(runtime: "CONTAINER"))?.get() }
        #expect(throws: DomainRefusal.self) { try test.start(TestDomain.resource())?.get() }
        test.release(try #require(test.heldCalls.first))
        let id = try #require(try test.starts[request]?.get())
        #expect(test.domain.records.instances[id]?.physical?.node == TestDomain.id(0))
    }

    @Test(
        "a Start stops waiting when the joining node fails its reset or leaves", arguments: [true, false])
    func joiningNodeFails(isGone: Bool) throws {
        let test = TestDomain(nodes: 0)
        test.isHeld = { _, call in call.request == .reset }
        test.join(0, seconds: isGone ? 2 : 3600)
        let request = test.begin(TestDomain.function())
        #expect(test.starts[request] == nil)
        if !isGone { test.release(try #require(test.heldCalls.first), .unknown("deadline")) }
        test.pass(seconds: isGone ? 11 : 1)
        let answer = try #require(test.starts[request])
        guard case .failure(let refusal) = answer else {
            Issue.record("started")
            return
        }
        #expect(refusal.detail == "no valid node found")
    }

    @Test("a Start keeps waiting when the joining node restarts")
    func joiningNodeRestarts() throws {
        let test = TestDomain(nodes: 0)
        test.isHeld = { _, call in call.request == .reset }
        test.join(0)
        let request = test.begin(TestDomain.function())
        test.join(0, nonce: 2)
        #expect(test.starts[request] == nil)
        test.release(try #require(test.heldCalls.last))
        #expect(throws: Never.self) { try test.starts[request]?.get() }
        #expect(test.starts[request] != nil)
    }

    @Test("W11: an instance moves on if its node changed while it was being started")
    func changedMeanwhile() throws {
        let test = TestDomain(nodes: 2)
        test.join(0) { $0.capabilities.labels.append("gpu") }
        test.isHeld = { _, call in if case .start = call.request { true } else { false } }
        let request = test.begin(TestDomain.function(["label_match_all": "gpu"]))
        test.join(1) { $0.capabilities.labels.append("gpu") }
        test.join(0)
        test.release(try #require(test.heldCalls.first))
        let id = try #require(try test.starts[request]?.get())
        test.release(try #require(test.heldCalls.first))
        #expect(test.domain.records.instances[id]?.physical?.node == TestDomain.id(1))
    }

    @Test("3.1: a node that restarts with an invalid URL is removed and refused with the reason")
    func restartWithBadURL() throws {
        let test = TestDomain(nodes: 2)
        let id = try #require(try test.start(TestDomain.function(["label_match_all": "unstable"]))?.get())
        let problem = DomainRefusal("invalid node configuration", detail: "agent_url: no host")
        func refresh(nonce: UInt64) {
            test.take(
                .update(
                    NodeUpdate(
                        node: TestDomain.id(1), description: TestDomain.description(1), refreshDeadline: .max,
                        nonce: nonce),
                    problem: problem, 77))
        }
        refresh(nonce: 1)
        #expect(test.updates[77] == problem && test.domain.records.nodes.count == 2)
        refresh(nonce: 2)
        #expect(test.updates[77] == problem && test.domain.records.nodes.count == 1)
        #expect(test.domain.records.instances[id]?.physical == nil)
    }

    @Test("W11: instances leave a node that no longer fits if another node can take them")
    func feasibilityAgain() throws {
        let test = TestDomain(nodes: 2, providers: 1)
        let pinned = ["label_match_all": "gpu"]
        test.join(0, providers: 1) { $0.capabilities.labels.append("gpu") }
        let function = try #require(try test.start(TestDomain.function(pinned))?.get())
        let resource = try #require(
            try test.start(TestDomain.resource(["node_id_match_any": "\(TestDomain.id(0))"]))?.get())
        test.take(.patch(resource, ["out": function]))
        func place(_ id: LogicalID) -> NodeID? { test.domain.records.instances[id]?.physical?.node }
        let former = try #require(test.domain.records.instances[function]?.physical)
        test.drain()
        // No other node has the label, and the resource is bound to this node.
        test.join(0)
        #expect(place(function) == TestDomain.id(0) && place(resource) == TestDomain.id(0))
        #expect(!test.drain().contains { $0.isStop || $0.isStart || $0.request == .reset })
        test.join(1, providers: 1) { $0.capabilities.labels.append("gpu") }
        test.join(0, providers: 1)
        #expect(place(function) == TestDomain.id(1) && place(resource) == TestDomain.id(0))
        let heard = test.drain()
        #expect(heard.contains(.stop(former, .function)) && heard.count(where: \.isStart) == 1)
        let moved = try #require(test.domain.records.instances[function]?.physical)
        let origin = try #require(test.domain.records.instances[resource]?.physical)
        #expect(heard.last(where: \.isPatch) == .patch(0, origin, .resource, ["out": moved]))
    }

    @Test(
        "W11: an instance on a node that no longer fits moves to the first fitting node that joins, also after a restart",
        arguments: [false, true])
    func feasibilityLater(isRestarted: Bool) throws {
        var test = TestDomain(nodes: 1, providers: 1)
        test.join(0, providers: 1) { $0.capabilities.labels.append("gpu") }
        let function = try #require(try test.start(TestDomain.function(["label_match_all": "gpu"]))?.get())
        let resource = try #require(try test.start(TestDomain.resource())?.get())
        test.join(0)
        let places = [function, resource].compactMap { test.domain.records.instances[$0]?.physical }
        #expect(places.map(\.node) == [TestDomain.id(0), TestDomain.id(0)])
        if isRestarted {
            test = TestDomain(nodes: 0, records: test.stored)
            test.join(0)
        }
        test.drain()
        test.join(1, providers: 1)
        #expect(test.domain.records.instances[function]?.physical == places[0])
        #expect(test.domain.records.instances[resource]?.physical?.node == TestDomain.id(1))
        test.join(2) { $0.capabilities.labels.append("gpu") }
        #expect(test.domain.records.instances[function]?.physical?.node == TestDomain.id(2))
        let heard = test.drain()
        #expect(heard.contains(.stop(places[0], .function)) && heard.contains(.stop(places[1], .resource)))
        #expect(heard.count(where: \.isStart) == 2)
    }

    @Test("W11: an instance on a cordoned node that no longer fits moves when the node is uncordoned")
    func feasibilityOfCordoned() throws {
        let test = TestDomain(nodes: 2)
        func place(_ id: LogicalID) -> NodeID? { test.domain.records.instances[id]?.physical?.node }
        let id = try #require(try test.start(TestDomain.function(["label_match_all": "stable"]))?.get())
        _ = test.intent(.cordon(TestDomain.id(0), true))
        test.join(0) { $0.capabilities.labels = [] }
        test.join(1) { $0.capabilities.labels = ["stable"] }
        #expect(place(id) == TestDomain.id(0))
        _ = test.intent(.cordon(TestDomain.id(0), false))
        #expect(place(id) == TestDomain.id(1))
    }

    @Test("the reason why no node fits is logged once, at a refusal and when an instance begins to wait")
    func explanations() throws {
        let test = TestDomain(nodes: 3, providers: 1)
        func told(_ text: String) -> [[String: String]] {
            test.logMessages.filter { $0.text == text }.map(\.fields)
        }
        _ = test.intent(.cordon(TestDomain.id(2), true))
        _ = test.start(TestDomain.function(["label_match_all": "gpu"]))
        _ = test.start(TestDomain.resource(of: "nobody's"))
        let refused = told("no node can take an instance")
        #expect(
            refused.map { $0["reason"] } == [
                "of 3 nodes, 1 cordoned, 2 not meeting label_match_all",
                "of 3 nodes, 1 cordoned, 2 without the provider",
            ])
        #expect(refused.map { $0["runtime"] } == ["RUST_WASM", nil] && refused[1]["class"] == "nobody's")

        let id = try #require(try test.start(TestDomain.function(["label_match_all": "stable"]))?.get())
        test.join(0, nonce: 2, providers: 1) { $0.capabilities.runtimes = [] }
        test.pass(seconds: 5)
        let waiting = told("no node can run an instance; it waits")
        #expect(waiting.map { $0["instance"] } == ["\(id)"])
        #expect(
            waiting.first?["reason"] == "of 3 nodes, 1 joining, 1 cordoned, 1 not meeting label_match_all")
        let declined = test.intent(.migrate(id, to: [TestDomain.id(1)]))
        #expect(declined??.detail == "none of the nodes can take \(id): of 1 nodes, 1 not meeting label_match_all")
        test.join(0, nonce: 2, providers: 1)
        #expect(test.domain.records.instances[id]?.physical?.node == TestDomain.id(0))
        test.join(0, nonce: 2, providers: 1) { $0.agentURL += "0" }
        test.pass(seconds: 5)
        #expect(told("no node can run an instance; it waits").count == 1)
    }

    @Test("W20: a lease counts from its arrival, within the configured limits, whatever the node's clock says")
    func leases() {
        let test = TestDomain(nodes: 0) {
            $0.leaseMinimum = 2
            $0.leaseMaximum = 100
        }
        func resets() -> Int { test.drain().count { $0.request == .reset } }
        // Hours ahead: the longest lease.
        test.join(0, seconds: 1_000_000)
        test.pass(seconds: 99)
        #expect(test.domain.records.nodes.count == 1)
        test.pass(seconds: 3)
        #expect(test.domain.records.nodes.isEmpty)
        // Hours behind: the shortest lease, long enough for the next refresh.
        _ = resets()
        for _ in 0..<5 {
            test.join(0, seconds: -100_000)
            test.pass(seconds: 1)
            #expect(test.domain.records.nodes.count == 1)
        }
        #expect(resets() == 1)
        test.pass(seconds: 3)
        #expect(test.domain.records.nodes.isEmpty)
        // In between: what the deadline leaves.
        test.join(0, seconds: 10)
        test.pass(seconds: 9)
        #expect(test.domain.records.nodes.count == 1)
        test.pass(seconds: 2)
        #expect(test.domain.records.nodes.isEmpty)
    }
}
