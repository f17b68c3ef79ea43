import Domain
import DomainDemo
import DomainRPC
import DomainWire
import Glibc
import SwiftProtobuf
import Synchronization
import TestSupport
import Testing

/// Domain specification, section 6: the demo node and the demo controller.
@Suite struct DemoTests {
    private func node(of serving: Serving, _ change: (inout DemoNode.Settings) -> Void = { _ in }) throws -> DemoNode {
        var settings = DemoNode.Settings(
            node: Sample.node,
            registerURL: ServiceURL(scheme: .http, host: .ipv4("127.0.0.1"), port: serving.server.nodeRegisterPort))
        change(&settings)
        return try DemoNode(settings)
    }

    private func update(
        _ domain: String, _ serving: Serving, counter: UInt64 = 0, nonce: UInt64 = 1, deadline: UInt64 = 100
    ) -> DomainUpdate {
        var capabilities = DomainCapabilities()
        capabilities.runtimes = ["RUST_WASM"]
        capabilities.providerClasses = ["redis"]
        return DomainUpdate(
            domainID: domain, orchestratorURL: "http://127.0.0.1:\(serving.server.orchestratorPort)",
            capabilities: capabilities, refreshDeadline: deadline, counter: counter, nonce: nonce)
    }

    private let workflow = DemoWorkflow(
        "w",
        [
            .init("r", .resource(Sample.resource)), .init("f1", .function(Sample.function), outputs: ["out": "f2"]),
            .init("f2", .function(Sample.function), outputs: ["a": "f1", "b": "r"]),
        ])

    @Test("a demo node reports everything each time, with a lease of two intervals and one nonce until it restarts")
    func registration() async throws {
        try await Serving.serving { (serving) async throws in
            let node = try node(of: serving) { settings in
                settings.providers = [ResourceProvider(id: "p", classType: "redis", outputs: ["out"])]
                settings.interval = 5
            }
            var samples = PerformanceSamples()
            samples.samples[.execution] = [.init(high: 0, low: 1): [.init(seconds: 1, nanoseconds: 2, value: 3)]]
            node.samples = samples
            let before = time(nil)
            #expect(try await node.registerOnce() == nil)
            let after = time(nil)
            node.faults.clockSkew = 1_000
            #expect(try await node.registerOnce() == nil)
            node.restart()
            serving.stub.state.withLock { $0.refusal = DomainRefusal("no") }
            #expect(try await node.registerOnce() == DomainRefusal("no"))

            let updates = serving.stub.state.withLock { $0.updates }
            try #require(updates.count == 3)
            #expect(updates.allSatisfy { $0.node == Sample.node && $0.description == node.description })
            #expect(updates[0].description.agentURL == node.agentURL.description)
            #expect((UInt64(before + 10)...UInt64(after + 10)).contains(updates[0].refreshDeadline))
            #expect(updates[1].refreshDeadline >= updates[0].refreshDeadline + 1_000)
            #expect(updates.map(\.samples) == [samples, PerformanceSamples(), PerformanceSamples()])
            #expect(updates[0].nonce == updates[1].nonce && updates[1].nonce != updates[2].nonce)
            await node.stop()
        }
    }

    @Test("a demo node refreshes until it falls silent, regardless of the answers")
    func refreshing() async throws {
        try await Serving.serving { (serving) async throws in
            serving.stub.state.withLock { $0.isBroken = true }
            let node = try node(of: serving) { $0.interval = 1 }
            node.start()
            while serving.stub.asked.count < 3 { try await Task.sleep(for: .milliseconds(20)) }
            await node.stop()
        }
    }

    @Test("a demo controller resets unknown and restarted domains, and accepts changes")
    func register() async throws {
        let controller = try DemoController()
        let client = try ControllerClient(url: controller.registerURL)
        try await Serving.serving { (serving) async throws in
            func send(_ update: DomainUpdate) async -> DomainUpdateOutcome {
                await client.update(update, within: .seconds(20))
            }
            var update = update("d", serving)
            #expect(await send(update) == .reset)
            update.refreshDeadline = 200
            update.capabilities.nodes = 3
            #expect(await send(update) == .accepted)
            #expect(controller.domains["d"]?.update.refreshDeadline == 200)
            #expect(controller.domains["d"]?.update.capabilities.nodes == 0, "the counter is the same")
            update.counter = 1
            #expect(await send(update) == .accepted)
            #expect(controller.domains["d"]?.update == update)
            update.nonce = 2
            #expect(await send(update) == .reset)
            #expect(await send(update) == .accepted)
            controller.forget("d")
            #expect(await send(update) == .reset)
        }
        client.close()
        await controller.stop()
    }

    @Test("a demo controller starts functions in order, then resources, then patches, and tears down")
    func deployment() async throws {
        let controller = try DemoController()
        let client = try ControllerClient(url: controller.registerURL)
        try await Serving.serving { (serving) async throws in
            serving.stub.state.withLock { $0.countsUp = true }
            #expect(await client.update(update("d", serving), within: .seconds(20)) == .reset)
            let id = try await controller.deploy(workflow)
            let state = serving.stub.state.withLock { ($0.asked, $0.specifications, $0.mappings) }
            func lid(_ number: UInt64) -> LogicalID { LogicalID(high: 0, low: number) }
            #expect(
                state.0 == [
                    "start function", "start function", "start resource", "patch function \(lid(1))",
                    "patch function \(lid(2))",
                ])
            #expect(state.2 == [["out": lid(2)], ["a": lid(1), "b": lid(3)]])
            guard case .function(let function) = state.1.first else {
                Issue.record("no function")
                return
            }
            #expect(function.workflowID == id && function.statePolicy == .nodeLocal)
            #expect(function.stateID != Sample.function.stateID)
            #expect(controller.deployments[id]?.ids == ["f1": lid(1), "f2": lid(2), "r": lid(3)])

            let asker = try ServerConnection(controller.registerURL, tls: nil, messageLimit: 1 << 20)
            let list = try await asker.call(within: .seconds(20)) { client, options in
                try await EdgelessApi_WorkflowInstance.Client(wrapping: client)
                    .list(Google_Protobuf_Empty(), options: options)
            }
            #expect(list.identifiers == [id])
            let info = try await asker.call(within: .seconds(20)) { client, options in
                try await EdgelessApi_WorkflowInstance.Client(wrapping: client)
                    .inspect(.with { $0.workflowID = id }, options: options)
            }
            #expect(info.status.domainMapping.map(\.name) == ["f1", "f2", "r"])
            #expect(info.status.domainMapping.allSatisfy { $0.domainID == "d" })
            asker.close()

            await controller.tearDown(id)
            #expect(
                Set(serving.stub.asked.suffix(3)) == [
                    "stop function \(lid(1))", "stop function \(lid(2))", "stop resource \(lid(3))",
                ])
            #expect(controller.deployments.isEmpty)
        }
        client.close()
        await controller.stop()
    }

    @Test("when a component is refused, the started ones are stopped and the error names the component")
    func refusedDeployment() async throws {
        let controller = try DemoController()
        let client = try ControllerClient(url: controller.registerURL)
        try await Serving.serving { (serving) async throws in
            await #expect(throws: DemoError.self) { try await controller.deploy(workflow) }
            #expect(await client.update(update("d", serving), within: .seconds(20)) == .reset)
            var broken = workflow
            broken.components[1].outputs = ["out": "nobody"]
            let error = await #expect(throws: DemoError.self) { try await controller.deploy(broken) }
            #expect(error?.description == "f1 leads to nobody, which is no part of w")
            #expect(serving.stub.asked.count { $0.hasPrefix("stop") } == 3)
            serving.stub.state.withLock { $0.answer = .failure(DomainRefusal("no", detail: "room")) }
            let refused = await #expect(throws: DemoError.self) { try await controller.deploy(workflow) }
            #expect(refused?.description == "f1 is refused: no: room")
            #expect(controller.deployments.isEmpty)
        }
        client.close()
        await controller.stop()
    }

    @Test("the workflows of an expired domain are deployed on another one")
    func expiry() async throws {
        let controller = try DemoController()
        let client = try ControllerClient(url: controller.registerURL)
        try await Serving.serving { (first) async throws in
            try await Serving.serving { (second) async throws in
                second.stub.state.withLock { $0.countsUp = true }
                #expect(await client.update(update("a", first, deadline: 10), within: .seconds(20)) == .reset)
                #expect(await client.update(update("b", second, deadline: 20), within: .seconds(20)) == .reset)
                let id = try await controller.deploy(workflow)
                #expect(controller.deployments[id]?.domain == "a")
                await controller.expire(at: 10)
                #expect(controller.deployments[id]?.domain == "a")
                await controller.expire(at: 11)
                #expect(controller.deployments[id]?.domain == "b" && controller.domains.keys.sorted() == ["b"])
                #expect(second.stub.asked.count { $0.hasPrefix("start") } == 3)
                await controller.expire(at: 21)
                let deployment = controller.deployments[id]
                #expect(deployment != nil && deployment?.domain == nil, "it waits for a domain")
            }
        }
        client.close()
        await controller.stop()
    }
}
