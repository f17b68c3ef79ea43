import Testing

@testable import Domain

/// Migrations.
extension DefectTests {
    @Test("W3: a migration to an unknown node is declined, and the resource stays")
    func unknownTarget() throws {
        let test = TestDomain(nodes: 2, providers: 1)
        let id = try #require(try test.start(TestDomain.resource())?.get())
        let physical = test.domain.records.instances[id]?.physical
        test.drain()
        #expect(test.intent(.migrate(id, to: [TestDomain.id(99)]))??.summary == "no valid node found")
        #expect(test.domain.records.instances[id]?.physical == physical && test.drain().isEmpty)
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

    @Test("W15: a migration whose target fails ends at the original node, also where that was cordoned")
    func rollbackToCordoned() throws {
        for isCordonedBefore in [true, false] {
            let test = TestDomain(nodes: 2)
            let id = try #require(try test.start(TestDomain.function())?.get())
            let node = try #require(test.domain.records.instances[id]?.physical?.node)
            let target = node == TestDomain.id(0) ? 1 : 0
            if isCordonedBefore { _ = test.intent(.cordon(node, true)) }
            test.isHeld = { _, call in if case .start = call.request { true } else { false } }
            #expect(test.intent(.migrate(id, to: [TestDomain.id(target)])) == nil)
            if !isCordonedBefore { _ = test.intent(.cordon(node, true)) }
            test.isHeld = { _, _ in false }
            for call in test.heldCalls { test.take(.answered(call.id, .refused(DomainRefusal("no")))) }
            #expect(test.intentOutcomes.values.compactMap { $0?.summary } == ["migration failed"])
            #expect(test.domain.records.instances[id]?.physical?.node == node)
        }
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
}

/// Intents in their order, and replacements.
extension DefectTests {
    @Test("intents take effect in list order: migrations accepted before the cordon of their target are carried out")
    func cordonAfterMigrations() throws {
        for makesBeforeBreaking in [false, true] {
            let test = TestDomain(nodes: 2) { $0.makesBeforeBreaking = makesBeforeBreaking }
            let ids = try (0..<3).map { _ in
                try #require(
                    try test.start(
                        TestDomain.function(["node_id_match_any": "\(TestDomain.id(0)),\(TestDomain.id(1))"]))?
                        .get())
            }
            for id in ids { _ = test.intent(.migrate(id, to: [TestDomain.id(0)])) }
            test.isHeld = { _, call in if case .stop = call.request { true } else { false } }
            for id in ids { _ = test.intent(.migrate(id, to: [TestDomain.id(1)])) }
            #expect(test.intent(.cordon(TestDomain.id(1), true)) == .some(nil))
            test.isHeld = { _, _ in false }
            for call in test.heldCalls { test.release(call) }
            #expect(ids.allSatisfy { test.domain.records.instances[$0]?.physical?.node == TestDomain.id(1) })
            // Whatever comes later is declined.
            _ = test.intent(.migrate(ids[0], to: [TestDomain.id(0)]))
            #expect(test.intent(.migrate(ids[0], to: [TestDomain.id(1)]))??.summary == "no valid node found")
        }
    }

    @Test("make-before-break: an instance that its node no longer fits stays until a new one runs")
    func replacement() throws {
        let test = TestDomain(nodes: 2) { $0.makesBeforeBreaking = true }
        let label: (inout NodeDescription) -> Void = { $0.capabilities.labels = ["red"] }
        test.join(0, label)
        let id = try #require(try test.start(TestDomain.function(["label_match_all": "red"]))?.get())
        let physical = try #require(test.domain.records.instances[id]?.physical)
        test.join(1, label)
        var refuses = true
        test.answer = { number, call in
            guard refuses, number == 1, case .start = call.request else { return nil }
            return .refused(DomainRefusal("no"))
        }
        test.drain()
        test.join(0)
        #expect(test.domain.records.instances[id]?.physical == physical)
        #expect(!test.drain().contains { $0.isStop })
        refuses = false
        test.pass(seconds: 40)
        #expect(test.domain.records.instances[id]?.physical?.node == TestDomain.id(1))
        let heard = test.drain()
        #expect(heard.filter { $0.isStart || $0.isStop }.map(\.isStart) == [true, false])
        #expect(heard.contains(.stop(physical, .function)))
    }
}
