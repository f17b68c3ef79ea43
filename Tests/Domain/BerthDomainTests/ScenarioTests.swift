import Domain
import DomainDemo
import DomainWire
import Glibc
import TestSupport
import Testing

/// Scenarios of section 7 of the domain specification that need whole domains: processes, nodes and a controller.
@Suite(.serialized) struct ScenarioTests {
    private func workflow(_ number: Int) -> DemoWorkflow {
        DemoWorkflow("workflow \(number)", [.init("f", DomainSite.function())])
    }

    private func knows(_ controller: DemoController, _ domains: [String], nodes: UInt32 = 1) async throws -> Bool {
        try await eventually {
            domains.allSatisfy { controller.domains[$0]?.update.capabilities.cpus == nodes }
        }
    }

    private func end(_ processes: [Program]) async throws {
        for process in processes { process.signal(SIGTERM) }
        for process in processes { #expect(try await process.end() == 0) }
    }

    @Test(
        "S1: ten workflows of one function run in a domain and stop completely; stopping an unknown one is not an error"
    )
    func oneDomain() async throws {
        let site = try DomainSite(domainID: "domain-0")
        let controller = try DemoController(url: site.controllerRegister)
        let process = try await site.serve()
        let node = try site.node(1)
        #expect(try await knows(controller, ["domain-0"]))
        var ids: [String] = []
        for number in 0..<10 { ids.append(try await controller.deploy(workflow(number))) }
        #expect(controller.deployments.count == 10)
        #expect(controller.deployments.values.allSatisfy { $0.domain == "domain-0" && $0.ids.count == 1 })
        #expect(node.components.count == 10)
        for id in ids { await controller.tearDown(id) }
        #expect(controller.deployments.isEmpty)
        #expect(try await eventually { node.components.isEmpty })
        let client = try OrchestratorClient(url: site.orchestrator)
        try await client.stop(LogicalID(high: 9, low: 9), kind: .function)
        client.close()
        try await end([process])
        await node.stop()
        await controller.stop()
    }

    @Test("S2: a hundred workflows use all three domains; when one is killed, they run in the other two")
    func threeDomains() async throws {
        let first = try DomainSite(domainID: "domain-0")
        let controller = try DemoController(url: first.controllerRegister)
        controller.start(now: { UInt64(max(0, time(nil))) })
        let sites =
            try [first] + (1...2).map { try DomainSite(domainID: "domain-\($0)", controller: first.controllerRegister) }
        var processes: [Program] = []
        for site in sites { processes.append(try await site.serve()) }
        let nodes = try sites.enumerated().map { try $1.node($0 + 1) }
        #expect(try await knows(controller, sites.map(\.domainID)))
        for number in 0..<100 { _ = try await controller.deploy(workflow(number)) }
        #expect(Set(controller.deployments.values.map(\.domain)) == ["domain-0", "domain-1", "domain-2"])
        processes[1].signal(SIGKILL)
        #expect(
            try await eventually(seconds: 30) {
                Set(controller.deployments.values.map(\.domain)) == ["domain-0", "domain-2"]
            })
        #expect(nodes[0].components.count + nodes[2].components.count == 100)
        _ = try await processes[1].end()
        try await end([processes[0], processes[2]])
        for node in nodes { await node.stop() }
        await controller.stop()
    }

    @Test(
        "S5: portal resources use the provider named after their domain when they start, stop and move")
    func portal() async throws {
        let site = try DomainSite(domainID: "portal")
        let controller = try DemoController(url: site.controllerRegister)
        let process = try await site.serve()
        let nodes = try ["domain-0", "domain-1", "domain-2"].enumerated().map { number, domain in
            try site.node(number + 1, providers: [ResourceProvider(id: "portal-\(domain)", classType: "portal")])
        }
        #expect(try await knows(controller, ["portal"], nodes: 3))
        let client = try OrchestratorClient(url: site.orchestrator)
        func start(_ domain: String) async throws -> Result<LogicalID, DomainRefusal> {
            try await client.start(
                .resource(
                    ResourceSpecification(
                        classType: "portal", configuration: ["domain": "portal", "domain_name": domain])))
        }
        var ids: [LogicalID] = []
        for round in 1...3 {
            for number in 0..<3 { ids.append(try await start("domain-\(number)").get()) }
            #expect(nodes.allSatisfy { $0.components.count == round })
        }
        await #expect(throws: DomainRefusal.self) { try await start("domain-9").get() }
        for id in ids { try await client.stop(id, kind: .resource) }
        #expect(try await eventually { nodes.allSatisfy { $0.components.isEmpty } })
        client.close()
        try await end([process])
        for node in nodes { await node.stop() }
        await controller.stop()
    }

    @Test(
        "A1: the announced URL is sent verbatim; an empty one becomes the host's address; an invalid one ends the program"
    )
    func announced() async throws {
        let site = try DomainSite()
        let controller = try DemoController(url: site.controllerRegister)
        for given in ["http://orchestrator.example:1234", ""] {
            try site.write("", announced: given)
            let process = try await site.serve()
            #expect(try await eventually { controller.domains["domain-test"] != nil })
            let report = controller.domains["domain-test"]?.update.orchestratorURL ?? ""
            if given.isEmpty {
                // A machine with only a loopback interface has no address to announce.
                #expect(report.isEmpty || report.hasSuffix(":\(site.orchestrator.port)"))
                #expect(!report.contains("127.0.0.1"))
            } else {
                #expect(report == given)
            }
            try await end([process])
            controller.forget("domain-test")
        }
        for wrong in ["http://", "10.0.0.1:1234", "http://:7003", "ftp://host:1"] {
            try site.write("", announced: wrong)
            let process = try site.spawn()
            #expect(try await process.end() == 78)
            #expect(process.text.contains("orchestrator_url_announced"), "\(process.text)")
        }
        await controller.stop()
    }

    @Test("W4: a crash has its own exit status, and the next process resumes from the state")
    func crash() async throws {
        let site = try DomainSite()
        let controller = try DemoController(url: site.controllerRegister)
        let process = try await site.serve()
        let node = try site.node(1)
        #expect(try await knows(controller, ["domain-test"]))
        let id = try await controller.deploy(workflow(1))
        process.signal(SIGABRT)
        let status = try await process.end()
        #expect(status == 128 + SIGABRT)
        let next = try await site.serve()
        #expect(next.text.contains("instances=1") || next.text.contains("instances: 1"), "\(next.text)")
        node.forgetCalls()
        await controller.tearDown(id)
        #expect(try await eventually { node.components.isEmpty })
        #expect(!node.calls.contains(.reset))
        try await end([next])
        await node.stop()
        await controller.stop()
    }
}
