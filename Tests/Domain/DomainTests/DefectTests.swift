import Testing

@testable import Domain

/// The correct behaviour in section 8 of the domain specification, as far as the state machine decides it.
@Suite struct DefectTests {
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

    @Test(
        "W5: a restart resets nothing that runs, starts lost instances and stops orphans")
    func recovery() throws {
        let test = TestDomain(nodes: 2, providers: 1)
        let survivor = try #require(try test.start(TestDomain.function())?.get())
        let target = try #require(try test.start(TestDomain.resource())?.get())
        test.take(.patch(survivor, ["out": target]))
        let stopped = try #require(try test.start(TestDomain.function())?.get())
        let orphan = try #require(test.domain.records.instances[stopped]?.physical)
        test.isHeld = { _, call in if case .stop = call.request { true } else { false } }
        test.take(.stop(stopped))
        _ = test.intent(.cordon(TestDomain.id(0), true))
        let counter = test.domain.records.counter

        let again = TestDomain(nodes: 0, records: test.stored)
        #expect(again.drain() == [.stop(orphan, .function)])
        #expect(again.domain.records.instances[survivor] == test.domain.records.instances[survivor])
        #expect(again.domain.records.cordoned == [TestDomain.id(0)])
        let update = try #require(again.controllerUpdates.first?.update)
        #expect(update.nonce == test.domain.records.nonce && update.counter >= counter)
        for number in 0..<2 { again.join(number, providers: 1) }
        again.pass(seconds: 3)
        #expect(again.drain().isEmpty)
        // The other node does not come back.
        let lone = TestDomain(nodes: 0, records: test.stored)
        lone.join(1, providers: 1)
        lone.pass(seconds: 40)
        #expect(lone.domain.records.nodes.count == 1)
        #expect(lone.domain.records.instances[survivor]?.physical?.node == TestDomain.id(1))
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
                #expect(test.domain.records.unknownOutcomes == [TestDomain.id(1)])
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
