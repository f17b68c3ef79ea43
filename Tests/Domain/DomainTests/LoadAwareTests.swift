import Testing

@testable import Domain

/// The LoadAware strategy, an extension of Berth.
@Suite struct LoadAwareTests {
    private func test(nodes: Int) -> TestDomain { TestDomain(nodes: nodes) { $0.strategy = .loadAware } }

    private func report(_ test: TestDomain, _ number: Int, load: Int32, labels: [String] = [], cpus: UInt32 = 1) {
        var description = TestDomain.description(number)
        description.capabilities.labels += labels
        description.capabilities.cpus = cpus
        var update = NodeUpdate(
            node: TestDomain.id(number), description: description, refreshDeadline: .max, nonce: 1)
        update.health.load1 = load
        test.take(.update(update, problem: nil, 0))
    }

    private func place(_ test: TestDomain, _ annotations: [String: String] = [:]) throws -> Int? {
        guard let result = test.start(TestDomain.function(annotations)) else { return nil }
        guard case .success(let id) = result else { return nil }
        return test.domain.records.instances[id]?.physical.map { Int($0.node.low) - 1 }
    }

    @Test("a function goes to the node with the least busy CPUs, including recent Starts")
    func leastBusy() throws {
        let test = test(nodes: 3)
        report(test, 0, load: 400, cpus: 4)
        report(test, 1, load: 150)
        report(test, 2, load: 700, cpus: 8)
        // 1.0, 1.5 and 0.875 of a CPU.
        #expect(try place(test) == 2)
        // 1.0, 1.5 and 1.0; the third has fewer for each CPU already.
        #expect(try (place(test), place(test)) == (0, 2))
        report(test, 0, load: 3_200, cpus: 4)
        report(test, 2, load: 6_400, cpus: 8)
        #expect(try place(test) == 1)
    }

    @Test("without load reports functions are distributed by CPUs")
    func unknownLoad() throws {
        let test = test(nodes: 2)
        report(test, 1, load: 0, cpus: 3)
        var counts = [0, 0]
        for _ in 0..<40 {
            counts[try #require(try place(test))] += 1
            for node in 0..<2 { report(test, node, load: 0, cpus: node == 0 ? 1 : 3) }
        }
        #expect(counts == [10, 30])
    }

    @Test("isolated CPUs and huge pages are allocated from one NUMA node until exhausted, and again when free")
    func shares() throws {
        let test = test(nodes: 2)
        let labels = ["berth-numa-0-cpus=4", "berth-numa-1-cpus=6", "berth-numa-1-hugepages-2M=512"]
        report(test, 1, load: 900, labels: labels)
        // More than one NUMA node has, but not more than both together.
        #expect(try place(test, ["isolated_cpus": "7"]) == nil)
        #expect(try place(test, ["isolated_cpus": "4"]) == 1)
        #expect(try place(test, ["isolated_cpus": "4", "hugepages_2M": "512"]) == 1)
        #expect(try place(test, ["isolated_cpus": "4"]) == nil)
        #expect(try place(test, ["hugepages_2M": "1"]) == nil)
        let last = try #require(try test.start(TestDomain.function(["isolated_cpus": "2"]))?.get())
        #expect(try place(test, ["isolated_cpus": "1"]) == nil)
        // Functions without a share go to the less busy node.
        #expect(try place(test) == 0)
        test.take(.stop(last))
        #expect(try place(test, ["isolated_cpus": "2"]) == 1)
    }

    @Test("a share is free only when its node has confirmed the Stop")
    func leaving() throws {
        let test = test(nodes: 1)
        report(test, 0, load: 0, labels: ["berth-numa-0-cpus=4"])
        let first = try #require(try test.start(TestDomain.function(["isolated_cpus": "4"]))?.get())
        test.isHeld = { _, call in if case .stop = call.request { true } else { false } }
        test.take(.stop(first))
        #expect(try place(test, ["isolated_cpus": "1"]) == nil)
        test.release(try #require(test.heldCalls.first))
        #expect(try place(test, ["isolated_cpus": "4"]) == 0)
    }

    @Test("functions of a lost node wait for room and start as soon as there is some")
    func waiting() throws {
        let test = test(nodes: 2)
        for node in 0..<2 { report(test, node, load: 0, labels: ["berth-numa-0-cpus=2"]) }
        let first = try #require(try test.start(TestDomain.function(["isolated_cpus": "2"]))?.get())
        let second = try #require(try test.start(TestDomain.function(["isolated_cpus": "2"]))?.get())
        let lost = try #require(test.domain.records.instances[first]?.physical?.node)
        #expect(test.domain.records.instances[second]?.physical?.node != lost)
        test.join(Int(lost.low) - 1, nonce: 9)
        report(test, Int(lost.low) - 1, load: 0)
        test.pass(seconds: 5)
        #expect(test.domain.records.instances[first]?.physical == nil)
        test.take(.stop(second))
        test.pass(seconds: 1)
        #expect(test.domain.records.instances[first]?.physical != nil)
    }

    @Test("a migration needs room at its target and frees none for itself elsewhere")
    func moves() throws {
        let test = test(nodes: 2)
        report(test, 0, load: 0, labels: ["berth-numa-0-cpus=2"])
        let id = try #require(try test.start(TestDomain.function(["isolated_cpus": "2"]))?.get())
        #expect(test.intent(.migrate(id, to: [TestDomain.id(1)]))??.summary == "no valid node found")
        report(test, 1, load: 0, labels: ["berth-numa-3-cpus=2"])
        #expect(test.intent(.migrate(id, to: [TestDomain.id(1)])) == .some(nil))
        #expect(test.domain.records.instances[id]?.physical?.node == TestDomain.id(1))
    }

    @Test("allocated shares survive a restart")
    func restart() throws {
        let before = test(nodes: 1)
        report(before, 0, load: 0, labels: ["berth-numa-0-cpus=2"])
        #expect(try place(before, ["isolated_cpus": "2"]) == 0)
        let after = TestDomain(nodes: 0, records: before.stored) { $0.strategy = .loadAware }
        #expect(try place(after, ["isolated_cpus": "1"]) == nil)
    }

    @Test("the only node of a hundred with room is found")
    func needle() throws {
        let test = test(nodes: 100)
        report(test, 77, load: 9_999, labels: ["berth-numa-0-hugepages-1G=1"])
        #expect(try place(test, ["hugepages_1G": "1"]) == 77)
    }

    @Test(
        "malformed annotations are refused, malformed labels ignored, and other strategies read neither")
    func malformed() throws {
        let test = test(nodes: 1)
        for text in ["-1", "two", "", "99999999999999999999", "1.5"] {
            let refusal = try #require(test.start(TestDomain.function(["isolated_cpus": text])))
            #expect(throws: DomainRefusal.self) { try refusal.get() }
            #expect("\(refusal)".contains("isolated_cpus"))
        }
        report(
            test, 0, load: 0,
            labels: [
                "berth-numa--1-cpus=9", "berth-numa-0-cpus=-9", "berth-numa-0-cpus=9=9", "berth-numa-x-cpus=9",
                "berth-numa-0-cpus", "berth-numa-=9", "berth-numa-0-cpus=9999999999999999999999",
                "berth-numa-9999999-cpus=9",
            ])
        #expect(try place(test, ["isolated_cpus": "1"]) == nil)
        let other = TestDomain(nodes: 1)
        #expect(try place(other, ["isolated_cpus": "two"]) == 0)
    }
}
