import Testing

@testable import Domain

/// Sections 4.2 to 4.4 of the domain specification.
@Suite struct RequirementsTests {
    @Test("a list with too many elements is refused and named")
    func longLists() {
        let many = Array(repeating: "a", count: 1_025).joined(separator: ",")
        for key in ["node_id_match_any", "label_match_all", "resource_match_all"] {
            let error = #expect(throws: RequirementError.self) { try Requirements([key: many]) }
            #expect(error?.key == key)
        }
    }

    private func node(_ change: (inout NodeCapabilities) -> Void = { _ in }) -> NodeCapabilities {
        var capabilities = TestDomain.description(0).capabilities
        change(&capabilities)
        return capabilities
    }

    @Test("O8: missing, irrelevant and complete annotations are parsed")
    func reading() throws {
        #expect(try Requirements([:]).isEmpty)
        #expect(try Requirements(["init-payload": "8", "unknown": "x"]).isEmpty)
        let full = try Requirements([
            "max_instances": "42", "node_id_match_any": "\(TestDomain.id(0)),\(TestDomain.id(1))",
            "label_match_all": "red,blue", "resource_match_all": "file,redis", "tee": "REQuired", "tpm": "required",
        ])
        #expect(full.maximumInstances == 42 && full.nodes == [TestDomain.id(0), TestDomain.id(1)])
        #expect(full.labels == ["red", "blue"] && full.providers == ["file", "redis"])
        #expect(full.needsTEE && full.needsTPM)
    }

    @Test("X8: whitespace and empty elements in a list are ignored")
    func trimming() throws {
        #expect(try Requirements(["label_match_all": "red, blue"]).labels == ["red", "blue"])
        #expect(try Requirements(["label_match_all": " ,", "resource_match_all": ""]).isEmpty)
        #expect(try Requirements(["tee": "required "]).needsTEE)
    }

    @Test(
        "W12: a malformed constraint is refused and named",
        arguments: [
            ("node_id_match_any", "not-a-node"), ("tee", "requierd"), ("tpm", "yes please"), ("max_instances", "-1"),
            ("max_instances", "many"),
        ])
    func malformed(_ key: String, _ value: String) {
        let error = #expect(throws: RequirementError.self) { try Requirements([key: value]) }
        #expect(error?.key == key && error?.description.contains(value) == true)
        let test = TestDomain(nodes: 1)
        let answer = test.start(TestDomain.function([key: value]))
        guard case .failure(let refusal) = answer else {
            Issue.record("started")
            return
        }
        #expect(refusal.summary == "Invalid function instance creation request")
        #expect(refusal.detail?.contains(key) == true)
    }

    @Test("O9: the candidates are the nodes with the run-time")
    func candidates() {
        #expect(TestDomain(nodes: 0).start(TestDomain.function()).map { (try? $0.get()) == nil } == true)
        let test = TestDomain(nodes: 5)
        var used: Set<NodeID> = []
        for _ in 0..<100 {
            guard case .success(let id) = test.start(TestDomain.function()) else { continue }
            if let node = test.domain.records.instances[id]?.physical?.node { used.insert(node) }
        }
        #expect(used.count == 5)
        let pinned = ["node_id_match_any": TestDomain.id(0).description]
        #expect(
            test.start(TestDomain.function(pinned, runtime: "CONTAINER"))
                == .failure(
                    DomainRefusal(
                        "Could not start function run-time CONTAINER class doubler version 0.1 code none",
                        detail: "no valid node found")))
    }

    @Test("O10: each requirement is met only by the node that has it")
    func each() throws {
        let (own, other) = (TestDomain.id(0), TestDomain.id(1))
        func meets(
            _ texts: [String: String], providers: Set<String> = [],
            _ change: (inout NodeCapabilities) -> Void = { _ in }
        ) throws -> Bool {
            try Requirements(texts).areMet(by: own, node(change), providers: providers)
        }
        #expect(try meets(["node_id_match_any": "\(own)"]) && meets(["node_id_match_any": "\(own),\(other)"]))
        #expect(try !meets(["node_id_match_any": "\(other)"]))
        #expect(try meets(["label_match_all": "stable"]) && !meets(["label_match_all": "stable,red"]))
        #expect(try !meets(["label_match_all": "Stable"]))
        #expect(try meets(["resource_match_all": "a,b"], providers: ["a", "b", "c"]))
        #expect(try !meets(["resource_match_all": "a,b"], providers: ["a"]))
        #expect(try !meets(["tee": "required"]) && meets(["tee": "required"]) { $0.hasTEE = true })
        #expect(try !meets(["tpm": "required"]) && meets(["tpm": "required"]) { $0.hasTPM = true })
    }

    @Test("W12: resource_match_all holds for resources too")
    func resources() throws {
        let test = TestDomain(nodes: 3, providers: 2)
        let wanted = "node-1-resource-0-provider"
        for _ in 0..<20 {
            let id = try #require(try test.start(TestDomain.resource(["resource_match_all": wanted]))?.get())
            #expect(test.domain.records.instances[id]?.physical?.node == TestDomain.id(1))
        }
    }

    @Test("Random chooses by weight: the larger of cores and CPUs times the frequency, or 1")
    func random() throws {
        let test = TestDomain(nodes: 0)
        for (number, figures) in [(4, 2, 2000), (2, 2, 1000), (1, 1, 0)].enumerated() {
            test.join(number) {
                $0.capabilities.cpus = UInt32(figures.0)
                $0.capabilities.cores = UInt32(figures.1)
                $0.capabilities.cpuFrequency = Float(figures.2)
            }
        }
        var counts: [NodeID: Int] = [:]
        for _ in 0..<2000 {
            let id = try #require(try test.start(TestDomain.function())?.get())
            if let node = test.domain.records.instances[id]?.physical?.node { counts[node, default: 0] += 1 }
        }
        // 1,600 are expected, with a deviation of 18.
        #expect((1500...1700).contains(counts[TestDomain.id(0)] ?? 0))
        #expect((counts[TestDomain.id(2)] ?? 0) < 10)
    }

    @Test(
        "W3, W10: a frequency that is not a positive finite number gives the weight 1",
        arguments: [Float.nan, .infinity, -.infinity, -5])
    func frequencies(_ frequency: Float) throws {
        let test = TestDomain(nodes: 2)
        test.join(2) { $0.capabilities.cpuFrequency = frequency }
        var used: Set<NodeID> = []
        for _ in 0..<100 {
            let id = try #require(try test.start(TestDomain.function())?.get())
            if let node = test.domain.records.instances[id]?.physical?.node { used.insert(node) }
        }
        #expect(used.count == 3)
        test.drain()
        test.join(2) { $0.capabilities.cpuFrequency = frequency }
        #expect(test.drain().isEmpty)
    }

    @Test("W25: RoundRobin continues after the last chosen node, ordered by id")
    func roundRobin() throws {
        let test = TestDomain(nodes: 3) { $0.strategy = .roundRobin }
        let specifications = ["", "", "B", "B"].map { label in
            label.isEmpty
                ? TestDomain.function(["node_id_match_any": "\(TestDomain.id(0)),\(TestDomain.id(2))"])
                : TestDomain.function()
        }
        let nodes = try specifications.map { specification in
            let id = try #require(try test.start(specification)?.get())
            return test.domain.records.instances[id]?.physical?.node
        }
        #expect(nodes == [0, 2, 0, 1].map { TestDomain.id($0) })
    }

    @Test("the portal's provider is found by name, regardless of requirements and cordons")
    func portal() throws {
        let test = TestDomain(nodes: 1)
        test.join(1) { $0.providers = [ResourceProvider(id: "portal-here", classType: "portal")] }
        _ = test.intent(.cordon(TestDomain.id(1), true))
        let configuration = ["domain": "portal", "domain_name": "here", "label_match_all": "nobody"]
        let id = try #require(try test.start(TestDomain.resource(configuration, of: "portal"))?.get())
        #expect(test.domain.records.instances[id]?.physical?.node == TestDomain.id(1))
        let absent = TestDomain.resource(["domain": "portal", "domain_name": "there"], of: "portal")
        #expect(test.start(absent) == .failure(DomainRefusal("class type not found", detail: "class_type: portal")))
    }
}
