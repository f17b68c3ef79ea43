import Testing

@testable import Domain

/// The scenarios of section 7 of the domain specification, O1 to O7 and others.
@Suite struct ScenarioTests {
    @Test("O1: a function is started as requested and stopped once by its physical id")
    func startAndStop() throws {
        let test = TestDomain(nodes: 1)
        let specification = TestDomain.function(["init-payload": "8"])
        let id = try #require(try test.start(specification)?.get())
        #expect(test.drain() == [.init(node: 0, request: .start(specification))])
        let physical = try #require(test.domain.records.instances[id]?.physical)
        test.take(.stop(id))
        #expect(test.drain() == [.stop(physical, .function)])
        test.take(.stop(id))
        #expect(test.drain().isEmpty)
        #expect(test.domain.records.instances.isEmpty && test.domain.records.orphans.isEmpty)
    }

    @Test("O2: resources are distributed over all providers of their class and stopped at their nodes")
    func resources() throws {
        let test = TestDomain(nodes: 3, providers: 3)
        var ids: [LogicalID] = []
        for _ in 0..<100 { ids.append(try #require(try test.start(TestDomain.resource())?.get())) }
        let heard = test.drain()
        #expect(heard.count == 100 && heard.allSatisfy { $0.isStart })
        #expect(Set(heard.map(\.node)) == [0, 1, 2])
        let places = ids.compactMap { test.domain.records.instances[$0]?.physical }
        for id in ids { test.take(.stop(id)) }
        #expect(test.drain() == places.map { .stop($0, .resource) })
        #expect(
            test.start(TestDomain.resource(of: "rc-666"))
                == .failure(DomainRefusal("class type not found", detail: "class_type: rc-666")))
        #expect(test.drain().isEmpty)
    }

    @Test("O3: a patch reaches the service of the origin's kind, with physical targets")
    func patches() throws {
        let test = TestDomain(nodes: 1, providers: 1)
        let function = try #require(try test.start(TestDomain.function())?.get())
        let resource = try #require(try test.start(TestDomain.resource())?.get())
        let places = try [function, resource].map { try #require(test.domain.records.instances[$0]?.physical) }
        test.drain()
        test.take(.patch(function, ["out-1": resource]))
        test.take(.patch(resource, ["out-2": function]))
        #expect(
            test.drain() == [
                .patch(0, places[0], .function, ["out-1": places[1]]),
                .patch(0, places[1], .resource, ["out-2": places[0]]),
            ])
    }

    @Test("O4: instances of a lost node start elsewhere, and their origins are patched once")
    func lostNode() throws {
        let test = TestDomain(nodes: 10, providers: 1)
        let function = try #require(try test.start(TestDomain.function(["label_match_all": "stable"]))?.get())
        var resource: LogicalID
        repeat {
            resource = try #require(try test.start(TestDomain.resource())?.get())
        } while test.domain.records.instances[resource]?.physical?.node == TestDomain.id(0)
        test.take(.patch(function, ["out": resource]))
        let lost = try #require(test.domain.records.instances[resource]?.physical?.node)
        let stays = try #require(test.domain.records.instances[function]?.physical)
        test.drain()
        for number in 0..<10 where TestDomain.id(number) != lost { test.join(number, providers: 1, seconds: 3600) }
        test.join(Int(lost.low) - 1, providers: 1, seconds: -5)
        test.pass(seconds: 2)
        let heard = test.drain()
        let others = (0..<10).filter { TestDomain.id($0) != lost }
        #expect(heard.filter { $0.request == .removePeer(lost) }.map(\.node) == others)
        let physical = try #require(test.domain.records.instances[resource]?.physical)
        #expect(physical.node != lost && heard.filter(\.isStart).map(\.node) == [Int(physical.node.low) - 1])
        #expect(heard.filter(\.isPatch) == [.patch(0, stays, .function, ["out": physical])])
        #expect(heard.count == others.count + 2)
        test.pass(seconds: 5)
        #expect(test.drain().isEmpty)
    }

    private func migration(of kind: ComponentKind) throws {
        let test = TestDomain(nodes: 2, providers: 1)
        let specification = kind == .function ? TestDomain.function() : TestDomain.resource()
        let ids = try (0..<3).map { _ in try #require(try test.start(specification)?.get()) }
        test.take(.patch(ids[0], ["a": ids[1]]))
        test.take(.patch(ids[1], ["a": ids[0], "b": ids[2]]))
        test.take(.patch(ids[2], ["a": ids[1]]))
        let old = try #require(test.domain.records.instances[ids[1]]?.physical)
        let target = old.node == TestDomain.id(0) ? 1 : 0
        test.drain()
        #expect(test.intent(.migrate(ids[1], to: [TestDomain.id(target)])) == .some(nil))
        let heard = test.drain()
        let places = ids.compactMap { test.domain.records.instances[$0]?.physical }
        try #require(places.count == 3 && heard.count == 5)
        #expect(places[1].node == TestDomain.id(target))
        #expect(heard[0] == .stop(old, kind))
        #expect(heard[1] == .init(node: target, request: .start(specification)))
        for (number, mapping) in [
            (0, ["a": places[1]]), (1, ["a": places[0], "b": places[2]]), (2, ["a": places[1]]),
        ] {
            let node = Int(places[number].node.low) - 1
            #expect(heard[2...].contains(.patch(node, places[number], kind, mapping)))
        }
        test.pass(seconds: 5)
        #expect(test.drain().isEmpty)
    }

    @Test(
        "O5: a migration stops, starts at the target, and patches the function and its origins once"
    )
    func functionMoves() throws { try migration(of: .function) }

    @Test("O6: a resource migrates like a function, with patches to the resource service")
    func resourceMoves() throws { try migration(of: .resource) }

    @Test("O7: a reset stops all functions, then all resources, with at most one patch each")
    func reset() throws {
        let test = TestDomain(nodes: 3, providers: 1)
        for _ in 0..<100 {
            let ids = try [TestDomain.function(), TestDomain.function(), TestDomain.resource()].map {
                try #require(try test.start($0)?.get())
            }
            test.take(.patch(ids[0], ["out": ids[1]]))
            test.take(.patch(ids[1], ["out": ids[2]]))
        }
        test.drain()
        test.pass(seconds: 3)
        let number = try #require(test.controllerUpdates.last?.number)
        test.take(.controllerAnswered(number, .reset))
        let heard = test.drain()
        let kinds = heard.compactMap { if case .stop(_, let kind) = $0.request { kind } else { nil as ComponentKind? } }
        #expect(kinds == Array(repeating: .function, count: 200) + Array(repeating: .resource, count: 100))
        #expect((1...100).contains(heard.count(where: \.isPatch)))
        #expect(heard.count(where: \.isPatch) + 300 == heard.count)
        #expect(test.domain.records.instances.isEmpty && test.domain.records.wirings.isEmpty)
        test.pass(seconds: 5)
        #expect(test.drain().isEmpty)
    }

    @Test(
        "X7: a joining node is reset, announced to all, told about all, and reported to the controller"
    )
    func joining() throws {
        let test = TestDomain(nodes: 2)
        test.pass(seconds: 3)
        let before = try #require(test.controllerUpdates.last?.update.counter)
        test.join(2)
        func add(_ node: Int, _ peer: Int) -> TestDomain.Heard {
            .init(
                node: node,
                request: .addPeer(
                    TestDomain.id(peer), invocationURL: TestDomain.description(peer).invocationURL))
        }
        #expect(
            test.drain() == [
                .init(node: 2, request: .reset), add(0, 2), add(1, 2), add(2, 2), add(2, 0), add(2, 1),
            ])
        #expect(test.domain.records.nodes.values.allSatisfy { $0.isMeshed })
        test.pass(seconds: 2)
        let after = try #require(test.controllerUpdates.last?.update)
        #expect(after.counter > before && after.capabilities.nodes == 3 && after.capabilities.cpus == 3)
    }

    @Test(
        "the EDGELESS example: survivors are rewired, and a resource without a provider waits for its node")
    func workedExample() throws {
        let test = TestDomain(nodes: 3)
        test.join(1, nonce: 9, providers: 1)
        let pin = { (number: Int) in ["node_id_match_any": TestDomain.id(number).description] }
        let first = try #require(try test.start(TestDomain.function(pin(0)))?.get())
        // On B, and free to go to A or C afterwards.
        let second = try #require(
            try test.start(
                TestDomain.function(["node_id_match_any": "\(TestDomain.id(1)), \(TestDomain.id(2))"]))?.get())
        _ = test.intent(.migrate(second, to: [TestDomain.id(1)]))
        let resource = try #require(try test.start(TestDomain.resource())?.get())
        test.take(.patch(first, ["x": second, "y": resource]))
        test.drain()
        test.join(1, nonce: 9, providers: 1, seconds: -1)
        test.pass(seconds: 2)
        let origin = try #require(test.domain.records.instances[first]?.physical)
        let moved = try #require(test.domain.records.instances[second]?.physical)
        #expect(moved.node == TestDomain.id(2) && test.domain.records.instances[resource]?.physical == nil)
        #expect(test.drain().filter(\.isPatch) == [.patch(0, origin, .function, ["x": moved])])
        test.pass(seconds: 10)
        #expect(test.drain().isEmpty)
        test.join(1, nonce: 10, providers: 1)
        let back = try #require(test.domain.records.instances[resource]?.physical)
        #expect(back.node == TestDomain.id(1) && test.domain.records.instances[second]?.physical == moved)
        #expect(test.drain().filter(\.isPatch) == [.patch(0, origin, .function, ["x": moved, "y": back])])
    }
}
