import Testing

@testable import Domain

/// The correct behaviour in section 8 of the domain specification, as far as the state machine decides it.
@Suite struct DefectTests {
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
        #expect(test.join(0, nonce: 1)?.summary == "node id in use")
        #expect(test.join(0, nonce: 2) == nil)
        #expect(test.drain().isEmpty)
    }

    @Test("W3: a Start answered with another node's id counts as failed, and its component is stopped")
    func foreignNode() throws {
        let test = TestDomain(nodes: 2) { $0.strategy = .roundRobin }
        let component = ComponentID(high: 1, low: 2)
        test.answer = { number, call in
            guard number == 0, case .start = call.request else { return nil }
            return .started(PhysicalID(node: TestDomain.id(9), component: component))
        }
        let id = try #require(try test.start(TestDomain.function())?.get())
        #expect(test.domain.records.instances[id]?.physical?.node == TestDomain.id(1))
        #expect(test.drain().contains(.stop(PhysicalID(node: TestDomain.id(0), component: component), .function)))
    }

    @Test("W3: a migration to an unknown node is declined, and the resource stays")
    func unknownTarget() throws {
        let test = TestDomain(nodes: 2, providers: 1)
        let id = try #require(try test.start(TestDomain.resource())?.get())
        let physical = test.domain.records.instances[id]?.physical
        test.drain()
        #expect(test.intent(.migrate(id, to: [TestDomain.id(99)]))??.summary == "no valid node found")
        #expect(test.domain.records.instances[id]?.physical == physical && test.drain().isEmpty)
    }

    @Test(
        "W5: a restart resets nothing that runs, starts lost instances and stops orphans")
    func recovery() throws {
        let test = TestDomain(nodes: 2, providers: 1)
        let kept = try #require(try test.start(TestDomain.function())?.get())
        let target = try #require(try test.start(TestDomain.resource())?.get())
        test.take(.patch(kept, ["out": target]))
        let stopped = try #require(try test.start(TestDomain.function())?.get())
        let leftover = try #require(test.domain.records.instances[stopped]?.physical)
        test.isHeld = { _, call in if case .stop = call.request { true } else { false } }
        test.take(.stop(stopped))
        _ = test.intent(.cordon(TestDomain.id(0), true))
        let counter = test.domain.records.counter

        let again = TestDomain(nodes: 0, records: test.kept)
        #expect(again.drain() == [.stop(leftover, .function)])
        #expect(again.domain.records.instances[kept] == test.domain.records.instances[kept])
        #expect(again.domain.records.cordoned == [TestDomain.id(0)])
        let update = try #require(again.controllerUpdates.first?.update)
        #expect(update.nonce == test.domain.records.nonce && update.counter >= counter)
        for number in 0..<2 { again.join(number, providers: 1) }
        again.pass(seconds: 3)
        #expect(again.drain().isEmpty)
        // The other node does not come back.
        let lone = TestDomain(nodes: 0, records: test.kept)
        lone.join(1, providers: 1)
        lone.pass(seconds: 40)
        #expect(lone.domain.records.nodes.count == 1)
        #expect(lone.domain.records.instances[kept]?.physical?.node == TestDomain.id(1))
    }

    @Test("W9: a failed Stop or Patch is retried with a back-off until it succeeds")
    func retries() throws {
        let test = TestDomain(nodes: 1)
        let ids = try (0..<2).map { _ in try #require(try test.start(TestDomain.function())?.get()) }
        var isDown = true
        test.answer = { _, _ in isDown ? .unreachable("down") : nil }
        test.take(.patch(ids[0], ["out": ids[1]]))
        test.take(.stop(ids[1]))
        test.drain()
        test.pass(seconds: 60)
        let tries = test.drain()
        #expect((4...8).contains(tries.count(where: \.isStop)) && (4...8).contains(tries.count(where: \.isPatch)))
        isDown = false
        test.pass(seconds: 31)
        #expect(test.drain().count == 2)
        #expect(test.domain.records.orphans.isEmpty && test.domain.records.patchesDue.isEmpty)
        test.pass(seconds: 60)
        #expect(test.drain().isEmpty)
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

    @Test("W13: an instance is stopped as its own kind, regardless of the called service")
    func kinds() throws {
        let test = TestDomain(nodes: 1, providers: 1)
        let id = try #require(try test.start(TestDomain.resource())?.get())
        let physical = try #require(test.domain.records.instances[id]?.physical)
        test.drain()
        test.take(.stop(id))
        #expect(test.drain() == [.stop(physical, .resource)])
    }

    @Test("W14: no records remain of unknown or removed instances")
    func bounded() throws {
        let test = TestDomain(nodes: 1)
        let ids = try (0..<2).map { _ in try #require(try test.start(TestDomain.function())?.get()) }
        test.take(.patch(LogicalID(high: 1, low: 1), ["out": ids[0]]))
        test.take(.patch(ids[0], ["out": ids[1]]))
        test.take(.stop(ids[1]))
        #expect(test.domain.records.wirings == [ids[0]: [:]])
        test.take(.stop(ids[0]))
        #expect(test.domain.records.wirings.isEmpty && test.domain.origins.isEmpty && test.domain.pendingCalls.isEmpty)
    }

    @Test("W15: a migration whose target fails ends at the original node and is declined")
    func rollback() throws {
        let test = TestDomain(nodes: 2)
        let id = try #require(try test.start(TestDomain.function())?.get())
        let node = try #require(test.domain.records.instances[id]?.physical?.node)
        let target = node == TestDomain.id(0) ? 1 : 0
        test.answer = { number, call in
            guard number == target, case .start = call.request else { return nil }
            return .refused(DomainRefusal("no"))
        }
        #expect(test.intent(.migrate(id, to: [TestDomain.id(target)]))??.summary == "migration failed")
        #expect(test.domain.records.instances[id]?.physical?.node == node)
    }

    @Test(
        "W15: make-before-break starts the new instance before it stops the old one, and keeps the old one on failure")
    func makeBeforeBreak() throws {
        let test = TestDomain(nodes: 2) { $0.makesBeforeBreaking = true }
        let id = try #require(try test.start(TestDomain.function())?.get())
        let physical = try #require(test.domain.records.instances[id]?.physical)
        let target = physical.node == TestDomain.id(0) ? 1 : 0
        test.drain()
        #expect(test.intent(.migrate(id, to: [TestDomain.id(target)])) == .some(nil))
        let heard = test.drain()
        #expect(heard.map(\.isStart) == [true, false] && heard.last == .stop(physical, .function))
        test.answer = { _, call in if case .start = call.request { .failed("no") } else { nil } }
        let now = test.domain.records.instances[id]?.physical
        #expect(test.intent(.migrate(id, to: [physical.node]))??.summary == "migration failed")
        #expect(test.domain.records.instances[id]?.physical == now)
    }

    @Test("W15: a migration whose instance is stopped meanwhile is declined")
    func stoppedMove() throws {
        for makesBeforeBreaking in [false, true] {
            let test = TestDomain(nodes: 2) { $0.makesBeforeBreaking = makesBeforeBreaking }
            let id = try #require(try test.start(TestDomain.function())?.get())
            let place = try #require(test.domain.records.instances[id]?.physical?.node)
            let other = TestDomain.id(place == TestDomain.id(0) ? 1 : 0)
            test.isHeld = { _, call in if case .start = call.request { true } else { false } }
            #expect(test.intent(.migrate(id, to: [other])) == nil)
            test.take(.stop(id))
            let outcomes = test.intentOutcomes.values.compactMap { $0?.detail }
            #expect(outcomes.count == 1 && outcomes[0].contains("the instance was stopped"))
        }
    }

    @Test("W15: make-before-break keeps the instance where it runs if the target fails")
    func staysWhereItRuns() throws {
        let test = TestDomain(nodes: 3) { $0.makesBeforeBreaking = true }
        let id = try #require(try test.start(TestDomain.function())?.get())
        let physical = try #require(test.domain.records.instances[id]?.physical)
        let target = physical.node == TestDomain.id(0) ? 1 : 0
        test.drain()
        test.answer = { number, call in
            guard number == target, case .start = call.request else { return nil }
            return .refused(DomainRefusal("no"))
        }
        #expect(
            test.intent(.migrate(id, to: [TestDomain.id(target)]))??.detail?.contains("stays where it runs") == true)
        #expect(test.domain.records.instances[id]?.physical == physical)
        #expect(test.drain().count { $0.isStart } == 1)
    }

    @Test("W15: after a failed make-before-break migration an instance still leaves a node that no longer fits")
    func misfitAfterMove() throws {
        let test = TestDomain(nodes: 3) { $0.makesBeforeBreaking = true }
        let label: (inout NodeDescription) -> Void = { $0.capabilities.labels = ["red"] }
        for number in 0..<2 { test.join(number, label) }
        let id = try #require(try test.start(TestDomain.function(["label_match_all": "red"]))?.get())
        let place = try #require(test.domain.records.instances[id]?.physical?.node)
        let (here, there) = place == TestDomain.id(0) ? (0, 1) : (1, 0)
        test.isHeld = { _, call in if case .start = call.request { true } else { false } }
        #expect(test.intent(.migrate(id, to: [TestDomain.id(there)])) == nil)
        test.join(2, label)
        test.join(here)
        test.isHeld = { _, _ in false }
        test.release(try #require(test.heldCalls.first), .refused(DomainRefusal("no")))
        let now = test.domain.records.instances[id]?.physical?.node
        #expect(now == TestDomain.id(there) || now == TestDomain.id(2))
        #expect(test.drain().contains { $0.node == here && !$0.isStart })
    }

    @Test("patches that arrive during a call are combined into one call with the latest wiring")
    func patchesTogether() throws {
        let test = TestDomain(nodes: 1)
        let id = try #require(try test.start(TestDomain.function())?.get())
        let physical = try #require(test.domain.records.instances[id]?.physical)
        test.drain()
        for outcome in [CallOutcome.done, .failed("no"), .unknown("no answer")] {
            test.isHeld = { _, _ in true }
            for number in 0..<60 { test.take(.patch(id, ["out-\(number)": id])) }
            test.isHeld = { _, _ in false }
            #expect(test.heldCalls.count == 1)
            test.release(try #require(test.heldCalls.first), outcome)
            let last = TestDomain.Heard.patch(0, physical, .function, ["out-59": physical])
            #expect(test.drain() == [.patch(0, physical, .function, ["out-0": physical]), last])
            #expect(test.domain.records.patchesDue.isEmpty)
        }
    }

    @Test("W5: leases do not expire while the domain shuts down")
    func endingLeases() throws {
        let test = TestDomain(nodes: 0)
        for number in 0..<2 { test.join(number, seconds: 3) }
        let id = try #require(try test.start(TestDomain.function())?.get())
        test.holdLeases()
        test.pass(seconds: 10)
        #expect(test.domain.records.nodes.count == 2)
        #expect(test.domain.records.instances[id]?.physical != nil)
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

    @Test("two instances with the same physical id both migrate")
    func sharedComponent() throws {
        let test = TestDomain(nodes: 1)
        let shared = ComponentID(high: 1, low: 1)
        test.answer = { number, call in
            guard number == 0, case .start = call.request else { return nil }
            return .started(PhysicalID(node: call.node, component: shared))
        }
        let ids = try (0..<2).map { _ in try #require(try test.start(TestDomain.function())?.get()) }
        test.join(1)
        test.isHeld = { _, call in if case .stop = call.request { true } else { false } }
        for id in ids { #expect(test.intent(.migrate(id, to: [TestDomain.id(1)])) == nil) }
        test.isHeld = { _, _ in false }
        for call in test.heldCalls { test.release(call) }
        test.pass(seconds: 10)
        #expect(ids.allSatisfy { test.domain.records.instances[$0]?.physical?.node == TestDomain.id(1) })
        #expect(test.intentOutcomes.values.count { $0 == nil } == 2)
    }

    @Test("W16: a channel to an instance without a node is omitted")
    func omitted() throws {
        let test = TestDomain(nodes: 1)
        test.join(1, providers: 1)
        let function = try #require(try test.start(TestDomain.function(["label_match_all": "stable"]))?.get())
        let resource = try #require(try test.start(TestDomain.resource())?.get())
        let physical = try #require(test.domain.records.instances[function]?.physical)
        test.take(.patch(function, ["out": resource]))
        test.drain()
        test.join(1, providers: 1, seconds: -1)
        test.pass(seconds: 2)
        #expect(test.drain().filter(\.isPatch) == [.patch(0, physical, .function, [:])])
    }

    @Test(
        "W17: a failed Start is tried on other nodes before it is answered, unless disabled")
    func nextCandidate() throws {
        for isTried in [true, false] {
            let test = TestDomain(nodes: 3) { options in
                options.strategy = .roundRobin
                options.triesNextCandidate = isTried
            }
            test.answer = { number, call in
                guard case .start = call.request else { return nil }
                return number == 0 ? .refused(DomainRefusal("busy")) : number == 1 ? .unknown("deadline") : nil
            }
            let answer = try #require(test.start(TestDomain.function()))
            if isTried {
                let id = try answer.get()
                #expect(test.domain.records.instances[id]?.physical?.node == TestDomain.id(2))
                // The outcome at the second node is unknown.
                #expect(test.domain.records.unknownOutcomes == [TestDomain.id(1): 1])
                test.join(1, nonce: 2)
                #expect(test.domain.records.unknownOutcomes.isEmpty)
            } else {
                guard case .failure(let refusal) = answer else {
                    Issue.record("started")
                    return
                }
                #expect(refusal.summary == "Function instance creation request rejected")
                #expect(refusal.detail?.contains("busy") == true)
            }
        }
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
    }

    @Test(
        "W23: nodes that are lost together leave together; no instance is started on one of them"
    )
    func massDeparture() throws {
        let test = TestDomain(nodes: 12)
        let ids = try (0..<40).map { _ in try #require(try test.start(TestDomain.function())?.get()) }
        for node in 0..<12 { test.join(node, seconds: node < 10 ? 2 : 3600) }
        test.drain()
        test.pass(seconds: 3)
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
        test.pass(seconds: isGone ? 3 : 1)
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

    @Test("a reset refuses a Start that waits for a node")
    func resetWhilePending() throws {
        let test = TestDomain(nodes: 0)
        test.isHeld = { _, call in call.request == .reset }
        test.join(0)
        let request = test.begin(TestDomain.function())
        test.pass(seconds: 3)
        test.take(.controllerAnswered(try #require(test.controllerUpdates.last?.number), .reset))
        #expect(test.starts[request].map { (try? $0.get()) == nil } == true)
        test.release(try #require(test.heldCalls.first))
        #expect(test.domain.records.instances.isEmpty && !test.drain().contains(where: \.isStart))
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
            test = TestDomain(nodes: 0, records: test.kept)
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

    @Test("an unreachable controller is logged once, and again when it returns")
    func controllerAway() throws {
        let test = TestDomain(nodes: 1)
        func warnings() -> Int { test.logMessages.count { $0.text.contains("the controller") } }
        for reason in ["refused", "refused", "no route", "no route"] {
            test.take(.controllerAnswered(0, .failed(reason)))
        }
        #expect(warnings() == 1)
        test.take(.controllerAnswered(0, .accepted))
        test.take(.controllerAnswered(0, .accepted))
        #expect(warnings() == 2)
    }

    @Test("W19: a reset stops requests from before the update, and nothing later")
    func resetEpoch() throws {
        let test = TestDomain(nodes: 1)
        let before = try #require(try test.start(TestDomain.function())?.get())
        test.pass(seconds: 2)
        let number = try #require(test.controllerUpdates.last?.number)
        let after = try #require(try test.start(TestDomain.function())?.get())
        test.take(.controllerAnswered(number, .reset))
        #expect(Set(test.domain.records.instances.keys) == [after] && before != after)
    }

    @Test(
        "a reset refuses a Start in flight, and the component is stopped when it starts")
    func resetDuringStart() throws {
        let test = TestDomain(nodes: 1)
        test.isHeld = { _, call in if case .start = call.request { true } else { false } }
        let request = test.begin(TestDomain.function())
        test.pass(seconds: 3)
        test.take(.controllerAnswered(try #require(test.controllerUpdates.last?.number), .reset))
        #expect(test.starts[request].map { (try? $0.get()) == nil } == true)
        test.drain()
        test.release(try #require(test.heldCalls.first))
        #expect(test.drain().count(where: \.isStop) == 1)
        #expect(test.domain.records.instances.isEmpty && test.domain.records.unknownOutcomes.isEmpty)
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

    @Test("W27: the counter rises when the capabilities change, and only then")
    func counter() throws {
        let test = TestDomain(nodes: 1)
        test.pass(seconds: 10)
        let counters = test.controllerUpdates.map(\.update.counter)
        #expect(counters.count >= 5 && Set(counters.dropFirst()).count == 1)
        test.join(1)
        test.pass(seconds: 10)
        let later = test.controllerUpdates.map(\.update.counter).dropFirst(counters.count)
        #expect(Set(later) == [(counters.last ?? 0) + 1])
        let deadline = try #require(test.controllerUpdates.last?.update.refreshDeadline)
        // Two intervals after the update, which is at most two seconds old.
        #expect((2...4).contains(Int(deadline) - test.now.wall / 1000))
    }

    @Test("section 3.3: the capabilities of a domain are saturating sums, unions and counts")
    func aggregation() throws {
        let test = TestDomain(nodes: 0)
        test.join(0) {
            $0.capabilities.cpus = .max
            $0.capabilities.labels = ["red"]
            $0.capabilities.hasTEE = true
            $0.providers = [ResourceProvider(id: "a", classType: "file-log")]
        }
        test.join(1) {
            $0.capabilities.labels = ["red", "blue"]
            $0.capabilities.runtimes = ["CONTAINER"]
            $0.providers = [
                ResourceProvider(id: "a", classType: "redis"), ResourceProvider(id: "b", classType: "redis"),
            ]
        }
        let capabilities = test.domain.capabilities
        #expect(capabilities.nodes == 2 && capabilities.cpus == .max && capabilities.labels == ["red", "blue"])
        #expect(
            capabilities.tees == 1 && capabilities.tpms == 0 && capabilities.runtimes == ["RUST_WASM", "CONTAINER"])
        #expect(capabilities.providers == ["a", "b"] && capabilities.providerClasses == ["file-log", "redis"])
    }
}
